"""End-to-end tests of numbers, without PyTorch: half precision, the last cache slot, and what follows it.

    python tests/accuracy.py BUILD [NAME_PART ...]
"""
import json
import os

import numpy as np
from safetensors.numpy import load_file, save_file

import weights
from harness import main, ok, refused, test


def export(family, tmp, *flags, recipe="xnnpack", length=64):
    out = os.path.join(tmp, "out-" + "-".join(f.strip("-") for f in flags)[:80])
    model = weights.write_model(family, os.path.join(tmp, "model"))
    ok("export", "--model", model, "--recipe", recipe, "--max_seq_len", str(length), *flags, "-o", out)
    with open(os.path.join(out, "report.json")) as f:
        return os.path.join(out, "model.pte"), json.load(f)


@test
def float16_is_delegated_as_float32_is(tmp):
    """Against recorded float32 results: 11 bits in each of some thirty roundings, 2e-3 relative RMS (seen: 6e-4)."""
    _, whole = export("llama", tmp)
    pte, half = export("llama", tmp, "--dtype", "float16")
    whole, half = whole["program"], half["program"]
    assert half["delegates"] == whole["delegates"] and half["instructions"] == whole["instructions"], (half, whole)
    assert half["delegated_nodes"] >= whole["delegated_nodes"], (half, whole)
    g = load_file(weights.golden("llama"))
    save_file({"in0": g["s0.forward.in0"], "in1": g["s0.forward.in1"]}, os.path.join(tmp, "in"))
    ok("run", pte, "--inputs", os.path.join(tmp, "in"), "--outputs", os.path.join(tmp, "out"))
    got, want = load_file(os.path.join(tmp, "out"))["out0"], g["s0.forward.out0"]
    assert got.dtype == np.float16
    assert np.sqrt(np.mean((got - want) ** 2) / np.mean(want ** 2)) < 2e-3


@test
def bfloat16_stays_outside_and_says_so(tmp):
    _, report = export("llama", tmp, "--dtype", "bfloat16")
    assert any("bfloat16" in n and "stay outside XNNPACK" in n for n in report["notes"]), report["notes"]


if __name__ == "__main__":
    main()
