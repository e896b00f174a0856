"""torch.compiler: what model code asks to know whether it is being exported. True while the driver traces a method."""
import contextlib

_exporting = False


@contextlib.contextmanager
def exporting():
    """The driver traces a method inside this; building a model happens outside, as with PyTorch's own export."""
    global _exporting
    before, _exporting = _exporting, True
    try:
        yield
    finally:
        _exporting = before


def is_compiling():
    return _exporting


def is_exporting():
    return _exporting


def is_dynamo_compiling():
    return False


def disable(fn=None, recursive=True, *, reason=None):
    return fn if callable(fn) else (lambda f: f)


def allow_in_graph(fn):
    return fn


def assume_constant_result(fn):
    return fn


def substitute_in_graph(original_fn, **kwargs):
    return lambda fn: fn


def cudagraph_mark_step_begin():
    return None


def reset():
    return None


def set_stance(*args, **kwargs):
    return contextlib.nullcontext()


def wrap_numpy(fn):
    return fn


def compile(*args, **kwargs):
    import torch

    return torch.compile(*args, **kwargs)


def is_supported(*args, **kwargs):
    return True


def nested_compile_region(fn=None):
    return fn if fn is not None else (lambda f: f)
