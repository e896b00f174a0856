"""An embedding model in both its uses, in the official runtime: as a generating decoder and as a text's vector. The recorded results are
PyTorch eager's, and are computed again. float32 in another summation order: 1e-4 absolute and relative.
"""
import os

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

import weights
from official import Official, steps

TOL = dict(atol=1e-4, rtol=1e-4)
NAME = "qwen3_embedding"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return weights.write_model(NAME, tmp_path_factory.mktemp(NAME), weights.EMBEDDING)


def test_golden_is_what_pytorch_says(folder):
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    io = load_file(os.path.join(weights.EMBEDDING, NAME, "golden.safetensors"))
    for _, (ids, mask), (_, vector) in steps(io):
        with torch.no_grad():  # a text without its padding
            states = model(input_ids=ids[:, :mask.sum()], use_cache=False).last_hidden_state
        torch.testing.assert_close(torch.nn.functional.normalize(states[:, -1], dim=-1), vector, **TOL)


@pytest.mark.parametrize("task, golden", [("text-generation", "generate"), ("feature-extraction", "golden")])
def test_official_runtime(task, golden, folder, etch, tmp_path):
    etch("export", "--model", folder, "--task", task, "--max_seq_len", 64, "-o", tmp_path)
    program = Official(tmp_path / "model.pte")
    for method, ins, outs in steps(load_file(os.path.join(weights.EMBEDDING, NAME, golden + ".safetensors"))):
        got = program(method, ins)
        assert len(got) == len(outs)
        for g, o in zip(got, outs):
            torch.testing.assert_close(g, o, **TOL)
