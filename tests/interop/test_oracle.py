"""The oracle of the tracer: PyTorch's own graph of the same task wrapper, through the same passes, has the same operators.

For each family the wrapper of etch's task is run under the real PyTorch (real_tasks.py), exported with torch.export, saved as .pt2 and
lowered with `etch export --pt2`; its graph after the passes is compared, operator by operator, with that of `etch export --model`. The
program of the .pt2 runs in the official runtime and in etch's, against PyTorch eager at 1e-4 absolute and relative (float32 in another
order of summation).

A few families in CI; ETCH_ALL=1 runs all, and ETCH_ORACLE=FILE writes the table of docs/ORACLE.md.
"""
import collections
import os
import re
import time

import pytest
import torch
import transformers as T
from safetensors.torch import save_file
from torch.export.pt2_archive._package import package_pt2

import real_tasks
from official import Official
from test_tasks import RUN, families, folder  # noqa: F401  (folder: a fixture)

TOL = dict(atol=1e-4, rtol=1e-4)
# One of each kind: padded cache, growing cache, encoder, vision transformer, convolutions with folding, encoder-decoder.
CI = ["llama", "gpt_neo", "bert", "swin", "mobilevitv2", "whisper"]
NAMES = list(families.TABLE) if os.environ.get("ETCH_ALL") else CI

# Operator differences that are known and right: {operator: reason}. None is left; a new one is explained here or repaired.
REASONS = {}

ROWS = []


def operators(dump):
    """{method: Counter of operators} of the graph after the last pass."""
    last = sorted(n for n in os.listdir(dump) if n.endswith(".graph"))[-1]
    methods, current = {}, None
    with open(os.path.join(dump, last)) as graph:
        for line in graph:
            if line.startswith("method"):
                current = methods[line.split('"')[1]] = collections.Counter()
            found = re.match(r"(?:%\d+(?:, %\d+)* = )?(\w+::[\w.]+)\(", line)
            if found:
                current[found[1]] += 1
    return methods


class Recorded:
    """The official program; keeps its calls for `etch verify`. The sampler of an encoder-decoder is no module: argmax stands for it."""

    def __init__(self, path):
        self.official, self.io, self.step = Official(path), {}, 0

    def __call__(self, method, inputs):
        if method == "sampler":
            return [inputs[0].argmax(-1)]
        outputs = self.official(method, inputs)
        for kind, tensors in (("in", inputs), ("out", outputs)):
            for i, t in enumerate(tensors):
                self.io[f"s{self.step}.{method}.{kind}{i}"] = t.contiguous().clone()
        self.step += 1
        return outputs


def generation(program, model):
    ids = torch.randint(0, 256, (1, 11), generator=torch.Generator().manual_seed(7))
    want = model(ids).logits
    for a, b in ((0, 8), (8, 9), (9, 10), (10, 11)):
        yield program("forward", [ids[:, a:b].contiguous(), torch.arange(a, b)])[0], want[:, a:b]


ALL = {"text-generation": (T.AutoModelForCausalLM, generation, ("--max_seq_len", 64)), **RUN}


@pytest.mark.parametrize("name", NAMES)
def test_same_operators_and_same_numbers(name, folder, etch, tmp_path):  # noqa: F811
    task = families.task(name)
    auto, run, flags = ALL[task]
    options = {key[2:]: value for key, value in zip(flags[::2], flags[1::2])}
    start = time.time()
    exported = real_tasks.programs(task, folder(name), **options)
    seconds = time.time() - start
    pt2 = tmp_path / f"{name}.pt2"
    package_pt2(pt2, exported_programs={"model" if key == "forward" else key: program for key, program in exported.items()})
    etch("export", "--pt2", pt2, "--dump", tmp_path / "theirs", "-o", tmp_path)
    etch("export", "--model", folder(name), "--task", task, *flags, "--dump", tmp_path / "ours", "-o", tmp_path / "traced")

    torch.manual_seed(0)
    model, program, worst = auto.from_pretrained(folder(name)).eval(), Recorded(tmp_path / "model.pte"), 0.0
    with torch.no_grad():
        for got, want in run(program, model):
            torch.testing.assert_close(got, want, **TOL)
            worst = max(worst, (got - want).abs().max().item())
    save_file(program.io, tmp_path / "io.safetensors")
    etch("verify", tmp_path / "model.pte", tmp_path / "io.safetensors", "--atol", "1e-4", "--rtol", "1e-4")

    ours, theirs = operators(tmp_path / "ours"), operators(tmp_path / "theirs")
    assert set(theirs) == set(exported)
    for method, found in theirs.items():
        different = {op: (ours[method][op], found[op]) for op in sorted(set(ours[method]) | set(found)) if ours[method][op] != found[op]}
        assert set(different) <= set(REASONS), f"{name}, {method}: operators (traced, PyTorch's): {different}"
        ROWS.append((name, task, method, sum(found.values()), "; ".join(f"{op} {a}/{b}" for op, (a, b) in different.items()) or "none",
                     worst, seconds))


@pytest.fixture(scope="session", autouse=True)
def table():
    yield
    path = os.environ.get("ETCH_ORACLE")
    if not path or not ROWS:
        return
    lines = ["| family | task | method | operators | differences | largest difference to eager |", "|---|---|---|---|---|---|"]
    lines += [f"| {name} | {task} | {method} | {n} | {different} | {worst:.1e} |" for name, task, method, n, different, worst, _ in ROWS]
    with open(path, "r+") as f:
        head = f.read().split("| family |")[0]
        f.seek(0)
        f.truncate()
        f.write(head + "\n".join(lines) + "\n")
