"""--dtype float16 in the official runtime and in etch's, against PyTorch eager.

The yardstick is float32 eager on the same float16 weights. PyTorch's own float16 eager is away from it by the roundings of its
intermediates (2^-11 each), and so are the two runtimes, which round at other places: neither may be further away than twice what PyTorch is
(relative RMS over all outputs; seen for all 38 reference families: 0.4 to 1.3 times, cvt with two logits 2.6) plus one rounding. A runtime
that computed something else would be further away by orders of magnitude. ETCH_HALF="llama cvt ..." runs other families.
"""
import copy
import json
import os
import sys

import pytest
import torch
import transformers as T
from safetensors.torch import save_file

from official import Official, sums_in_halves

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.environ.get("ETCH_REFERENCE") or os.path.join(os.path.dirname(ROOT), "shared", "reference")
if not os.path.isfile(os.path.join(REFERENCE, "families.py")):
    pytest.skip("no reference families", allow_module_level=True)
sys.path.insert(0, REFERENCE)
import families  # noqa: E402


def calls_of(task, model, dtype):
    """(method, inputs) of one program, states shared."""
    torch.manual_seed(1)
    config = model.config
    if task == "text-generation":
        ids, at = torch.randint(0, 256, (1, 11)), 0
        for n in (8, 1, 1, 1):
            yield "forward", [ids[:, at:at + n].contiguous(), torch.arange(at, at + n)]
            at += n
    elif task == "fill-mask":
        yield "forward", [torch.randint(0, 256, (1, 8)), torch.ones(1, 8, dtype=torch.int64)]
    elif task == "automatic-speech-recognition":
        yield "encoder", [torch.randn(1, config.num_mel_bins, 2 * config.max_source_positions).to(dtype)]
    elif task == "text2text-generation":
        yield "encoder", [torch.randint(0, 256, (1, 7))]
    else:
        yield "forward", [torch.randn(1, 3, 64, 64).to(dtype)]


def eager(task, model, dtype):
    """The outputs of all calls, with inputs and weights as the model holds them, as one vector."""
    own = model.dtype
    model = copy.deepcopy(model).to(dtype)
    outs, past = [], []
    for _, ins in calls_of(task, model, own):
        ins = [x.to(dtype) if x.is_floating_point() else x for x in ins]
        if task == "text-generation":
            past.append(ins[0])
            outs.append(model(torch.cat(past, 1)).logits[:, -ins[0].shape[1]:])
        elif task == "fill-mask":
            outs.append(model(*ins).logits)
        elif task in ("automatic-speech-recognition", "text2text-generation"):
            outs.append(model.get_encoder()(ins[0]).last_hidden_state)
        else:
            out = model(ins[0])
            outs.append(out.logits)
            if task == "object-detection":
                outs += [out.pred_boxes, out.last_hidden_state, out.encoder_last_hidden_state]
    return torch.cat([x.float().flatten() for x in outs])


def away(got, want):
    return ((got - want).pow(2).mean().sqrt() / want.pow(2).mean().sqrt()).item()


def values(outs):
    return torch.cat([x.float().flatten() for x in outs])


NAMES = os.environ.get("ETCH_HALF", "llama gpt2 bert swin detr").split()
SUMS_IN_HALVES = sums_in_halves()  # seen 4 times PyTorch's error, elsewhere below 2
KINDS = {"float16": (torch.float16, 2 ** -10), "bfloat16": (torch.bfloat16, 2 ** -7)}


def saved(name, folder, dtype):
    model = families.make(name)
    model = (model[0] if isinstance(model, tuple) else model).to(dtype).eval()
    model.save_pretrained(folder)
    return model, families.task(name)


def run_both(pte, task, model, etch, tmp_path, *verify):
    """The official runtime's outputs; etch's runtime gives the same (float16: 4e-3 of the largest value, the default; seen: 1.4e-3)."""
    program, record, official = Official(pte), {}, []
    for k, (method, ins) in enumerate(calls_of(task, model, model.dtype)):
        outs = program(method, ins)
        official += outs
        record |= {f"s{k}.{method}.in{i}": x for i, x in enumerate(ins)}
        record |= {f"s{k}.{method}.out{i}": x.contiguous() for i, x in enumerate(outs)}
    save_file(record, tmp_path / "io.safetensors")
    etch("verify", pte, tmp_path / "io.safetensors", *verify)
    return values(official)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name, kind, etch, tmp_path):
    dtype, rounding = KINDS[kind]
    model, task = saved(name, tmp_path / "model", dtype)
    flags = ["--image_size", 64] if task == "object-detection" else ["--max_seq_len", 64] if task == "text-generation" else []
    etch("export", "--model", tmp_path / "model", "--task", task, "--recipe", "xnnpack", "--dtype", kind, *flags, "-o", tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    official = run_both(tmp_path / "model.pte", task, model, etch, tmp_path)
    with torch.no_grad():
        exact, half = eager(task, model, torch.float32), eager(task, model, dtype)
    its, ours, nodes = away(half, exact), away(official, exact), report["program"]
    print(f"{name} {kind}: PyTorch {its:.2g}, official runtime {ours:.2g}; {nodes['delegated_nodes']} of {nodes['nodes']} nodes delegated")
    times = 8 if kind == "float16" and SUMS_IN_HALVES else 2
    assert ours < times * its + rounding, (ours, its)
    stays = [n for n in report["notes"] if "no convolution, pooling or resizing of bfloat16" in n]
    assert stays or nodes["delegated_nodes"] > 0.7 * nodes["nodes"]


@pytest.mark.parametrize("name, scheme", [("llama", "8da4w"), ("gpt2", "8da8w")])
def test_float16_quantized(name, scheme, etch, tmp_path):
    """Against the float32 export of the same float16 weights, hence the same integers: 2 % relative RMS (seen: 1.3 %), since activations
    that float16 moved round otherwise."""
    model, task = saved(name, tmp_path / "model", torch.float16)
    outs = {}
    for dtype in ("float32", "float16"):
        etch("export", "--model", tmp_path / "model", "--recipe", "xnnpack", "--dtype", dtype, "--qlinear", scheme, "--qembedding", "8w",
             "--max_seq_len", 64, "-o", tmp_path / dtype)
        outs[dtype] = run_both(tmp_path / dtype / "model.pte", task, model, etch, tmp_path)
    print(f"{name} {scheme}: float16 from float32 {away(outs['float16'], outs['float32']):.2g}")
    assert away(outs["float16"], outs["float32"]) < 0.02
