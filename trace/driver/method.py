"""Tracing one method: inputs, the call, outputs, and state that the call changes."""
import contextlib

from etch_trace.report import TraceError


@contextlib.contextmanager
def _inference():
    import torch

    with torch.compiler.exporting(), torch.no_grad():
        yield


def state(module):
    """Makes the buffers that `module` itself registers (a cache wrapper's) the program's state."""
    from torch import _C

    for key, tensor in module.named_buffers(recurse=False):
        _C.mark_buffer(tensor, key)


def _versions(module):
    return {key: (tensor, tensor._version) for key, tensor in module.named_buffers()}


def trace(name, module, call, inputs, output_names=None):
    """inputs: {name: (dtype, shape)}; call(**tensors) gives a tensor, a sequence, a dict or a ModelOutput."""
    from torch import _C

    _C.method(name)
    tensors = {key: _C.input(key, dtype, list(shape)) for key, (dtype, shape) in inputs.items()}
    before = _versions(module)
    with _inference():
        result = call(**tensors)
    own = {id(t) for _, t in module.named_buffers(recurse=False)}
    for key, (tensor, version) in before.items():
        if id(tensor) not in own and tensor._version != version:
            raise TraceError(f"the model changes its buffer {key} while it runs; such state is not kept between calls", kind="unsupported")
    outputs = _flatten(result, output_names)
    if not outputs:
        raise TraceError(f"method {name} returns no tensor", kind="unsupported")
    for key, tensor in outputs:
        _C.output(key, tensor)


def _flatten(result, names):
    """[(name, tensor)] in order; None entries are dropped."""
    import torch

    out = []

    def walk(key, value):
        if isinstance(value, torch.Tensor):
            out.append((key, value))
        elif isinstance(value, dict):
            for k, v in value.items():
                walk(f"{key}.{k}" if key else str(k), v)
        elif isinstance(value, (list, tuple)):
            for i, v in enumerate(value):
                walk(f"{key}.{i}" if key else f"output_{i}", v)

    walk(names[0] if names and not isinstance(result, (dict, list, tuple)) else "", result)
    return [(key or "output", value) for key, value in out]
