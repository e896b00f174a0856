// The EValues of a plan. Scalars of equal value share one EValue, except those that prim ops rewrite.
#include "lower/internal.h"

static etch_status *push(lw_method *lm, int code, etch_fbo member, int *out_id)
{
    etch_fbb *b = &lm->lp->fbb;
    etch_fbo ev = etch_fbb_table(b, ETCH_FB_EValue);
    etch_fbb_union(b, ev, ETCH_FB(EValue, val_type), code, member);
    LW_GROW(&lm->lp->arena, lm->values, lm->n_values, lm->cap_values);
    lm->values[lm->n_values] = ev;
    *out_id = lm->n_values++;
    return NULL;
}

// Finds or remembers a scalar by its text.
static etch_status *shared(lw_method *lm, etch_str key, bool *found, int **slot)
{
    if (!key.ptr) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    *slot = etch_map_get(&lm->scalars, key);
    *found = *slot != NULL;
    if (*found) return NULL;
    ETCH_ALLOC(*slot, &lm->lp->arena, sizeof **slot);
    return etch_map_put(&lm->scalars, key, *slot);
}

static etch_status *val_int_new(lw_method *lm, int64_t v, int *out_id)
{
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_Int);
    etch_fbb_int(&lm->lp->fbb, o, ETCH_FB(Int, int_val), v);
    return push(lm, ETCH_FBU(KernelTypes, Int), o, out_id);
}

etch_status *lw_val_int(lw_method *lm, int64_t v, int *out_id)
{
    bool found;
    int *slot;
    ETCH_TRY(shared(lm, etch_arena_printf(&lm->lp->arena, "i%lld", (long long)v), &found, &slot));
    if (!found) ETCH_TRY(val_int_new(lm, v, slot));
    *out_id = *slot;
    return NULL;
}

etch_status *lw_val_result(lw_method *lm, int *out_id) { return val_int_new(lm, 0, out_id); }

static etch_status *val_double(lw_method *lm, double v, int *out_id)
{
    bool found;
    int *slot;
    ETCH_TRY(shared(lm, etch_arena_printf(&lm->lp->arena, "d%a", v), &found, &slot));
    if (!found) {
        etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_Double);
        etch_fbb_float(&lm->lp->fbb, o, ETCH_FB(Double, double_val), v);
        ETCH_TRY(push(lm, ETCH_FBU(KernelTypes, Double), o, slot));
    }
    *out_id = *slot;
    return NULL;
}

static etch_status *val_bool(lw_method *lm, bool v, int *out_id)
{
    bool found;
    int *slot;
    ETCH_TRY(shared(lm, v ? ETCH_LIT("true") : ETCH_LIT("false"), &found, &slot));
    if (!found) {
        etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_Bool);
        etch_fbb_int(&lm->lp->fbb, o, ETCH_FB(Bool, bool_val), v);
        ETCH_TRY(push(lm, ETCH_FBU(KernelTypes, Bool), o, slot));
    }
    *out_id = *slot;
    return NULL;
}

static etch_status *val_null(lw_method *lm, int *out_id)
{
    bool found;
    int *slot;
    ETCH_TRY(shared(lm, ETCH_LIT("null"), &found, &slot));
    if (!found) ETCH_TRY(push(lm, ETCH_FBU(KernelTypes, Null), etch_fbb_table(&lm->lp->fbb, ETCH_FB_Null), slot));
    *out_id = *slot;
    return NULL;
}

static etch_status *val_str(lw_method *lm, etch_str v, int *out_id)
{
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_String);
    etch_fbb_string(&lm->lp->fbb, o, ETCH_FB(String, string_val), v);
    return push(lm, ETCH_FBU(KernelTypes, String), o, out_id);
}

// What a required tensor given as None becomes.
static etch_status *val_empty_tensor(lw_method *lm, int *out_id)
{
    etch_fbb *b = &lm->lp->fbb;
    etch_fbo o = etch_fbb_table(b, ETCH_FB_Tensor);
    etch_fbb_ref(b, o, ETCH_FB(Tensor, sizes), etch_fbb_vec(b, (int32_t[]){ 0 }, 4, 1));
    etch_fbb_ref(b, o, ETCH_FB(Tensor, dim_order), etch_fbb_vec(b, (uint8_t[]){ 0 }, 1, 1));
    return push(lm, ETCH_FBU(KernelTypes, Tensor), o, out_id);
}

static bool all_zero(const etch_value *init)
{
    if (!init) return true;
    size_t n;
    if (init->src != ETCH_SRC_DATA || !etch_tensor_nbytes(&init->t, &n)) return false;
    for (size_t i = 0; i < n; i++)
        if (((const uint8_t *)init->t.data)[i]) return false;
    return true;
}

