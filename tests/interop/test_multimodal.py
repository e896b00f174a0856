"""multimodal-text-to-text on tiny models with an image or audio encoder: exported by the command line, run end to end (encode, embed, splice, generate) in
the official runtime and in etch's, against PyTorch eager. float32 in another summation order: 1e-4 absolute and relative; about 1e-5 is seen.
"""
import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file

import weights
from official import Official

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tools", "golden"))
import multimodal as golden  # noqa: E402

TOL = dict(atol=1e-4, rtol=1e-4)
NAMES = weights.names(weights.MULTIMODAL)
FLAGS = {"portable": (), "xnnpack": (), "custom": ("--use_custom_sdpa", "--use_custom_kv_cache")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = weights.write_model(name, tmp_path_factory.mktemp(name), weights.MULTIMODAL)
        return made[name]
    return make


def generate(program, encoder, token, ids, features):
    """A runner's loop with the program's own outputs: greedy tokens."""
    rows = program(encoder, [features])[0]
    embeds = program("token_embedding", [ids])[0]
    embeds[ids == token] = rows[0]
    tokens, position = [], 0
    for _ in range(golden.NEW):
        logits = program("text_decoder", [embeds, torch.arange(position, position + embeds.shape[1])])[0]
        position += embeds.shape[1]
        tokens.append(logits[0, -1].argmax().item())
        embeds = program("token_embedding", [torch.tensor([[tokens[-1]]])])[0]
    return tokens


def check_metadata(name, program):
    with open(os.path.join(weights.MULTIMODAL, name, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(weights.MULTIMODAL, name, "preprocessor_config.json")) as f:
        processor = json.load(f)
    text = config["text_config"]
    want = {"modality": "vision" if "vision_config" in config else "audio", "get_max_seq_len": 64, "get_vocab_size": text["vocab_size"],
            "get_n_layers": text["num_hidden_layers"], "get_bos_id": text["bos_token_id"], "get_n_kv_heads": text["num_key_value_heads"], "use_kv_cache": 1}
    for key, value in {**want, **processor}.items():
        if value is None:
            assert key not in program.methods()
            continue
        got = program.constant(key)
        value = list(value.values()) if isinstance(value, dict) else value
        assert got == value if isinstance(value, str) else got == pytest.approx(value), key


@pytest.mark.parametrize("name", NAMES)
def test_golden_is_what_pytorch_says(name, folder):
    now, _ = golden.record(name, golden.load(folder(name)))
    want = load_file(os.path.join(weights.MULTIMODAL, name, "golden.safetensors"))
    assert now.keys() == want.keys()
    for key in want:
        torch.testing.assert_close(now[key], want[key], **TOL)


@pytest.mark.parametrize("variant", list(FLAGS))
@pytest.mark.parametrize("name", NAMES)
def test_runs_in_both_runtimes(name, variant, folder, etch, tmp_path):
    recipe = "portable" if variant == "portable" else "xnnpack"
    task = "image-text-to-text" if variant == "portable" else "multimodal-text-to-text"  # two names of one task
    etch("export", "--model", folder(name), "--task", task, "--recipe", recipe, "--max_seq_len", 64, *FLAGS[variant], "-o", tmp_path)
    pte, recorded = tmp_path / "model.pte", os.path.join(weights.MULTIMODAL, name, "golden.safetensors")
    etch("verify", pte, recorded, "--atol", "1e-4", "--rtol", "1e-4")
    io, program = load_file(recorded), Official(pte)
    check_metadata(name, program)
    calls = sorted((int(k[1:k.index(".")]), k.split(".")[1]) for k in io if k.endswith("out0"))
    for step, method in calls:
        ins = [io[k] for k in sorted(k for k in io if k.startswith(f"s{step}.{method}.in"))]
        torch.testing.assert_close(program(method, ins)[0], io[f"s{step}.{method}.out0"], **TOL)
    encoder, ids = calls[0][1], io["s1.token_embedding.in0"]
    token = program.constant(encoder.replace("encoder", "token_id"))
    chosen = [io[f"s{step}.text_decoder.out0"][0, -1].argmax().item() for step, method in calls if method == "text_decoder"]
    assert generate(Official(pte), encoder, token, ids, io[f"s0.{encoder}.in0"]) == chosen[:golden.NEW]
