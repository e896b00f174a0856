"""Writes tests/families/NAME/{config.json, tensors.json, golden.safetensors} with PyTorch and transformers
(tools/requirements-official.txt).

Decoder-only models. golden.safetensors holds four calls of `forward(input_ids, cache_position)` in the naming of `etch verify`:
s<step>.forward.in<i> / .out0:
8 tokens of prefill, then three single-token steps on the same cache, from PyTorch eager in float32.

    python tools/golden/families.py FAMILIES.py [NAME ...]      FAMILIES.py: defines TABLE and make(name)
"""
import importlib.util
import json
import os
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
import weights


def steps(model, vocab):
    """Eager reference with the library's own dynamic cache."""
    g = torch.Generator().manual_seed(7)
    ids = torch.randint(0, vocab, (1, 11), generator=g)
    out, cache = {}, None
    for step, (a, b) in enumerate([(0, 8), (8, 9), (9, 10), (10, 11)]):
        with torch.no_grad():
            r = model(input_ids=ids[:, a:b], past_key_values=cache, use_cache=True, position_ids=torch.arange(a, b)[None])
        cache = r.past_key_values
        out[f"s{step}.forward.in0"] = ids[:, a:b].clone()
        out[f"s{step}.forward.in1"] = torch.arange(a, b)
        out[f"s{step}.forward.out0"] = r.logits.float().contiguous()
    with torch.no_grad():  # the cached steps must equal one pass over the whole text: the golden checks itself
        whole = model(input_ids=ids, use_cache=False).logits
    joined = torch.cat([out[f"s{s}.forward.out0"] for s in range(4)], 1)
    diff = (whole - joined).abs().max().item()
    assert diff < 2e-4, diff
    return out, diff


def main():
    spec = importlib.util.spec_from_file_location("families", sys.argv[1])
    families = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(families)
    todo = sys.argv[2:] or [n for n in families.TABLE if families.task(n) == "text-generation"]
    for name in todo:
        model = families.make(name)
        folder = os.path.join(weights.HERE, name)
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory() as tmp:
            model.save_pretrained(tmp)
            stored = load_file(os.path.join(tmp, "model.safetensors"))
            shapes = {k: list(v.shape) for k, v in sorted(stored.items())}
            with open(os.path.join(tmp, "config.json")) as f:
                config = json.load(f)
            with open(os.path.join(folder, "config.json"), "w") as f:
                json.dump(config, f, indent=2, sort_keys=True)
                f.write("\n")
            with open(os.path.join(folder, "tensors.json"), "w") as f:
                f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(s)}" for k, s in shapes.items()) + "\n}\n")
            weights.write_model(name, tmp)
            model = type(model).from_pretrained(tmp, dtype=torch.float32, attn_implementation="eager").eval()
        out, diff = steps(model, model.config.get_text_config().vocab_size)
        save_file(out, os.path.join(folder, "golden.safetensors"))
        print(name, "self-check", f"{diff:.1e}", "logits", f"{out['s0.forward.out0'].abs().max():.2f}", flush=True)


main()
