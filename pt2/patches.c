// im2col and col2im (unfold and fold): no runtime has them. Patches that tile the image are a permutation; others are gathered, or added up
// where they overlap, by a table of positions. Image sizes are fixed.
//
//   im2col [N, C, H, W] -> [N, C kh kw, rows cols]      col2im: the reverse, summing
#include "base/num.h"
#include "pt2/compose.h"

typedef struct { int64_t h, w, kh, kw, dh, dw, ph, pw, sh, sw, rows, cols, tall, wide; bool tiles; } patches;

static etch_status *pair(const etch_val *v, int64_t *a, int64_t *b)
{
    if (v->kind != ETCH_V_INTS || v->ints.n < 1 || v->ints.n > 2) return ETCH_ERR(ETCH_INVALID, "two numbers expected");
    const etch_dim x = v->ints.p[0], y = v->ints.p[v->ints.n - 1];
    if (x.e || y.e || x.v < 0 || y.v < 0 || x.v > 1 << 20 || y.v > 1 << 20)
        return ETCH_ERR(ETCH_UNSUPPORTED, "patches of symbolic or absurd sizes");
    *a = x.v;
    *b = y.v;
    return NULL;
}

// args: kernel_size, dilation, padding, stride.
static etch_status *geometry(int64_t h, int64_t w, const etch_val *args, patches *p)
{
    if (h > 1 << 20 || w > 1 << 20) return ETCH_ERR(ETCH_UNSUPPORTED, "patches of an image of absurd sizes");
    *p = (patches){ .h = h, .w = w };
    ETCH_TRY(pair(&args[0], &p->kh, &p->kw));
    ETCH_TRY(pair(&args[1], &p->dh, &p->dw));
    ETCH_TRY(pair(&args[2], &p->ph, &p->pw));
    ETCH_TRY(pair(&args[3], &p->sh, &p->sw));
    p->tall = h + 2 * p->ph;
    p->wide = w + 2 * p->pw;
    if (!p->kh || !p->kw || !p->dh || !p->dw || !p->sh || !p->sw || p->tall < p->dh * (p->kh - 1) + 1 || p->wide < p->dw * (p->kw - 1) + 1)
        return ETCH_ERR(ETCH_INVALID, "patches larger than the image");
    p->rows = (p->tall - p->dh * (p->kh - 1) - 1) / p->sh + 1;
    p->cols = (p->wide - p->dw * (p->kw - 1) - 1) / p->sw + 1;
    int64_t all;
    if (!etch_mul_ok(p->kh * p->kw, p->rows * p->cols, &all) || all > 1 << 26) return ETCH_ERR(ETCH_UNSUPPORTED, "patches of absurd sizes");
    p->tiles = !p->ph && !p->pw && p->dh == 1 && p->dw == 1 && p->sh == p->kh && p->sw == p->kw && p->rows * p->kh == h
        && p->cols * p->kw == w;
    return NULL;
}

// Position of each patch element in the padded image: i64[kh kw rows cols].
static etch_status *positions(pt2_reader *r, const patches *p, etch_value **out)
{
    const int64_t n = p->kh * p->kw * p->rows * p->cols;
    int64_t *at, i = 0;
    ETCH_ALLOC(at, &r->program->arena, sizeof *at * (size_t)(n + 1));
    for (int64_t a = 0; a < p->kh; a++)
        for (int64_t b = 0; b < p->kw; b++)
            for (int64_t y = 0; y < p->rows; y++)
                for (int64_t x = 0; x < p->cols; x++) at[i++] = (y * p->sh + a * p->dh) * p->wide + x * p->sw + b * p->dw;
    const etch_tensor t = { .dtype = ETCH_I64, .rank = 1, .sizes = { etch_dim_of(n) }, .data = at, .capacity = sizeof *at * (size_t)n };
    return etch_method_add_data(r->m, &t, out);
}

#define C(x) etch_dim_of(x)
#define V(x) etch_val_tensor(&(x)->t)
#define RESHAPE(r, x, ...) \
    PT2_CALL((r), reshape, &(x), V(x), pt2_dims((etch_dim[]){ __VA_ARGS__ }, (int)(sizeof((etch_dim[]){ __VA_ARGS__ }) / sizeof(etch_dim))))
