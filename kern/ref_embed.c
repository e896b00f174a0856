// Row gathers: embedding and index_select. In: a table and integer indices. Out: the rows, cast when the output's dtype differs.
#include "kern/copy.h"

// embedding(weight [V, D], indices [...], padding_idx, scale_grad_by_freq, sparse) -> [..., D]. Negative indices are an error.
KERNEL(embedding)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *w, *idx;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &w));
    ETCH_TRY(kern_tensor(args, 1, &idx));
    ETCH_TRY(kern_want_rank(w, "the weight of embedding", 2, 2));
    ETCH_TRY(kern_want_rank(idx, "the indices of embedding", 0, ETCH_MAX_RANK - 1));
    ETCH_TRY(kern_want_in_range(idx, "the indices of embedding", kern_size(w, 0), false));
    int64_t want[ETCH_MAX_RANK], n = etch_numel(idx), d = kern_size(w, 1);
    for (int k = 0; k < idx->rank; k++) want[k] = kern_size(idx, k);
    want[idx->rank] = d;
    ETCH_TRY(kern_want_sizes(out, "the output of embedding", idx->rank + 1, want));
    for (int64_t i = 0; i < n; i++) kern_copy_cast(out->data, out->dtype, i * d, w->data, w->dtype, kern_get_index(idx, i) * d, d);
    return NULL;
}

// index_select(self, dim, index): index has rank 0 or 1.
KERNEL(index_select)
{
    KERN_BEGIN(3, 1);
    const etch_tensor *t, *idx;
    etch_tensor *out = outs[0];
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_tensor(args, 2, &idx));
    ETCH_TRY(kern_want_rank(idx, "the index of index_select", 0, 1));
    int64_t n = etch_numel(idx), size = t->rank ? kern_size(t, d) : 1, want[ETCH_MAX_RANK];
    ETCH_TRY(kern_want_in_range(idx, "the index of index_select", size, false));
    for (int k = 0; k < t->rank; k++) want[k] = k == d ? n : kern_size(t, k);
    ETCH_TRY(kern_want_sizes(out, "the output of index_select", t->rank, want));
    int64_t outer = kern_prod(t, 0, t->rank ? d : 0), inner = t->rank ? kern_prod(t, d + 1, t->rank) : 1;
    if (!t->rank && n != 1) return ETCH_ERR(ETCH_INVALID, "index_select of a 0-d tensor takes one index");
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++)
            kern_copy_cast(out->data, out->dtype, (o * n + i) * inner, t->data, t->dtype, (o * size + kern_get_index(idx, i)) * inner,
                           inner);
    return NULL;
}
