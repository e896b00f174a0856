"""Global switches: gradients (there are none), default dtype and device, determinism, seeds, autocast queries."""
import contextlib
import functools

from torch import _C

__all__ = [
    "no_grad", "enable_grad", "inference_mode", "set_grad_enabled", "is_grad_enabled", "is_inference_mode_enabled", "set_default_dtype",
    "get_default_dtype", "set_default_device", "get_default_device", "set_default_tensor_type", "set_num_threads", "get_num_threads",
    "set_printoptions", "use_deterministic_algorithms", "are_deterministic_algorithms_enabled", "set_float32_matmul_precision",
    "get_float32_matmul_precision", "is_autocast_enabled", "get_autocast_dtype", "get_autocast_gpu_dtype", "get_autocast_cpu_dtype",
    "is_autocast_cpu_enabled", "is_autocast_cache_enabled", "set_autocast_enabled", "is_tensor", "is_storage", "is_floating_point",
    "is_complex", "is_nonzero", "numel", "typename", "_check", "_check_with", "_check_index", "_check_value", "_check_is_size",
    "_check_tensor_all", "_check_tensor_all_with", "_check_type", "_check_not_implemented", "_assert", "sym_int", "sym_float", "sym_max",
    "sym_min", "sym_not", "sym_ite", "sym_sum", "get_device_module", "is_vulkan_available", "_assert_async", "_is_functional_tensor",
    "_disable_dynamo", "is_warn_always_enabled", "set_warn_always", "get_rng_state", "set_rng_state", "manual_seed", "seed", "initial_seed",
    "get_deterministic_debug_mode", "set_deterministic_debug_mode",
]


class _NoOp(contextlib.ContextDecorator):
    """no_grad, enable_grad, inference_mode: contexts and decorators, with or without call."""

    def __new__(cls, mode=None, *args):
        if callable(mode):
            return mode
        return super().__new__(cls)

    def __init__(self, mode=None, *args):
        pass

    def __enter__(self):
        return None

    def __exit__(self, *exc):
        return None

    def __call__(self, fn):
        return fn

    def clone(self):
        return self


class no_grad(_NoOp):
    pass


class enable_grad(_NoOp):
    pass


class inference_mode(_NoOp):
    pass


class set_grad_enabled(_NoOp):
    pass


def is_grad_enabled():
    return False


def is_inference_mode_enabled():
    return False


get_default_dtype = _C.get_default_dtype
set_default_dtype = _C.set_default_dtype
get_default_device = _C.get_default_device
set_default_device = _C.set_default_device


def set_default_tensor_type(t):
    raise NotImplementedError("etch: torch.set_default_tensor_type is not available; use torch.set_default_dtype")


def _setting(value=None):
    return lambda *args, **kwargs: value


set_num_threads = set_printoptions = use_deterministic_algorithms = set_float32_matmul_precision = _setting()
set_autocast_enabled = set_warn_always = set_rng_state = set_deterministic_debug_mode = _setting()
are_deterministic_algorithms_enabled = is_autocast_enabled = is_autocast_cpu_enabled = is_autocast_cache_enabled = _setting(False)
is_vulkan_available = is_warn_always_enabled = is_storage = _is_functional_tensor = _setting(False)
get_num_threads = _setting(1)
get_float32_matmul_precision = _setting("highest")
get_deterministic_debug_mode = initial_seed = seed = _setting(0)


def get_rng_state():
    raise NotImplementedError("etch: random states are not available")


def manual_seed(seed):
    """Random values are recorded, not drawn; a seed has no effect."""
    from torch.random import default_generator

    return default_generator


def get_autocast_dtype(device_type=None):
    return _C.bfloat16


get_autocast_cpu_dtype = get_autocast_gpu_dtype = get_autocast_dtype


def get_device_module(device=None):
    import torch

    return torch.cpu


def is_tensor(obj):
    return isinstance(obj, _C.TensorBase)


def is_floating_point(input):
    return input.is_floating_point()


def is_complex(input):
    return input.is_complex()


def is_nonzero(input):
    return bool(input)


def numel(input):
    return input.numel()


def typename(obj):
    return obj.type() if is_tensor(obj) else f"{type(obj).__module__}.{type(obj).__qualname__}"


# Checks: a condition on sizes is decided (or guarded) by bool(); one on data is the exported model's business, as in PyTorch's export.


def _message(message):
    return "Expected cond to be True" if message is None else message() if callable(message) else str(message)


def _check_as(error, cond, message=None):
    if is_tensor(cond) and not cond._is_constant():
        return
    if not cond:
        raise error(_message(message))


_check = functools.partial(_check_as, RuntimeError)
_check_index = functools.partial(_check_as, IndexError)
_check_value = functools.partial(_check_as, ValueError)
_check_type = functools.partial(_check_as, TypeError)
_check_not_implemented = functools.partial(_check_as, NotImplementedError)


def _check_with(error_type, cond, message=None):
    _check_as(error_type, cond, message)


def _check_is_size(i, message=None, *, max=None):
    _check_as(RuntimeError, i >= 0, message)


def _check_tensor_all(cond, message=None):
    if is_tensor(cond) and cond._is_constant():
        _check_as(RuntimeError, cond.all(), message)


def _check_tensor_all_with(error_type, cond, message=None):
    if is_tensor(cond) and cond._is_constant():
        _check_as(error_type, cond.all(), message)


def _assert(condition, message=""):
    if not (is_tensor(condition) and not condition._is_constant()):
        assert condition, message


def _assert_async(*args, **kwargs):
    return None


def sym_int(a):
    return a if isinstance(a, _C.SymInt) else int(a)


def sym_float(a):
    return a if isinstance(a, float) else float(a)


def sym_max(a, b):
    return _C.sym_max(a, b)


def sym_min(a, b):
    return _C.sym_min(a, b)


def sym_not(a):
    return not a


def sym_ite(cond, a, b):
    return a if cond else b


def sym_sum(args):
    return sum(args)


def _disable_dynamo(fn=None, recursive=True):
    return fn if fn is not None else lambda f: f