// Index of a state buffer's initial content, 0 when it starts as zeros.
static etch_status *init_index(lw_method *lm, lw_slot *s, int *out)
{
    lw_program *lp = lm->lp;
    *out = 0;
    if (s->v->src != ETCH_SRC_BUFFER || all_zero(s->v->init)) return NULL;
    if (!lw_slot_of(s->v->init)->is_const) return ETCH_ERR(ETCH_UNSUPPORTED, "the initial content of state '%.*s' is not a constant",
                                                           ETCH_STR_ARGS(s->v->name));
    LW_GROW(&lp->arena, lp->inits, lp->n_inits, lp->cap_inits);
    lp->inits[lp->n_inits++] = s;
    *out = lp->n_inits;
    return NULL;
}

static lw_slot *memory_of(lw_slot *s)
{
    for (;;) {
        if (s->same) s = s->same;
        else if (s->base != s) s = s->base;
        else return s;
    }
}

etch_status *lw_val_tensor(lw_method *lm, lw_slot *s, int *out_id)
{
    s = lw_real(s);
    if (s->v->is_scalar || s->evalue >= 0) {
        if (s->evalue < 0) return ETCH_ERR(ETCH_INTERNAL, "a scalar is read before it is computed");
        *out_id = s->evalue;
        return NULL;
    }
    etch_fbb *b = &lm->lp->fbb;
    etch_fbo o = etch_fbb_table(b, ETCH_FB_Tensor);
    int32_t sizes[ETCH_MAX_RANK];
    uint8_t order[ETCH_MAX_RANK];
    int rank = s->v->t.rank, init;
    for (int i = 0; i < rank; i++) {
        sizes[i] = (int32_t)s->bound[i];
        order[i] = (uint8_t)i;
    }
    etch_fbb_int(b, o, ETCH_FB(Tensor, scalar_type), s->v->t.dtype);
    etch_fbb_ref(b, o, ETCH_FB(Tensor, sizes), etch_fbb_vec(b, sizes, 4, (size_t)rank));
    etch_fbb_ref(b, o, ETCH_FB(Tensor, dim_order), etch_fbb_vec(b, order, 1, (size_t)rank));
    etch_fbb_int(b, o, ETCH_FB(Tensor, shape_dynamism), s->dynamic);
    if (s->is_const) {
        lw_blob *blob;
        ETCH_TRY(lw_blob_get(lm, s->v, &blob));
        ETCH_TRY(lw_blob_const(lm->lp, blob));
        etch_fbb_int(b, o, ETCH_FB(Tensor, data_buffer_idx), blob->const_index);
    } else if (!s->is_et_view) {
        lw_slot *root = memory_of(s);
        etch_fbo a = etch_fbb_table(b, ETCH_FB_AllocationDetails);
        etch_fbb_int(b, a, ETCH_FB(AllocationDetails, memory_id), 1);
        etch_fbb_int(b, a, ETCH_FB(AllocationDetails, memory_offset_low), (int64_t)(root->offset & UINT32_MAX));
        etch_fbb_int(b, a, ETCH_FB(AllocationDetails, memory_offset_high), (int64_t)(root->offset >> 32));
        etch_fbb_ref(b, o, ETCH_FB(Tensor, allocation_info), a);
        ETCH_TRY(init_index(lm, s, &init));
        etch_fbb_int(b, o, ETCH_FB(Tensor, data_buffer_idx), init);
        if (s->v->src == ETCH_SRC_BUFFER && s->v->name.len) {
            etch_fbo extra = etch_fbb_table(b, ETCH_FB_ExtraTensorInfo);
            etch_fbb_string(b, extra, ETCH_FB(ExtraTensorInfo, fully_qualified_name), s->v->name);
            etch_fbb_ref(b, o, ETCH_FB(Tensor, extra_tensor_info), extra);
        }
    }
    ETCH_TRY(push(lm, ETCH_FBU(KernelTypes, Tensor), o, &s->evalue));
    *out_id = s->evalue;
    return NULL;
}

etch_status *lw_val_ints(lw_method *lm, const etch_dim *dims, int n, int *out_id)
{
    int64_t *items;
    ETCH_ALLOC(items, &lm->lp->arena, sizeof *items * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        int id;
        ETCH_TRY(lw_sym_dim(lm, dims[i], &id));
        items[i] = id;
    }
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_IntList);
    etch_fbb_ref(&lm->lp->fbb, o, ETCH_FB(IntList, items), etch_fbb_vec(&lm->lp->fbb, items, 8, (size_t)n));
    return push(lm, ETCH_FBU(KernelTypes, IntList), o, out_id);
}

