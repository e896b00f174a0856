"""Writes a decoder of a real shape with random bfloat16 weights, streaming (a few MB of memory whatever the size).

    python bench/make_model.py smollm2-135m DIR        also: qwen3-0.6b, random-4gb
"""
import json
import os
import struct
import sys

import numpy as np

SHAPES = {
    "smollm2-135m": dict(model_type="llama", arch="LlamaForCausalLM", hidden=576, layers=30, heads=9, kv=3, head_dim=64, mlp=1536,
                         vocab=49152, theta=100000.0, max_pos=8192),
    "qwen3-0.6b": dict(model_type="qwen3", arch="Qwen3ForCausalLM", hidden=1024, layers=28, heads=16, kv=8, head_dim=128, mlp=3072,
                       vocab=151936, theta=1000000.0, max_pos=40960),
    "random-4gb": dict(model_type="llama", arch="LlamaForCausalLM", hidden=2560, layers=24, heads=20, kv=4, head_dim=128, mlp=8192,
                       vocab=49152, theta=10000.0, max_pos=4096),
}


def tensors(s):
    h, d = s["hidden"], s["head_dim"]
    yield "model.embed_tokens.weight", (s["vocab"], h)
    for i in range(s["layers"]):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", (h,)
        yield p + "mlp.down_proj.weight", (h, s["mlp"])
        yield p + "mlp.gate_proj.weight", (s["mlp"], h)
        yield p + "mlp.up_proj.weight", (s["mlp"], h)
        yield p + "post_attention_layernorm.weight", (h,)
        if s["model_type"] == "qwen3":
            yield p + "self_attn.k_norm.weight", (d,)
        yield p + "self_attn.k_proj.weight", (s["kv"] * d, h)
        yield p + "self_attn.o_proj.weight", (h, s["heads"] * d)
        if s["model_type"] == "qwen3":
            yield p + "self_attn.q_norm.weight", (d,)
        yield p + "self_attn.q_proj.weight", (s["heads"] * d, h)
        yield p + "self_attn.v_proj.weight", (s["kv"] * d, h)
    yield "model.norm.weight", (h,)


def bf16(x):
    b = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    return ((b + 0x7FFF + ((b >> 16) & 1)) >> 16).astype(np.uint16)


def write_config(s, folder):
    os.makedirs(folder, exist_ok=True)
    config = dict(architectures=[s["arch"]], model_type=s["model_type"], hidden_size=s["hidden"], intermediate_size=s["mlp"],
                  num_hidden_layers=s["layers"], num_attention_heads=s["heads"], num_key_value_heads=s["kv"], head_dim=s["head_dim"],
                  vocab_size=s["vocab"], max_position_embeddings=s["max_pos"], rope_theta=s["theta"], rms_norm_eps=1e-5, hidden_act="silu",
                  tie_word_embeddings=True, attention_bias=False, bos_token_id=0, eos_token_id=1, dtype="bfloat16")
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=2)


def main():
    s, folder = SHAPES[sys.argv[1]], sys.argv[2]
    write_config(s, folder)
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(s):
        n = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    h = json.dumps(header, separators=(",", ":")).encode()
    h += b" " * (-len(h) % 8)
    rng = np.random.Generator(np.random.Philox(key=1))
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(h)) + h)
        for name, shape in tensors(s):
            left = int(np.prod(shape))
            while left:
                n = min(left, 1 << 22)
                x = rng.standard_normal(n, dtype=np.float32)
                f.write(bf16(1 + 0.1 * x if len(shape) == 1 else x * np.float32(shape[-1] ** -0.5)).tobytes())
                left -= n
    print(f"{folder}: {at / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
