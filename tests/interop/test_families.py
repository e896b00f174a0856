"""Every decoder-only test model, both recipes, against PyTorch eager: in the official runtime and in etch's.

float32 against float32 in another summation order; 1e-4 absolute and relative (design target) leaves a wide margin over what is seen (about
5e-6).
"""
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import weights
from official import Official, steps

TOL = dict(atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(params=weights.names())
def family(request, models):
    folder = models / request.param
    if not folder.exists():
        weights.write_model(request.param, folder)
    return request.param, folder


def test_golden_is_what_pytorch_says(family):
    name, folder = family
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    io = load_file(weights.golden(name))
    ids = torch.cat([io[f"s{s}.forward.in0"] for s in range(4)], 1)
    want = torch.cat([io[f"s{s}.forward.out0"] for s in range(4)], 1)
    with torch.no_grad():
        torch.testing.assert_close(model(input_ids=ids).logits, want, **TOL)


@pytest.mark.parametrize("recipe", ["portable", "xnnpack"])
def test_export_runs_in_both_runtimes(family, recipe, etch, result, tmp_path):
    name, folder = family
    result.of(name, "decoder", "text-generation", recipe)
    etch("export", "--model", folder, "--task", "text-generation", "--recipe", recipe, "--max_seq_len", 64, "-o", tmp_path)
    pte = tmp_path / "model.pte"
    program = Official(pte)
    for method, ins, outs in steps(load_file(weights.golden(name))):
        got = program(method, ins)
        assert len(got) == len(outs)
        for g, o in zip(got, outs):
            result.close(g, o, **TOL)
    etch("verify", pte, weights.golden(name), "--atol", "1e-4", "--rtol", "1e-4")
    config = AutoModelForCausalLM.from_pretrained(folder).config
    assert program.constant("get_max_seq_len") == 64
    assert program.constant("get_vocab_size") == config.get_text_config().vocab_size
    assert program.constant("use_kv_cache") in (True, 1)


def test_official_export_runs_in_both_runtimes(etch):
    """The fourth cell: a program of the official exporter, in its own runtime and in etch's."""
    import os
    reference = os.environ.get("ETCH_REFERENCE") or os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "reference")
    folder = os.path.join(reference, "official", "llama-portable")
    if not os.path.exists(folder):
        pytest.skip("the reference folder is absent")
    program = Official(os.path.join(folder, "model.pte"))
    io = load_file(os.path.join(folder, "io.safetensors"))
    for method, ins, outs in steps(io):
        for g, o in zip(program(method, ins), outs):
            torch.testing.assert_close(g, o, **TOL)
    etch("verify", os.path.join(folder, "model.pte"), os.path.join(folder, "io.safetensors"))
