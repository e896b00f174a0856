// IEEE binary16 conversions in integer arithmetic: exact, no hardware needed.
#include "base/num.h"

float etch_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = (h >> 10) & 31u, man = h & 0x3ffu;
    if (exp == 31) return etch_f32_from_bits(sign | 0x7f800000u | (man << 13));
    if (exp) return etch_f32_from_bits(sign | ((exp + 112) << 23) | (man << 13));
    if (!man) return etch_f32_from_bits(sign);
    float f = (float)man * 0x1p-24f;
    return sign ? -f : f;
}

uint16_t etch_f32_to_f16(float f)
{
    uint32_t b = etch_f32_bits(f), sign = (b >> 16) & 0x8000u, abs = b & 0x7fffffffu;
    if (abs > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
    if (abs >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    if (abs < 0x38800000u) {  // below 2^-14: subnormal half; adding 0.5 aligns and rounds to nearest even
        uint32_t r = etch_f32_bits(etch_f32_from_bits(abs) + 0.5f) - 0x3f000000u;
        return (uint16_t)(sign | r);
    }
    abs += 0xfffu + ((abs >> 13) & 1u);
    return (uint16_t)(sign | ((abs - 0x38000000u) >> 13));
}
