// The text form of a program (graph/graph.h). Deterministic; numbers print so that they parse back to the same bits.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph/internal.h"

static void print_float(etch_buf *out, double f)
{
    if (isnan(f)) {
        etch_buf_puts(out, "nan");
        return;
    }
    if (isinf(f)) {
        etch_buf_puts(out, f < 0 ? "-inf" : "inf");
        return;
    }
    char z[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(z, sizeof z, "%.*g", digits, f);
        if (strtod(z, NULL) == f) break;
    }
    etch_buf_puts(out, z);
    if (!strpbrk(z, ".e")) etch_buf_puts(out, ".0");
}

static void print_bound(etch_buf *out, int64_t v)
{
    if (v == INT64_MAX) etch_buf_puts(out, "inf");
    else if (v == INT64_MIN) etch_buf_puts(out, "-inf");
    else etch_buf_printf(out, "%lld", (long long)v);
}

static void print_ref(etch_buf *out, const etch_tensor *t)
{
    if (!t) etch_buf_puts(out, "None");
    else etch_buf_printf(out, "%%%d", ((const etch_value *)(const void *)t)->id);
}

static void print_val(etch_buf *out, const etch_val *v)
{
    switch (v->kind) {
    case ETCH_V_NONE: etch_buf_puts(out, "None"); return;
    case ETCH_V_TENSOR: print_ref(out, v->t); return;
    case ETCH_V_INT: etch_dim_print(out, v->i); return;
    case ETCH_V_FLOAT: print_float(out, v->f); return;
    case ETCH_V_BOOL: etch_buf_puts(out, v->b ? "true" : "false"); return;
    case ETCH_V_STR: etch_buf_quote(out, v->s); return;
    default: break;
    }
    etch_buf_puts(out, "[");
    int n = v->kind == ETCH_V_INTS ? v->ints.n : v->kind == ETCH_V_FLOATS ? v->floats.n : v->kind == ETCH_V_BOOLS ? v->bools.n
            : v->tensors.n;
    for (int i = 0; i < n; i++) {
        if (i) etch_buf_puts(out, ", ");
        if (v->kind == ETCH_V_INTS) etch_dim_print(out, v->ints.p[i]);
        else if (v->kind == ETCH_V_FLOATS) print_float(out, v->floats.p[i]);
        else if (v->kind == ETCH_V_BOOLS) etch_buf_puts(out, v->bools.p[i] ? "true" : "false");
        else print_ref(out, v->tensors.p[i]);
    }
    etch_buf_puts(out, "]");
}

static bool list_eq(const void *a, int na, const void *b, int nb, size_t elem)
{
    return na == nb && (na == 0 || !memcmp(a, b, (size_t)na * elem));
}

bool etch_graph__val_eq(const etch_val *a, const etch_val *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case ETCH_V_NONE: return true;
    case ETCH_V_TENSOR: return a->t == b->t;
    case ETCH_V_INT: return etch_dim_same(a->i, b->i);
    case ETCH_V_FLOAT: return !memcmp(&a->f, &b->f, sizeof a->f);
    case ETCH_V_BOOL: return a->b == b->b;
    case ETCH_V_STR: return etch_str_eq(a->s, b->s);
    case ETCH_V_INTS:
        if (a->ints.n != b->ints.n) return false;
        for (int i = 0; i < a->ints.n; i++)
            if (!etch_dim_same(a->ints.p[i], b->ints.p[i])) return false;
        return true;
    case ETCH_V_FLOATS: return list_eq(a->floats.p, a->floats.n, b->floats.p, b->floats.n, sizeof(double));
    case ETCH_V_BOOLS: return list_eq(a->bools.p, a->bools.n, b->bools.p, b->bools.n, sizeof(bool));
    case ETCH_V_TENSORS: return list_eq(a->tensors.p, a->tensors.n, b->tensors.p, b->tensors.n, sizeof(etch_tensor *));
    }
    return false;
}

