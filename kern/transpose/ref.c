// In: a matrix. Out: the same turned, in blocks of 8 x 8 so that both sides stay in cached lines. Portable C.
#include "kern/transpose/rows.h"

static void ref_run(const uint32_t *from, size_t ldf, uint32_t *to, size_t ldt, size_t rows, size_t columns)
{
    for (size_t i0 = 0; i0 < rows; i0 += 8)
        for (size_t j0 = 0; j0 < columns; j0 += 8) {
            size_t i1 = rows - i0 < 8 ? rows : i0 + 8, j1 = columns - j0 < 8 ? columns : j0 + 8;
            for (size_t i = i0; i < i1; i++)
                for (size_t j = j0; j < j1; j++) to[j * ldt + i] = from[i * ldf + j];
        }
}

const etch_transpose_kernels etch_transpose__ref = { "ref", 0, ref_run };
