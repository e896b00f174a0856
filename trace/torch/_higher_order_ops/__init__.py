"""Control flow as operators: not available, named so that model code can ask."""


def _missing(*args, **kwargs):
    raise NotImplementedError("etch: control-flow operators (cond, while_loop, scan) cannot be traced")


cond = while_loop = scan = map = flex_attention = wrap = _missing  # noqa: A001