etch_status *lw_val_tensors(lw_method *lm, lw_slot *const *slots, int n, bool optional, int *out_id)
{
    int32_t *items;
    ETCH_ALLOC(items, &lm->lp->arena, sizeof *items * (size_t)(n + 1));
    for (int i = 0; i < n; i++) {
        int id = -1;
        if (slots[i]) ETCH_TRY(lw_val_tensor(lm, slots[i], &id));
        else if (!optional) ETCH_TRY(val_empty_tensor(lm, &id));
        items[i] = id;
    }
    etch_fbo vec = etch_fbb_vec(&lm->lp->fbb, items, 4, (size_t)n);
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, optional ? ETCH_FB_OptionalTensorList : ETCH_FB_TensorList);
    etch_fbb_ref(&lm->lp->fbb, o, optional ? ETCH_FB(OptionalTensorList, items) : ETCH_FB(TensorList, items), vec);
    return push(lm, optional ? ETCH_FBU(KernelTypes, OptionalTensorList) : ETCH_FBU(KernelTypes, TensorList), o, out_id);
}

static etch_status *val_doubles(lw_method *lm, const double *v, int n, int *out_id)
{
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_DoubleList);
    etch_fbb_ref(&lm->lp->fbb, o, ETCH_FB(DoubleList, items), etch_fbb_vec(&lm->lp->fbb, v, 8, (size_t)n));
    return push(lm, ETCH_FBU(KernelTypes, DoubleList), o, out_id);
}

static etch_status *val_bools(lw_method *lm, const bool *v, int n, int *out_id)
{
    etch_fbo o = etch_fbb_table(&lm->lp->fbb, ETCH_FB_BoolList);
    etch_fbb_ref(&lm->lp->fbb, o, ETCH_FB(BoolList, items), etch_fbb_vec(&lm->lp->fbb, v, 1, (size_t)n));
    return push(lm, ETCH_FBU(KernelTypes, BoolList), o, out_id);
}

static etch_status *val_tensor_list(lw_method *lm, const etch_val *a, bool optional, int *out_id)
{
    lw_slot **slots;
    ETCH_ALLOC(slots, &lm->lp->arena, sizeof *slots * (size_t)(a->tensors.n + 1));
    for (int i = 0; i < a->tensors.n; i++) slots[i] = a->tensors.p[i] ? lw_slot_of(etch_value_of(a->tensors.p[i])) : NULL;
    return lw_val_tensors(lm, slots, a->tensors.n, optional, out_id);
}

etch_status *lw_val_arg(lw_method *lm, const etch_param *param, const etch_val *a, int *out_id)
{
    bool as_float = param->type == ETCH_T_FLOAT || param->type == ETCH_T_FLOAT_OPT;
    bool as_tensor = param->type == ETCH_T_TENSOR || param->type == ETCH_T_TENSOR_OPT;
    switch (a->kind) {
    case ETCH_V_NONE: return param->type == ETCH_T_TENSOR ? val_empty_tensor(lm, out_id) : val_null(lm, out_id);
    case ETCH_V_TENSOR: return lw_val_tensor(lm, lw_slot_arg(a), out_id);
    case ETCH_V_INT: case ETCH_V_FLOAT: case ETCH_V_BOOL:
        if (as_tensor) return ETCH_ERR(ETCH_INTERNAL, "argument %.*s is a number where a tensor stands", ETCH_STR_ARGS(param->name));
        if (a->kind == ETCH_V_FLOAT || (as_float && (a->kind == ETCH_V_BOOL || etch_dim_is_const(a->i))))
            return val_double(lm, etch_val_as_double(a), out_id);
        return a->kind == ETCH_V_BOOL ? val_bool(lm, a->b, out_id) : lw_sym_dim(lm, a->i, out_id);
    case ETCH_V_STR: return val_str(lm, a->s, out_id);
    case ETCH_V_INTS: return lw_val_ints(lm, a->ints.p, a->ints.n, out_id);
    case ETCH_V_FLOATS: return val_doubles(lm, a->floats.p, a->floats.n, out_id);
    case ETCH_V_BOOLS: return val_bools(lm, a->bools.p, a->bools.n, out_id);
    case ETCH_V_TENSORS: return val_tensor_list(lm, a, param->type == ETCH_T_TENSORS_OPT, out_id);
    }
    return ETCH_ERR(ETCH_INTERNAL, "argument %.*s has no kind", ETCH_STR_ARGS(param->name));
}

etch_status *lw_val_meta(lw_method *lm, const etch_val *v, int *out_id)
{
    etch_map_deinit(&lm->scalars);  // outputs are read by position: nothing is shared
    switch (v->kind) {
    case ETCH_V_NONE: return val_null(lm, out_id);
    case ETCH_V_INT: return val_int_new(lm, v->i.v, out_id);
    case ETCH_V_FLOAT: return val_double(lm, v->f, out_id);
    case ETCH_V_BOOL: return val_bool(lm, v->b, out_id);
    case ETCH_V_STR: return val_str(lm, v->s, out_id);
    default: return ETCH_ERR(ETCH_UNSUPPORTED, "metadata of this kind cannot be stored");
    }
}