#define PERMUTE(r, x, a, b, c, d, e, f) PT2_CALL((r), permute, &(x), V(x), pt2_dims((etch_dim[]){ C(a), C(b), C(c), C(d), C(e), C(f) }, 6))

etch_status *pt2_im2col(pt2_reader *r, const etch_val *args, etch_value **out)
{
    etch_value *x = etch_arg_value(&args[0]), *index;
    patches p;
    if (!x || x->t.rank != 4 || x->t.sizes[2].e || x->t.sizes[3].e || x->t.sizes[1].e || x->t.sizes[1].v > 1 << 30)
        return ETCH_ERR(ETCH_UNSUPPORTED, "im2col of anything but [N, C, H, W] with fixed channels and image sizes");
    ETCH_TRY(geometry(x->t.sizes[2].v, x->t.sizes[3].v, args + 1, &p));
    const etch_dim n = x->t.sizes[0], c = x->t.sizes[1];
    if (p.tiles) {
        ETCH_TRY(RESHAPE(r, x, n, c, C(p.rows), C(p.kh), C(p.cols), C(p.kw)));
        ETCH_TRY(PERMUTE(r, x, 0, 1, 3, 5, 2, 4));
    } else {
        if (p.ph || p.pw) ETCH_TRY(PT2_CALL(r, pad, &x, V(x), pt2_dims((etch_dim[]){ C(p.pw), C(p.pw), C(p.ph), C(p.ph) }, 4)));
        ETCH_TRY(RESHAPE(r, x, n, c, C(p.tall * p.wide)));
        ETCH_TRY(positions(r, &p, &index));
        ETCH_TRY(PT2_CALL(r, index_select, &x, V(x), etch_val_int(2), V(index)));
    }
    ETCH_TRY(RESHAPE(r, x, n, C(c.v * p.kh * p.kw), C(p.rows * p.cols)));
    *out = x;
    return NULL;
}

etch_status *pt2_col2im(pt2_reader *r, const etch_val *args, etch_value **out)
{
    etch_value *x = etch_arg_value(&args[0]), *index, *zeros;
    int64_t h, w;
    patches p;
    if (!x || x->t.rank != 3 || x->t.sizes[1].e)
        return ETCH_ERR(ETCH_UNSUPPORTED, "col2im of anything but [N, C kh kw, L] with fixed channels");
    ETCH_TRY(pair(&args[1], &h, &w));
    ETCH_TRY(geometry(h, w, args + 2, &p));
    const etch_dim n = x->t.sizes[0], c = C(x->t.sizes[1].v / (p.kh * p.kw));
    if (p.tiles) {
        ETCH_TRY(RESHAPE(r, x, n, c, C(p.kh), C(p.kw), C(p.rows), C(p.cols)));
        ETCH_TRY(PERMUTE(r, x, 0, 1, 4, 2, 5, 3));
        ETCH_TRY(RESHAPE(r, x, n, c, C(p.h), C(p.w)));
        *out = x;
        return NULL;
    }
    const int64_t all = p.kh * p.kw * p.rows * p.cols;
    ETCH_TRY(positions(r, &p, &index));
    ETCH_TRY(RESHAPE(r, index, C(1), C(1), C(all)));
    ETCH_TRY(PT2_CALL(r, expand, &index, V(index), pt2_dims((etch_dim[]){ n, c, C(all) }, 3)));
    ETCH_TRY(RESHAPE(r, x, n, c, C(all)));
    ETCH_TRY(PT2_CALL(r, zeros, &zeros, pt2_dims((etch_dim[]){ n, c, C(p.tall * p.wide) }, 3), etch_val_int((int64_t)x->t.dtype)));
    ETCH_TRY(PT2_CALL(r, scatter_add, &x, V(zeros), etch_val_int(2), V(index), V(x)));
    ETCH_TRY(RESHAPE(r, x, n, c, C(p.tall), C(p.wide)));
    ETCH_TRY(PT2_CALL(r, slice_Tensor, &x, V(x), etch_val_int(2), etch_val_int(p.ph), etch_val_int(p.ph + p.h), etch_val_int(1)));
    ETCH_TRY(PT2_CALL(r, slice_Tensor, &x, V(x), etch_val_int(3), etch_val_int(p.pw), etch_val_int(p.pw + p.w), etch_val_int(1)));
    *out = x;
    return NULL;
}
