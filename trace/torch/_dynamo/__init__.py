"""torch._dynamo: marks that model code leaves for the compiler. Each keeps its argument as it is."""
from torch._dynamo import config, exc  # noqa: F401


def mark_static_address(t, guard=True):
    return None


def _mark(t, *args, **kwargs):
    return None


mark_static = mark_dynamic = maybe_mark_dynamic = mark_unbacked = _mark


def _identity(fn=None, *args, **kwargs):
    return fn if callable(fn) else (lambda f: f)


disable = allow_in_graph = assume_constant_result = forbid_in_graph = disallow_in_graph = nonstrict_trace = _identity


def is_compiling():
    return False


def reset():
    return None


def graph_break(msg=""):
    return None


def optimize(*args, **kwargs):
    return lambda fn: fn


class OptimizedModule:
    pass




def is_dynamo_supported():
    return True
