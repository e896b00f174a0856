"""Writes st/testdata/tiny.gguf, the seed of a fuzz target, and kern/packed/testdata/packed.txt: what the gguf package's numpy code makes of
random blocks, and numpy of random GPTQ and AWQ words.

Run where `gguf` is installed: python tools/golden/packed.py. Two lines a case:
NAME ROWS COLUMNS [GROUPS ORDERED] · then the operands as hex, separated by blanks; NAME is a block type, or FORMAT/BITS
the values as hex f32
"""
import os
import sys

import gguf
import numpy as np

here = os.path.join(os.path.dirname(__file__), "..", "..")
sys.path.insert(0, os.path.join(here, "tests"))
from prequantized import pack_awq, pack_gptq, write_gguf  # noqa: E402

rng = np.random.default_rng(0)


def blocks(name, rows, cols):
    kind = getattr(gguf.GGMLQuantizationType, name)
    values, size = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (rows, cols // values, size), np.uint8)
    for at in {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}.get(name, (0,)):
        raw[..., at:at + 2] = rng.normal(0, 0.1, raw.shape[:2]).astype(np.float16)[..., None].view(np.uint8)  # finite scales
    raw = raw.reshape(rows, -1)
    want = gguf.dequantize(raw, kind)
    assert want.shape == (rows, cols) and want.dtype == np.float32
    return f"{name} {rows} {cols} {raw.tobytes().hex()}\n{want.tobytes().hex()}\n"


def columns(name, bits, rows, cols, groups, ordered):
    """value = (integer - zero point) * scale, in f32."""
    q = rng.integers(0, 1 << bits, (rows, cols))
    z = rng.integers(1, 1 << bits, (rows, groups))
    scales = np.abs(rng.normal(0.1, 0.05, (rows, groups))).astype(np.float16)
    group_of = np.arange(cols) * groups // cols if ordered else rng.integers(0, groups, cols)
    want = (q - z[:, group_of]).astype(np.float32) * scales[:, group_of].astype(np.float32)
    words, zeros = pack_awq(q, z) if name == "awq" else pack_gptq(q, z, bits, name)
    operands = [words.astype("<i4"), zeros.astype("<i4"), np.ascontiguousarray(scales.T), group_of.astype("<i4")]
    return (f"{name}/{bits} {rows} {cols} {groups} {int(ordered)} " + " ".join(x.tobytes().hex() for x in operands) +
            f"\n{want.astype('<f4').tobytes().hex()}\n")


def main():
    pairs = {"general.architecture": "x", "x.count": 3, "x.eps": 0.5, "x.flag": True, "x.words": ["a", "bc"], "x.sizes": [1, 2]}
    write_gguf(os.path.join(here, "st/testdata/tiny.gguf"), pairs,
               {"a": ("Q4_0", (2, 32), bytes(36)), "b": ("F32", (3,), bytes(12)), "c": ("Q6_K", (1, 256), bytes(210))})
    with open(os.path.join(here, "kern/packed/testdata/packed.txt"), "w") as f:
        for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"):
            f.write(blocks(name, 2, 64))
        for name in ("Q4_K", "Q5_K", "Q6_K"):
            f.write(blocks(name, 1, 512))
        for name, bits in (("gptq", 4), ("gptq", 8), ("gptq_v2", 4), ("gptq_v2", 8), ("awq", 4)):
            f.write(columns(name, bits, 8, 48, 3, True))
        f.write(columns("gptq", 4, 8, 48, 3, False))


if __name__ == "__main__":
    main()
