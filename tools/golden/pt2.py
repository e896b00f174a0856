"""Writes pt2/testdata: one small program as torch.export.save writes it, as exported and decomposed, with what eager PyTorch says of three
calls.

    python tools/golden/pt2.py [FOLDER]        needs tools/requirements-official.txt

The program has what archives can hold: tied, transposed and sliced parameters, buffers that are written, constants, a symbolic size, a
region without gradient, in-place writes through views, operators with several results, fixed inputs, and outputs in a dict.
"""
import os
import re
import sys

import torch
from safetensors.torch import save_file


class Program(torch.nn.Module):
    def __init__(self):
        super().__init__()
        table = torch.randn(10, 4)
        self.embedding = torch.nn.Embedding(10, 4, _weight=table)
        self.head = torch.nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight
        self.turned = torch.nn.Parameter(torch.randn(4, 6).t())
        self.part = torch.nn.Parameter(self.turned.data[2:4])
        self.register_buffer("mean", torch.ones(4))
        self.register_buffer("ring", torch.zeros(8, 4), persistent=False)
        self.scale = torch.tensor([1.0, 2.0, 0.5, -1.0])

    def forward(self, ids, mask=None, shift=True):
        x = self.embedding(ids)
        with torch.no_grad():
            steps = torch.arange(ids.shape[0] + 1, dtype=torch.float32)[1:, None]
        self.ring[: ids.shape[0]] = x * self.scale
        self.mean.mul_(0.5).add_(x.mean(0))
        y = x.clone()
        y.t()[1].add_(1)
        if shift:
            y = y + self.mean
        low, high = torch.nn.functional.linear(y, self.turned).chunk(2, 1)
        values, order = (low * high).topk(2)
        return {"logits": self.head(y + steps), "top": (values, order), "ring": self.ring + self.part.sum(0), "length": ids.shape[0]}


def anonymous(program):
    """Source paths as a user's files have them."""
    for node in [n for part in program.graph_module.modules() if hasattr(part, "graph") for n in part.graph.nodes]:
        if "stack_trace" in node.meta:
            node.meta["stack_trace"] = re.sub(r'File "(?:[^"]*-packages/|[^"]*/)', 'File "', node.meta["stack_trace"])
        node.meta.pop("from_node", None)
    return program


def main(folder):
    torch.manual_seed(0)
    module = Program().eval()
    calls = [torch.tensor(ids) for ids in ([1, 5, 2], [9, 0, 3, 3, 4, 7, 8], [6, 1])]
    size = torch.export.Dim("n", min=2, max=8)
    program = torch.export.export(module, (calls[0], None, True), dynamic_shapes=({0: size}, None, None))
    os.makedirs(folder, exist_ok=True)
    torch.export.save(anonymous(program), os.path.join(folder, "training.pt2"))
    torch.export.save(anonymous(program.run_decompositions()), os.path.join(folder, "core.pt2"))
    io = {}
    for i, ids in enumerate(calls):
        with torch.no_grad():
            out = module(ids)
        outs = [out["logits"], *out["top"], out["ring"], torch.tensor(out["length"])]
        io[f"s{i}.forward.in0"] = ids
        io |= {f"s{i}.forward.out{k}": t.clone().contiguous() for k, t in enumerate(outs)}
    save_file(io, os.path.join(folder, "io.safetensors"))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "pt2", "testdata"))
