"""Deterministic random weights for test models: the same names and shapes give the same bytes on every machine.

A test model is a folder tests/families/NAME with config.json, tensors.json (state-dict names and shapes) and golden.safetensors (inputs and
the outputs of PyTorch eager on these weights). `write_model` makes the folder that etch exports; no weights are stored in the repository.
"""
import json
import os
import shutil
import zlib

import numpy as np
from safetensors.numpy import save_file

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "families")
MULTIMODAL = os.path.join(os.path.dirname(HERE), "multimodal")
EMBEDDING = os.path.join(os.path.dirname(HERE), "embedding")
GUIDE = os.path.join(os.path.dirname(HERE), "guide")


def tensor(name, shape):
    """float32 values for a state-dict entry: norm scales near 1, positive variances, matrices of unit gain, small biases."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    rng = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    x = rng.standard_normal(shape, dtype=np.float32)
    if name.endswith("running_var"):
        return (1 + 0.1 * np.abs(x)).astype(np.float32)
    if len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        return (x * np.float32(1 / np.sqrt(fan_in))).astype(np.float32)
    if name.endswith("weight") or "gamma" in name or "lambda" in name:
        return (1 + 0.1 * x).astype(np.float32)
    return (0.1 * x).astype(np.float32)


def names(here=HERE):
    return sorted(n for n in os.listdir(here) if os.path.exists(os.path.join(here, n, "tensors.json")))


def write_model(name, folder, here=HERE):
    os.makedirs(folder, exist_ok=True)
    shutil.copytree(os.path.join(here, name), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tensors.json", "*.safetensors"))
    with open(os.path.join(here, name, "tensors.json")) as f:
        shapes = json.load(f)
    save_file({n: tensor(n, s) for n, s in shapes.items()}, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    return folder


def golden(name, here=HERE):
    return os.path.join(here, name, "golden.safetensors")
