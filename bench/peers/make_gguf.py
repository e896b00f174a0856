"""Writes a decoder of a real shape as llama.cpp loads it: Q4_0 blocks of random integers, no vocabulary.

    python bench/peers/make_gguf.py smollm2-135m FILE.gguf
"""
import os
import sys

import gguf
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from make_model import SHAPES, tensors  # noqa: E402


def q4_0(rng, shape):
    blocks = int(np.prod(shape)) // 32
    data = rng.integers(0, 256, (blocks, 18), dtype=np.uint8)
    data[:, :2] = np.full((blocks, 1), 1 / (4.6 * shape[-1] ** 0.5), np.float16).view(np.uint8)
    return data.reshape(*shape[:-1], shape[-1] // 32 * 18)


def main():
    s, path = SHAPES[sys.argv[1]], sys.argv[2]
    arch = s["model_type"]
    w = gguf.GGUFWriter(path, arch)
    w.add_block_count(s["layers"])
    w.add_context_length(s["max_pos"])
    w.add_embedding_length(s["hidden"])
    w.add_feed_forward_length(s["mlp"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv"])
    w.add_key_length(s["head_dim"])
    w.add_value_length(s["head_dim"])
    w.add_rope_freq_base(s["theta"])
    w.add_layer_norm_rms_eps(1e-5)
    w.add_vocab_size(s["vocab"])
    w.add_tokenizer_model("no_vocab")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], s["layers"])
    rng = np.random.Generator(np.random.Philox(key=1))
    for name, shape in tensors(s):
        base, _, suffix = name.rpartition(".")
        stored = f"{names.get_name(base)}.{suffix}"
        if len(shape) == 1:
            w.add_tensor(stored, 1 + 0.1 * rng.standard_normal(shape, dtype=np.float32))
        else:
            w.add_tensor(stored, q4_0(rng, shape), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


main()
