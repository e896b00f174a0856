"""torch.overrides: no tensor overrides functions."""
import contextlib


def has_torch_function(*args):
    return False


has_torch_function_unary = has_torch_function_variadic = is_tensor_like_type = has_torch_function


def handle_torch_function(*args, **kwargs):
    raise NotImplementedError("etch: __torch_function__ is not available")


def is_tensor_like(x):
    from torch import Tensor

    return isinstance(x, Tensor)


class TorchFunctionMode(contextlib.AbstractContextManager):
    def __init__(self, *args, **kwargs):
        pass

    def __exit__(self, *exc):
        return None
