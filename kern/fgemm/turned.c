// In: some rows of A against weights [n, k]. Out: their product, the weights read where they lie.
//
// Laying out a weight costs a quarter of a cycle, and in a product with 128 rows it is used for four. So here rows of A become the vectors
// of the inner loop, tiles [k, nr], and weights its scalars; the tile of results is turned when it is written. A few rows beyond whole
// tiles are dot products on the same weights.
#include <string.h>

#include "kern/fgemm/rows.h"

// More rows pay for laying the weights out.
#define MOST_ROWS 512
#define MOST_ROWS_OF_FEW 224
// Columns of A and W at a time: tiles of 224 rows stay in a second-level cache of a megabyte.
#define DEEP ((size_t)768)
// Up to this many rows beyond whole tiles are dot products.
#define DOT_ROWS 6

// Rows of weights of a tile. Strides of 4 KiB (a way of a first-level cache) put all of them into one set.
static size_t height(const etch_fgemm_kernels *kn, const etch_fgemm *g) { return (size_t)(g->ldb % 1024 ? kn->mr : kn->few); }

bool etch_fgemm__is_turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t columns)
{
    size_t most = height(kn, g) == (size_t)kn->mr ? MOST_ROWS : MOST_ROWS_OF_FEW;
    bool is_form = kn->turned && g->a && g->b_is_nk && g->b_type == ETCH_FGEMM_F32;
    return is_form && g->m > DOT_ROWS && g->m <= most && columns >= 8 * (size_t)kn->mr && g->k >= 16;
}

// Rows [i, i + m) against four columns.
static void dots(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i, size_t m, size_t j, size_t p, size_t k)
{
    float y[4 * DOT_ROWS];
    kn->rest((int)m, g->a + i * g->lda + p, g->lda, (const float *)g->b + j * g->ldb + p, g->ldb, k, y);
    for (size_t r = 0; r < m; r++)
        for (size_t c = 0; c < 4; c++) {
            float *at = g->c + (i + r) * g->ldc + j + c, sum = p ? *at + y[r * 4 + c] : y[r * 4 + c];
            *at = p + k >= g->k ? etch_fgemm__finish(g, sum, j + c) : sum;
        }
}

// Columns [j0, j1) against rows [i, i + m), the first `tiled` of them as tiles at x, for k of their columns from p.
static void panel(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i, size_t m, size_t tiled, size_t j0, size_t j1, size_t p,
                  size_t k, const float *x)
{
    const size_t mr = height(kn, g), nr = (size_t)kn->nr;
    size_t dotted = j0, ahead_rows;
    for (size_t j = j0; j < j1; j += mr) {
        // The last tile reaches back over columns that are done.
        size_t skip = j1 - j < mr ? mr - (j1 - j) : 0, first = j - skip;
        const float *w = (const float *)g->b + first * g->ldb + p;
        ahead_rows = j + mr >= j1 ? 0 : j1 - j - mr < mr ? j1 - j - mr : mr;
        etch_fgemm_ahead f = { (const uint8_t *)(w + mr * g->ldb), g->ldb * sizeof *w, k * sizeof *w, ahead_rows, 0, 0 };
        etch_fgemm_end end = { g->bias ? g->bias + first : NULL, g->scale ? g->scale + first : NULL, g->lo, g->hi };
        for (size_t t = 0; t < tiled; t += nr)
            kn->turned((int)(tiled - t < nr ? tiled - t : nr), (int)mr, (int)skip, k, w, g->ldb, x + t * k, g->c + (i + t) * g->ldc + first,
                       g->ldc, p > 0, p + k >= g->k ? &end : NULL, &f);
        size_t done = j + mr < j1 ? j + mr : j1;
        for (; tiled < m && dotted + 4 <= done; dotted += 4) dots(kn, g, i + tiled, m - tiled, dotted, p, k);
    }
    // Fewer than four columns are left: four that end with them, of which some are done.
    if (tiled == m || dotted == j1) return;
    float kept[3 * DOT_ROWS];
    size_t back = 4 - (j1 - dotted), first = j1 - 4;
    for (size_t r = tiled; r < m; r++) memcpy(kept + (r - tiled) * 3, g->c + (i + r) * g->ldc + first, sizeof *kept * back);
    dots(kn, g, i + tiled, m - tiled, first, p, k);
    for (size_t r = tiled; r < m; r++) memcpy(g->c + (i + r) * g->ldc + first, kept + (r - tiled) * 3, sizeof *kept * back);
}

bool etch_fgemm__turned(const etch_fgemm_kernels *kn, const etch_fgemm *g, size_t i0, size_t i1, size_t j0, size_t j1, float *x, size_t len,
                        bool is_held)
{
    const size_t nr = (size_t)kn->nr;
    // As many rows at once as there is room for, in whole tiles.
    size_t deep = g->k < DEEP ? g->k : DEEP, most = len / deep / nr * nr;
    for (size_t i = i0; i < i1; i += most) {
        size_t m = i1 - i < most ? i1 - i : most, rest = m % nr, tiled = rest <= DOT_ROWS && m > nr ? m - rest : m;
        for (size_t p = 0, k; p < g->k; p += k) {
            k = g->k - p < deep ? g->k - p : deep;
            for (size_t t = 0; !is_held && t < tiled; t += nr)
                kn->pack_columns(ETCH_FGEMM_F32, g->a + (i + t) * g->lda + p, g->lda, tiled - t < nr ? tiled - t : nr, k, x + t * k);
            panel(kn, g, i, m, tiled, j0, j1, p, k, x);
        }
        for (size_t r = i; g->after && r < i + m; r++) g->after(g->after_user, g->c + r * g->ldc + j0, j1 - j0);
    }
    return g->k <= DEEP && i1 - i0 <= most;
}
