// What a tensor held before the inputs reached it: the content that state starts with. In: a tensor that a trial call left behind. Out: a
// constant.
//
//   state = zeros(2, 3); state -= 5; state[0] = x        -> the content after the second statement
//   state = x * zeros(1, 2) + x                          -> zeros(1, 2): what a recurrence made for itself when it was given no state
#include "trace/core/core.h"

#include <stdlib.h>
#include <string.h>

static bool same_sizes(const etch_tensor *a, const etch_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (!etch_dim_same(a->sizes[i], b->sizes[i])) return false;
    return true;
}

bool core_is_zeros(const etch_value *v)
{
    if (v->src != ETCH_SRC_NODE) return false;
    const etch_node *n = v->def;
    etch_str name = n->op->schema->name;
    if (etch_str_eqz(name, "aten::zeros") || etch_str_eqz(name, "aten::zeros_like") || etch_str_eqz(name, "aten::new_zeros")) return true;
    if (etch_str_eqz(name, "aten::full")) {
        const etch_val *x = &n->args[1];
        return (x->kind == ETCH_V_INT && !x->i.e && x->i.v == 0) || (x->kind == ETCH_V_FLOAT && x->f == 0) ||
            (x->kind == ETCH_V_BOOL && !x->b);
    }
    return false;
}

typedef struct { const etch_value *of; etch_value *found; etch_value **seen; int n, cap; etch_status *error; } zero_search;

static bool made_for(const etch_value *zeros, const etch_value *state)
{
    etch_str z = zeros->def->module, m = state->def->module;  // by the module that computes the state, or by one around it
    return zeros->t.dtype == state->t.dtype && same_sizes(&zeros->t, &state->t) && z.len <= m.len && !memcmp(z.ptr, m.ptr, z.len);
}

static void look(void *user, etch_value *v)
{
    zero_search *z = user;
    core_info *info = core_info_of(v);
    if (z->found || z->error || info->marked) return;
    if (core_is_zeros(v) && made_for(v, z->of)) z->found = v;
    if (v->src != ETCH_SRC_NODE) return;
    z->error = core_grow(&z->seen, z->n, &z->cap, sizeof *z->seen);
    if (z->error) return;
    info->marked = true;
    z->seen[z->n++] = v;
}

// Zeros of the size of `v` among what it was computed from: what a recurrence started with that was given no state.
static etch_status *zeros_before(etch_value *v, etch_value **out)
{
    zero_search z = { .of = v };
    *out = NULL;
    if (v->src != ETCH_SRC_NODE) return NULL;
    look(&z, v);
    for (int i = 0; i < z.n && !z.found && !z.error; i++) etch_node_each_use(z.seen[i]->def, look, &z);
    for (int i = 0; i < z.n; i++) core_info_of(z.seen[i])->marked = false;
    free(z.seen);
    *out = z.found;
    return z.error;
}

static etch_status *zeros(core_state *st, const etch_tensor *like, etch_value **out)
{
    etch_dim sizes[ETCH_MAX_RANK];
    memcpy(sizes, like->sizes, sizeof sizes);
    etch_val args[] = { { .kind = ETCH_V_INTS, .ints = { sizes, like->rank } }, etch_val_int((int64_t)like->dtype) };
    return core_call(st, "aten::zeros", args, 2, out);
}

// Content that no input has reached. Zeros made to the size of a tensor that depends on inputs are such content too.
bool core_is_start(const etch_value *v)
{
    return !((const core_info *)v->user)->dynamic || (core_is_zeros(v) && !etch_tensor_is_dynamic(&v->t));
}

etch_status *core_initial(core_tensor *t, etch_value **out)
{
    core_storage *s = t->s;
    ETCH_TRY(core_value(t, out));
    if (!core_info_of(*out)->dynamic) return NULL;
    if (!s->initial) {
        etch_value *v = *out;
        ETCH_TRY(zeros_before(v, out));
        return *out ? zeros(t->st, &v->t, out) : NULL;
    }
    etch_value *content = s->initial;
    if (core_info_of(content)->dynamic) ETCH_TRY(zeros(t->st, &s->initial->t, &content));
    const etch_recorder r = core_recorder(t->st);
    return etch_view_read(&r, content, t->chain, out);
}
