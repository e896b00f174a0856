"""GGUF files, GPTQ and AWQ checkpoints against PyTorch: exported as floats, both runtimes give the logits of eager on the weights that the
integers stand for (1e-4 of the largest logit: f32 sums in another order). For GGUF, eager is what transformers itself loads of the file,
with the gguf package's dequantisation.
With 8da4w the kept integers are multiplied: eager on those weights with bf16 scales and inputs rounded to 8 bits by row, 2 % relative RMS
(a rounding tie may fall to the other side).
"""
import json
import os

import numpy as np
import prequantized
import pytest
import torch
import transformers
import transformers.modeling_utils
import weights
from official import Official
from safetensors.torch import load_file, save_file
from test_quantized import dequantised, round_input
from transformers import AutoConfig, AutoModelForCausalLM

IDS = torch.tensor([[7, 3, 99, 14, 151, 60, 2, 33]])


def family(name):
    with open(os.path.join(weights.HERE, name, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(weights.HERE, name, "tensors.json")) as f:
        return config, {key: weights.tensor(key, shape) for key, shape in json.load(f).items()}


def write(folder, config, tensors=None):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    if tensors:
        save_file({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in tensors.items()}, folder / "model.safetensors",
                  metadata={"format": "pt"})
    return folder


def both_runtimes(etch, path, record):
    """The official runtime's logits; etch's are compared with them."""
    ins = [IDS, torch.arange(IDS.shape[1])]
    got = Official(path)("forward", ins)[0]
    save_file({"s0.forward.in0": ins[0], "s0.forward.in1": ins[1], "s0.forward.out0": got.contiguous()}, record)
    etch("verify", path, record, "--atol", 5e-3 * got.abs().max().item(), "--rtol", 0)
    return got


def check_floats(etch, tmp_path, folder, eager, *flags):
    etch("export", "--model", folder, "--max_seq_len", 32, "-q", "-o", tmp_path / "float", *flags)
    got = both_runtimes(etch, tmp_path / "float/model.pte", tmp_path / "io.safetensors")
    with torch.no_grad():
        want = eager(input_ids=IDS).logits
    assert (got - want).abs().max() < 1e-4 * want.abs().max(), (got - want).abs().max() / want.abs().max()


# What GGUF files of the architecture do to its weights, as llama.cpp's converter does it.
GGUF = {
    "llama": ("Q4_0", {"paired": True}), "qwen3": ("Q8_0", {}), "gemma2": ("Q5_1", {"norm_offset": 1}), "starcoder2": ("Q4_1", {}),
    "gpt2": ("Q5_0", {"transposed": (".c_attn.", ".c_proj.", ".c_fc.")}),
}


@pytest.mark.parametrize("name", GGUF)
def test_gguf(name, etch, tmp_path, monkeypatch):
    kind, layout = GGUF[name]
    config, tensors = family(name)
    folder = write(tmp_path / "model", config)
    prequantized.to_gguf(config, tensors, folder / "m.gguf", lambda key: kind, name, **layout)
    # asked for, but not used without a device map
    monkeypatch.setattr(transformers.modeling_utils, "is_accelerate_available", lambda: True)
    eager = AutoModelForCausalLM.from_pretrained(folder, gguf_file="m.gguf", config=AutoConfig.from_pretrained(folder),
                                                 dtype=torch.float32).eval()
    check_floats(etch, tmp_path, folder, eager, "--gguf_file", "m.gguf")


# Models that the library converts in its newer form (a mapping of weights), and with experts joined from several tensors. Parts of names,
# in order.
CONVERTED = {
    "lfm2": (transformers.Lfm2Config, dict(layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False,
                                           tie_word_embeddings=True),
             {"lfm2.context_length": 64, "lfm2.embedding_length": 64, "lfm2.feed_forward_length": 128, "lfm2.block_count": 2,
              "lfm2.attention.head_count": 4,
              "lfm2.attention.head_count_kv": [0, 2], "lfm2.attention.layer_norm_rms_epsilon": 1e-5, "lfm2.shortconv.l_cache": 3,
              "lfm2.rope.freq_base": 1000000.0, "tokenizer.ggml.tokens": [str(i) for i in range(160)]},
             [("embedding_norm", "token_embd_norm"), ("operator_norm", "attn_norm"), ("conv.conv", "shortconv.conv"),
              (".conv.in_proj", ".shortconv.in_proj"),
              (".conv.out_proj", ".shortconv.out_proj"), ("feed_forward.w1", "ffn_gate"), ("feed_forward.w2", "ffn_down"),
              ("feed_forward.w3", "ffn_up"),
              ("self_attn.q_layernorm", "attn_q_norm"), ("self_attn.k_layernorm", "attn_k_norm"), ("self_attn.out_proj", "attn_output")]),
    "qwen3moe": (transformers.Qwen3MoeConfig, dict(head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32),
                 {"qwen3moe.block_count": 2},
                 [("mlp.gate", "ffn_gate_inp"), ("model.norm", "output_norm"), ("input_layernorm", "attn_norm"),
                  ("post_attention_layernorm", "ffn_norm"),
                  ("self_attn.o_proj", "attn_output"), ("self_attn.q_norm", "attn_q_norm"), ("self_attn.k_norm", "attn_k_norm")]),
}
COMMON = [("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"), ("model.layers", "blk"),
          ("model.embed_tokens", "token_embd"), ("lm_head", "output"), ("model.", "")]


def stored_tensors(name, weight):
    """As the format has them: experts apart, convolutions without their middle dimension."""
    if name.endswith("experts.gate_up_proj"):
        half = weight.shape[1] // 2
        return {name.replace("mlp.experts.gate_up_proj", f"ffn_{part}_exps.weight"): w for part,
                w in (("gate", weight[:, :half]), ("up", weight[:, half:]))}
    if name.endswith("experts.down_proj"):
        return {name.replace("mlp.experts.down_proj", "ffn_down_exps.weight"): weight}
    return {name: weight[:, 0] if "conv.conv" in name else weight}


@pytest.mark.parametrize("name", CONVERTED)
def test_gguf_conversions(name, etch, tmp_path, monkeypatch):
    kind, more, pairs, names = CONVERTED[name]
    config = kind(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=160,
                  max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, **more)
    folder, tensors = tmp_path / "model", {}
    folder.mkdir()
    for key, value in AutoModelForCausalLM.from_config(config).state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        for stored, weight in stored_tensors(key, weights.tensor(key, list(value.shape))).items():
            for ours, theirs in names + COMMON:
                stored = stored.replace(ours, theirs, 1)
            block = "Q8_0" if weight.ndim > 1 and weight.shape[-1] % 32 == 0 and "gate_inp" not in stored else "F32"
            tensors[stored] = (block, weight.shape, prequantized.encode(weight, block)[0])
    prequantized.write_gguf(folder / "m.gguf", {"general.architecture": name, **pairs}, tensors)
    if len(pairs) < 3:  # the metadata says too little
        config.save_pretrained(folder)
    monkeypatch.setattr(transformers.modeling_utils, "is_accelerate_available", lambda: True)
    eager = AutoModelForCausalLM.from_pretrained(folder, gguf_file="m.gguf", config=config, dtype=torch.float32).eval()
    check_floats(etch, tmp_path, folder, eager, "--gguf_file", "m.gguf")


PACKED = {
    "gptq": dict(method="gptq"), "gptq-act-order": dict(method="gptq", act_order=True, checkpoint_format="gptq_v2", symmetric=False),
    "gptq-8": dict(method="gptq", bits=8), "awq": dict(method="awq", symmetric=False),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_words(name, etch, tmp_path):
    config, tensors = family("llama")
    made = PACKED[name]
    packed, stored = prequantized.to_packed(tensors, lambda key: key.endswith("proj.weight"), **made)
    quant = {"checkpoint_format": made.get("checkpoint_format", "gptq")} if made["method"] == "gptq" else {}
    folder = write(tmp_path / "model", prequantized.packed_config(config, made["method"], made.get("bits", 4), **quant), packed)
    eager = AutoModelForCausalLM.from_pretrained(write(tmp_path / "plain", config, stored), dtype=torch.float32).eval()
    check_floats(etch, tmp_path, folder, eager)
    if name == "gptq":
        check_kept(etch, tmp_path, folder, eager, packed)


def check_kept(etch, tmp_path, folder, eager, packed):
    etch("export", "--model", folder, "--max_seq_len", 32, "-q", "-o", tmp_path / "kept", "--qlinear", "8da4w")
    report = {w["name"]: w for w in json.loads((tmp_path / "kept/report.json").read_text())["weights"]}
    assert all(w["groups_kept"] == w["groups"] for w in report.values() if "source" in w) and any("source" in w for w in report.values())
    got = both_runtimes(etch, tmp_path / "kept/model.pte", tmp_path / "io.safetensors")
    with torch.no_grad():
        for key, module in eager.named_modules():
            if f"{key}.scales" in packed:  # [groups, rows] f16, stored as bf16
                scales = torch.from_numpy(packed[f"{key}.scales"]).float().T
                grouped = module.weight.reshape(*scales.shape, -1)
                module.weight.copy_((grouped / scales[..., None] * scales.bfloat16().float()[..., None]).reshape(module.weight.shape))
                module.register_forward_pre_hook(round_input)
        eager.lm_head.weight = torch.nn.Parameter(dequantised(eager.lm_head.weight.detach(), 4, 32))  # no integers in the checkpoint
        eager.lm_head.register_forward_pre_hook(round_input)
        want = eager(input_ids=IDS).logits
    rms = ((got - want).pow(2).mean().sqrt() / want.pow(2).mean().sqrt()).item()
    print(f"kept integers: relative RMS {rms:.5f}")
    assert rms < 0.02, rms
