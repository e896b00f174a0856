"""Writes a decoder of a real shape as a GGUF file of random blocks, streaming, with its config.json.

    python bench/make_gguf.py qwen3-0.6b Q4_0 DIR        shapes: make_model.py; types: Q4_0 Q8_0 Q4_K Q6_K
"""
import os
import struct
import sys

import gguf
import numpy as np
from make_model import SHAPES, tensors, write_config

# Where a block's f16 scales lie, and how large a scale makes the values of unit variance.
SCALES = {"Q4_0": [(0, 1 / 4.6)], "Q8_0": [(0, 1 / 74)], "Q4_K": [(0, 1 / 160), (2, 1 / 32)], "Q6_K": [(208, 1 / 1400)]}


def main():
    s, kind, folder = SHAPES[sys.argv[1]], sys.argv[2], sys.argv[3]
    write_config(s, folder)
    number = getattr(gguf.GGMLQuantizationType, kind)
    values, size = gguf.GGML_QUANT_SIZES[number]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[s["model_type"].upper()], s["layers"])
    key = s["model_type"].encode()
    head = b"".join([b"GGUF", struct.pack("<IQQ", 3, sum(1 for _ in tensors(s)), 1), struct.pack("<Q", 20), b"general.architecture",
                     struct.pack("<I", 8), struct.pack("<Q", len(key)), key])
    at = 0
    for name, shape in tensors(s):
        base, _, suffix = name.rpartition(".")
        stored = f"{names.get_name(base)}.{suffix}".encode()
        head += struct.pack("<Q", len(stored)) + stored + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1],
                                                                      int(number) if len(shape) > 1 else 0, at)
        n = int(np.prod(shape)) // values * size if len(shape) > 1 else 4 * shape[0]
        at += n + -n % 32
    rng = np.random.Generator(np.random.Philox(key=1))
    path = os.path.join(folder, f"model-{kind}.gguf")
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32))
        for _, shape in tensors(s):
            if len(shape) == 1:
                data = (1 + 0.1 * rng.standard_normal(shape, dtype=np.float32)).tobytes()
                f.write(data + b"\0" * (-len(data) % 32))
                continue
            left, n = int(np.prod(shape)) // values, 0
            while left:
                blocks = np.frombuffer(rng.bytes(min(left, 1 << 16) * size), np.uint8).reshape(-1, size).copy()
                for offset, unit in SCALES[kind]:  # a random sign, as files of this type have; minima are positive
                    scale = unit * shape[-1] ** -0.5 * (np.sign(rng.standard_normal(len(blocks))) if kind == "Q4_0"
                                                        else np.ones(len(blocks)))
                    blocks[:, offset:offset + 2] = scale.astype(np.float16)[:, None].view(np.uint8)
                f.write(blocks.tobytes())
                left -= len(blocks)
                n += blocks.nbytes
            f.write(b"\0" * (-n % 32))
    print(f"{path}: {os.path.getsize(path) / 1e6:.0f} MB")


main()
