// Which groups keep their integers, and with which scale.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/num.h"
#include "kern/packed/repack.h"

enum { BLOCKS = 5 };

// Q4_0 blocks of one row: scale, lowest and highest integer (-8 .. 7).
static const struct { float scale; int low, high; } blocks[BLOCKS] = {
    { 0.3f, -8, 7 },   // as it is
    { -0.3f, -7, 7 },  // negated
    { -0.3f, -8, 7 },  // negated, 8 would be out of range
    { 0, -8, 7 },      // all zero
    { 0.3f, 0, 0 },    // the same
};

static void fill(uint8_t *bytes)
{
    for (int b = 0; b < BLOCKS; b++) {
        uint16_t h = etch_f32_to_f16(blocks[b].scale);
        memcpy(bytes + 18 * b, &h, 2);
        for (int i = 0; i < 16; i++) bytes[18 * b + 2 + i] = (uint8_t)((blocks[b].low + 8) | (blocks[b].high + 8) << 4);
    }
}

static int64_t run(bool signed_scales, bool bf16, int bits, int64_t group, int8_t *q, float *scales, etch_quant_sums *sums)
{
    uint8_t bytes[18 * BLOCKS], scratch[4096] __attribute__((aligned(8)));
    etch_packed p;
    etch_tensor t = { .dtype = ETCH_U8, .rank = 2, .sizes = { { 1, NULL }, { 18 * BLOCKS, NULL } }, .data = bytes };
    fill(bytes);
    etch_packed_from_blocks(etch_block_named(ETCH_LIT("Q4_0")), &t, &p);
    const etch_repack r = { &p, { bits, group, ETCH_QPARAMS_HQQ }, signed_scales, bf16 };
    assert_true(etch_repack_scratch(&r) <= sizeof scratch);
    *sums = (etch_quant_sums){ 0 };
    return etch_repack_row(&r, 0, scratch, q, scales, sums);
}

void test_kern_repack__keeps_what_fits(void **state)
{
    (void)state;
    int8_t q[32 * BLOCKS];
    float scales[2 * BLOCKS];
    etch_quant_sums sums;
    const float s = etch_f16_to_f32(etch_f32_to_f16(0.3f));
    assert_int_equal(run(true, false, 4, 32, q, scales, &sums), BLOCKS);
    assert_true(sums.error == 0 && sums.energy > 0);
    assert_true(scales[2] == -s && q[64] == -8);
    assert_int_equal(run(false, false, 4, 32, q, scales, &sums), BLOCKS - 1);
    assert_true(scales[0] == s && q[0] == -8 && q[31] == 7);
    assert_true(scales[1] == s && q[32] == 7 && q[63] == -7);
    assert_true(scales[2] > 0 && q[64] == 7 && q[95] == -7);  // 8 falls on 7
    assert_true(scales[3] == 1 && q[96] == 0 && scales[4] == 1 && q[128] == 0);
    assert_true(sums.error > 0);
    assert_int_equal(run(false, true, 4, 32, q, scales, &sums), BLOCKS - 1);
    assert_true(scales[0] == etch_bf16_to_f32(etch_f32_to_bf16(s)) && scales[0] != s);
    assert_int_equal(run(false, false, 8, 16, q, scales, &sums), 2 * BLOCKS);  // two groups of ours in one of the source; 8 bits hold 8
    assert_true(sums.error == 0 && q[64] == 8);
    assert_int_equal(run(false, false, 8, 0, q, scales, &sums), 0);            // one scale a row: quantized again
    assert_true(sums.error > 0);
}