bool etch_graph__same_type(const etch_tensor *a, const etch_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

static bool is_default(const etch_param *q, const etch_val *v) { return q->has_default && etch_graph__val_eq(&q->def, v); }

static void print_arg(etch_buf *out, const etch_param *q, const etch_val *v)
{
    if (q->is_dtype && v->kind == ETCH_V_INT && !v->i.e && etch_dtype_is_valid((int)v->i.v))
        etch_buf_puts(out, etch_dtype_name((etch_dtype)v->i.v));
    else print_val(out, v);
}

static void print_result(etch_buf *out, const etch_value *v)
{
    if (v->is_scalar) {
        etch_buf_puts(out, "int ");
        etch_dim_print(out, v->scalar);
    } else {
        etch_tensor_print_type(out, &v->t);
    }
    if (v->fqn.len) {
        etch_buf_puts(out, " fqn ");
        etch_buf_quote(out, v->fqn);
    }
}

void etch_node_print(const etch_node *n, etch_buf *out)
{
    const etch_schema *s = n->op->schema;
    for (int i = 0; i < n->n_outs; i++) etch_buf_printf(out, "%s%%%d", i ? ", " : "", n->outs[i]->id);
    etch_buf_printf(out, "%s%.*s(", n->n_outs ? " = " : "", ETCH_STR_ARGS(s->name));
    int last = -1;
    for (int i = 0; i < s->n_params; i++)
        if (!s->params[i].kwarg_only && !is_default(&s->params[i], &n->args[i])) last = i;
    bool first = true;
    for (int i = 0; i < s->n_params; i++) {
        const etch_param *q = &s->params[i];
        if (q->kwarg_only ? is_default(q, &n->args[i]) : i > last) continue;
        if (!first) etch_buf_puts(out, ", ");
        first = false;
        if (q->kwarg_only) etch_buf_printf(out, "%.*s=", ETCH_STR_ARGS(q->name));
        print_arg(out, q, &n->args[i]);
    }
    etch_buf_puts(out, ")");
    for (int i = 0; i < n->n_outs; i++) {
        etch_buf_puts(out, i ? ", " : " : ");
        print_result(out, n->outs[i]);
    }
    if (n->where.len) {
        etch_buf_puts(out, " @ ");
        etch_buf_quote(out, n->where);
    }
    if (n->module.len) {
        etch_buf_puts(out, " in ");
        etch_buf_quote(out, n->module);
    }
}

static void print_leaf(etch_buf *out, const etch_value *v)
{
    etch_buf_printf(out, "%%%d = ", v->id);
    switch (v->src) {
    case ETCH_SRC_INPUT: etch_buf_puts(out, "input "); break;
    case ETCH_SRC_FILE:
        etch_buf_puts(out, "file ");
        etch_buf_quote(out, v->file);
        etch_buf_puts(out, " ");
        break;
    case ETCH_SRC_BUFFER: etch_buf_puts(out, "buffer "); break;
    default: etch_buf_puts(out, "data"); break;
    }
    if (v->src != ETCH_SRC_DATA) etch_buf_quote(out, v->name);
    etch_buf_puts(out, " : ");
    print_result(out, v);
    if (v->src == ETCH_SRC_DATA) {
        etch_buf_puts(out, " hex \"");
        for (size_t i = 0; i < v->t.capacity; i++) {
            static const char digits[] = "0123456789abcdef";
            uint8_t b = ((const uint8_t *)v->t.data)[i];
            etch_buf_put(out, (const char[2]){ digits[b >> 4], digits[b & 15] }, 2);
        }
        etch_buf_puts(out, "\"");
    }
    if (v->src == ETCH_SRC_BUFFER) {
        if (v->init) etch_buf_printf(out, " init %%%d", v->init->id);
        else etch_buf_puts(out, " init zeros");
    }
    etch_buf_puts(out, "\n");
}

static void print_method(etch_method *m, etch_buf *out)
{
    etch_method_renumber(m);
    etch_buf_puts(out, "method ");
    etch_buf_quote(out, m->name);
    etch_buf_puts(out, "\n");
    for (int i = 0; i < m->n_leaves; i++) print_leaf(out, m->leaves[i]);
    for (const etch_node *n = m->first; n; n = n->next) {
        etch_node_print(n, out);
        etch_buf_puts(out, "\n");
    }
    for (int i = 0; i < m->n_mutations; i++)
        etch_buf_printf(out, "mutate %%%d = %%%d\n", m->mutations[i].buffer->id, m->mutations[i].v->id);
    for (int i = 0; i < m->n_outputs; i++) {
        etch_buf_puts(out, "return ");
        etch_buf_quote(out, m->outputs[i].name);
        etch_buf_printf(out, " %%%d\n", m->outputs[i].v->id);
    }
    etch_buf_puts(out, "end\n");
}

void etch_program_print(etch_program *p, etch_buf *out)
{
    etch_buf_puts(out, "etch-graph 1\n");
    for (int i = 0; i < p->syms.n_syms; i++) {
        const etch_sym *s = &p->syms.syms[i];
        etch_buf_printf(out, "sym %.*s in [", ETCH_STR_ARGS(s->name));
        print_bound(out, s->lo);
        etch_buf_puts(out, ", ");
        print_bound(out, s->hi);
        etch_buf_printf(out, "] example %lld\n", (long long)s->example);
    }
    for (int i = 0; i < p->syms.n_guards; i++) {
        etch_buf_puts(out, "guard ");
        etch_buf_quote(out, p->syms.guards[i].text);
        if (p->syms.guards[i].where.len) {
            etch_buf_puts(out, " at ");
            etch_buf_quote(out, p->syms.guards[i].where);
        }
        etch_buf_puts(out, "\n");
    }
    for (int i = 0; i < p->n_metas; i++) {
        etch_buf_puts(out, "meta ");
        etch_buf_quote(out, p->metas[i].name);
        etch_buf_puts(out, " = ");
        print_val(out, &p->metas[i].value);
        etch_buf_puts(out, "\n");
    }
    for (int i = 0; i < p->n_methods; i++) print_method(p->methods[i], out);
}
