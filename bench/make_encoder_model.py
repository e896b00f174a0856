"""Writes a model of a real shape that is no decoder, with random float32 weights.

    python bench/make_encoder_model.py vit-base|whisper-tiny DIR
"""
import json
import os
import sys

import numpy as np
from safetensors.numpy import save_file


def linear(name, out, into, bias=True):
    yield name + ".weight", (out, into)
    if bias:
        yield name + ".bias", (out,)


def norm(name, width):
    yield name + ".weight", (width,)
    yield name + ".bias", (width,)


def vit_base():
    d, mlp, p = 768, 3072, "vit."
    config = dict(architectures=["ViTForImageClassification"], model_type="vit", hidden_size=d, intermediate_size=mlp, num_hidden_layers=12,
                  num_attention_heads=12, image_size=224, patch_size=16, id2label={str(i): str(i) for i in range(1000)})
    t = [(p + "embeddings.cls_token", (1, 1, d)), (p + "embeddings.position_embeddings", (1, 197, d)),
         (p + "embeddings.patch_embeddings.projection.weight", (d, 3, 16, 16)), (p + "embeddings.patch_embeddings.projection.bias", (d,))]
    for i in range(12):
        q = f"{p}encoder.layer.{i}."
        for part in ("query", "key", "value"):
            t += linear(q + "attention.attention." + part, d, d)
        t += [*linear(q + "attention.output.dense", d, d), *linear(q + "intermediate.dense", mlp, d), *linear(q + "output.dense", d, mlp)]
        t += [*norm(q + "layernorm_before", d), *norm(q + "layernorm_after", d)]
    return config, t + [*norm(p + "layernorm", d), *linear("classifier", 1000, d)]


def whisper_tiny():
    d, mlp, vocab = 384, 1536, 51865
    config = dict(architectures=["WhisperForConditionalGeneration"], model_type="whisper", d_model=d, encoder_layers=4, decoder_layers=4,
                  encoder_attention_heads=6, decoder_attention_heads=6, encoder_ffn_dim=mlp, decoder_ffn_dim=mlp, vocab_size=vocab, num_mel_bins=80,
                  max_source_positions=1500, max_target_positions=448, decoder_start_token_id=50258, eos_token_id=50257, pad_token_id=50257)
    t = [("model.encoder.conv1.weight", (d, 80, 3)), ("model.encoder.conv1.bias", (d,)), ("model.encoder.conv2.weight", (d, d, 3)),
         ("model.encoder.conv2.bias", (d,)), ("model.encoder.embed_positions.weight", (1500, d)), ("model.decoder.embed_positions.weight", (448, d)),
         ("model.decoder.embed_tokens.weight", (vocab, d))]
    for side in ("encoder", "decoder"):
        for i in range(4):
            q = f"model.{side}.layers.{i}."
            for attn in ("self_attn", "encoder_attn")[:1 + (side == "decoder")]:
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    t += linear(f"{q}{attn}.{part}", d, d, part != "k_proj")
                t += norm(f"{q}{attn}_layer_norm", d)
            t += [*linear(q + "fc1", mlp, d), *linear(q + "fc2", d, mlp), *norm(q + "final_layer_norm", d)]
        t += norm(f"model.{side}.layer_norm", d)
    return config, t


SHAPES = {"vit-base": vit_base, "whisper-tiny": whisper_tiny}


def main():
    config, tensors = SHAPES[sys.argv[1]]()
    folder = sys.argv[2]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({**config, "dtype": "float32"}, f, indent=2)
    rng = np.random.Generator(np.random.Philox(key=1))
    values = {}
    for name, shape in tensors:
        x = rng.standard_normal(shape, dtype=np.float32)
        values[name] = x * np.float32(np.prod(shape[1:]) ** -0.5) if len(shape) > 1 else 1 + np.float32(0.1) * x
    save_file(values, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    print(f"{folder}: {sum(v.nbytes for v in values.values()) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
