"""torch.fx: names that model code tests against; graphs are recorded by the core, not by proxies."""
from torch.fx import _pytree  # noqa: F401


class Proxy:
    pass


class Node:
    pass


class Graph:
    pass


class Tracer:
    pass


class GraphModule:
    pass


class Interpreter:
    pass


class Transformer:
    pass


def wrap(fn):
    return fn


def symbolic_trace(*args, **kwargs):
    raise NotImplementedError("etch: torch.fx.symbolic_trace is not available")
