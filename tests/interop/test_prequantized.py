"""GGUF files, GPTQ and AWQ checkpoints against PyTorch: exported as floats, both runtimes give the logits of eager on the weights that the integers stand for
(1e-4 of the largest logit: f32 sums in another order). For GGUF, eager is what transformers itself loads of the file, with the gguf package's dequantisation.
With 8da4w the kept integers are multiplied: eager on those weights with bf16 scales and inputs rounded to 8 bits by row, 2 % relative RMS (a rounding tie
may fall to the other side).
"""
import json
import os

import numpy as np
import prequantized
import pytest
import torch
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
        save_file({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in tensors.items()}, folder / "model.safetensors", metadata={"format": "pt"})
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
    monkeypatch.setattr(transformers.modeling_utils, "is_accelerate_available", lambda: True)  # asked for, but not used without a device map
    eager = AutoModelForCausalLM.from_pretrained(folder, gguf_file="m.gguf", config=AutoConfig.from_pretrained(folder), dtype=torch.float32).eval()
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
