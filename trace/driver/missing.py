"""Names of PyTorch that etch lacks, all of them: for `etch check` a call of one gives a tensor like its first, and the trace goes on.

An export stops at the first. Sizes after a missing operator are guesses, so what fails later is told as such, and nothing is ever made of
the graph.
"""
import os
import sys

from etch_trace.report import TraceError, describe, emit

_found = {}  # operator -> {place: None} in order

_PREFIXES = {"torch": "", "torch.nn.functional": "", "torch.linalg": "linalg_", "torch.special": "special_", "torch.fft": "fft_"}


def _place():
    """The innermost line that is not etch's, as the graph names places."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(ours):
        frame = frame.f_back
    path = frame.f_code.co_filename
    return f"{path.split('-packages/')[-1] if '-packages/' in path else os.path.basename(path)}:{frame.f_lineno}"


def _stub(op):
    def call(*args, **kwargs):
        import torch

        like = next((a for a in args if isinstance(a, torch.Tensor)), None)
        if like is None:
            raise NotImplementedError(f"op {op} has no row in op/ops.def")
        _found.setdefault(op, {})[_place()] = None
        return like.clone()

    return call


def _guess(name, prefix, error):
    """A stub while a model is traced; elsewhere the name is as absent as before, for code that asks by hasattr."""
    import torch

    if name.startswith("_") or not name.islower() or not torch.compiler.is_exporting():
        raise error
    return _stub(f"aten::{prefix}{name}")


def _watch_module(module, prefix):
    before = module.__dict__.get("__getattr__")

    def getattr_(name):
        try:
            if before is not None:
                return before(name)
            raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")
        except AttributeError as error:
            return _guess(name, prefix, error)

    module.__getattr__ = getattr_


def watch():
    from importlib import import_module

    import torch

    for name, prefix in _PREFIXES.items():
        _watch_module(import_module(name), prefix)

    def method(self, name):
        import functools

        return functools.partial(_guess(name, "", AttributeError(f"'Tensor' object has no attribute '{name}'")), self)

    torch.Tensor.__getattr__ = method


def check(error=None):
    """After the trace, which may have ended with `error`: an error that names all, and one line each for the parent."""
    if not _found:
        if error is not None:
            raise error
        return
    told = []
    for op, places in _found.items():
        where = next(iter(places))
        emit(missing={"op": op, "where": where, "count": len(places)})
        told.append(f"{op} ({where}" + (f" and {len(places) - 1} more places)" if len(places) > 1 else ")"))
    text = f"{'this operator is' if len(told) == 1 else f'these {len(told)} operators are'} missing: {', '.join(told)}"
    if error is not None:
        last = describe(error)
        text += f"; sizes after the first are guesses, and with them the trace ended: {last['message']}"
        text += f" ({last['where']})" if last["where"] else ""
    raise TraceError(text, kind="unsupported")
