"""torch.jit: scripting is the identity, tracing is not available."""


class ScriptModule:
    pass


class ScriptFunction:
    pass


RecursiveScriptModule = ScriptModule


def is_tracing():
    return False


def is_scripting():
    return False


def _identity(fn=None, *args, **kwargs):
    return fn if callable(fn) else (lambda f: f)


script = ignore = unused = export = script_if_tracing = script_method = _identity


def annotate(the_type, value):
    return value


def isinstance(obj, target_type):  # noqa: A001
    import builtins

    return builtins.isinstance(obj, target_type)


def trace(*args, **kwargs):
    raise NotImplementedError("etch: torch.jit.trace is not available")


trace_module = load = save = freeze = trace

Final = __import__("typing").Final
