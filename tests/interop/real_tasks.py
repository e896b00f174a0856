"""etch's own task wrappers (trace/driver/tasks), run under the real PyTorch: each method that they trace is exported with torch.export
instead.

    programs("text-generation", folder, max_seq_len=64) -> {"forward": ExportedProgram}

The wrappers are plain Python on the torch API but for the few functions of etch's torch._C that declare symbols and inputs; those are given
here.
"""
import contextlib
import importlib.util
import os
import sys
import types

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Symbol(int):
    """A size with a range; as a number it is its example."""

    def __new__(cls, name, low, high, example):
        self = super().__new__(cls, example)
        self.dim = torch.export.Dim(name, min=low, max=high)
        Symbol.known.append(self)
        return self

    known = []


def _item_symbol(tensor, low, high):
    value = tensor.item()
    torch._check(value >= low)
    torch._check(value <= high)
    return value


def _input(name, dtype, shape):
    shape = [int(n) for n in shape]
    return torch.randn(shape, dtype=dtype) if dtype.is_floating_point else torch.ones(shape, dtype=dtype)


def _dims(shape):
    """{axis: Dim} of an input; a SymInt of an earlier method (the encoder's length) is the symbol with its example."""
    dims = {}
    for i, n in enumerate(shape):
        if isinstance(n, torch.SymInt):
            n = next(s for s in Symbol.known if int(s) == n.node.hint)
        if isinstance(n, Symbol):
            dims[i] = n.dim
    return dims


def _example(dtype, shape, name):
    shape = [n.node.hint if isinstance(n, torch.SymInt) else int(n) for n in shape]
    if name == "cache_position":
        return torch.arange(shape[0])
    return torch.ones(shape, dtype=dtype) if not dtype.is_floating_point else torch.randn(shape, dtype=dtype)


def _wrap(module, call, names):
    """A module whose forward takes the inputs by name; `module` is where parameters and state lie."""
    flatten = sys.modules["etch_trace.method"]._flatten
    scope = {"call": call, "flatten": flatten}
    args = ", ".join(names)
    exec(f"def forward(self, {args}):\n    return dict(flatten(call({', '.join(f'{n}={n}' for n in names)}), self.output_names))", scope)
    wrapper = type("Method", (torch.nn.Module,), {"forward": scope["forward"]})()
    for key, buffer in module.named_buffers(recurse=False):  # under the names that etch gives its state
        wrapper.register_buffer(key, buffer, persistent=False)
    wrapper.inner = module
    return wrapper.eval()


def _driver():
    """The package etch_trace from the source tree; etch's torch, which lies beside it when installed, must not be found."""
    if "etch_trace" in sys.modules:
        return
    path = os.path.join(ROOT, "trace", "driver")
    package = types.ModuleType("etch_trace")
    package.__path__ = [path]
    package.__spec__ = importlib.util.spec_from_file_location("etch_trace", os.path.join(path, "__init__.py"),
                                                              submodule_search_locations=[path])
    sys.modules["etch_trace"] = package
    for name, function in {"symbol": Symbol, "item_symbol": _item_symbol, "input": _input}.items():
        setattr(torch._C, name, function)
    torch.compiler.exporting = contextlib.nullcontext
    for name in ("begin", "method", "output", "mark_fqn", "mark_buffer"):
        setattr(torch._C, name, lambda *args: None)


def programs(task, folder, strict=False, **options):
    _driver()
    from etch_trace import method, tasks

    found = {}

    def trace(name, module, call, inputs, output_names=None):
        wrapper = _wrap(module, call, list(inputs))
        wrapper.output_names = output_names
        examples = {key: _example(dtype, shape, key) for key, (dtype, shape) in inputs.items()}
        dynamic = {key: _dims(shape) or None for key, (dtype, shape) in inputs.items()}
        with torch.no_grad():
            found[name] = torch.export.export(wrapper, (), examples, dynamic_shapes=dynamic, strict=strict)

    Symbol.known = []
    saved, method.trace = method.trace, trace
    try:
        kind = tasks.find(task)
        built = kind.build(str(folder), tasks.options(kind, options))
        built.trace()
    finally:
        method.trace = saved
    return found
