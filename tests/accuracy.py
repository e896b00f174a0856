"""End-to-end tests of numbers, without PyTorch: half precision, the last cache slot, and what follows it.

    python tests/accuracy.py BUILD [NAME_PART ...]
"""
import json
import os

import numpy as np
from safetensors.numpy import load_file, save_file

import weights
from harness import TINY, main, ok, refused, test


def export(family, tmp, *flags, recipe="xnnpack", length=64):
    out = os.path.join(tmp, "out-" + "-".join(f.strip("-") for f in flags)[:80])
    model = weights.write_model(family, os.path.join(tmp, "model"))
    ok("export", "--model", model, "--recipe", recipe, "--max_seq_len", str(length), *flags, "-o", out)
    with open(os.path.join(out, "report.json")) as f:
        return os.path.join(out, "model.pte"), json.load(f)


def half_test(dtype, rms):
    def run(tmp):
        _, whole = export("llama", tmp)
        pte, half = export("llama", tmp, "--dtype", dtype)
        whole, half = whole["program"], half["program"]
        assert half["delegates"] == whole["delegates"] and half["instructions"] == whole["instructions"], (half, whole)
        assert half["delegated_nodes"] >= whole["delegated_nodes"], (half, whole)
        g = load_file(weights.golden("llama"))
        save_file({"in0": g["s0.forward.in0"], "in1": g["s0.forward.in1"]}, os.path.join(tmp, "in"))
        ok("run", pte, "--inputs", os.path.join(tmp, "in"), "--outputs", os.path.join(tmp, "out"))
        got, want = floats(os.path.join(tmp, "out")), g["s0.forward.out0"]
        assert np.sqrt(np.mean((got - want) ** 2) / np.mean(want ** 2)) < rms
    run.__name__ = dtype + "_is_delegated_as_float32_is"
    test(run)


def floats(path):
    """The one tensor of a file, of float16 or bfloat16, as float32."""
    with open(path, "rb") as f:
        head = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        (entry,) = [e for name, e in head.items() if name != "__metadata__"]
        bits = np.frombuffer(f.read()[slice(*entry["data_offsets"])], np.uint16).reshape(entry["shape"])
    return bits.view(np.float16).astype(np.float32) if entry["dtype"] == "F16" else (bits.astype(np.uint32) << 16).view(np.float32)


# Against recorded float32 results: a rounding of 2^-11 or 2^-8 in each of some thirty steps (seen: 6e-4 and 5e-3).
half_test("float16", 2e-3)
half_test("bfloat16", 1.5e-2)


@test
def a_full_cache_is_an_error(tmp):
    out = os.path.join(tmp, "out")
    ok("export", "--model", TINY, "--max_seq_len", "16", "-o", out)
    pte = os.path.join(out, "model.pte")
    refused("generate", pte, "--prompt", "in the beginning " * 8, says=["of 16 cache slots", "--max_seq_len"])
    r = ok("generate", pte, "--prompt", "In the", "-n", "100")
    assert "the cache is full" in r.stderr, r.stderr


if __name__ == "__main__":
    main()
