"""Type names of the torch namespace: tensor aliases, SymInt family, Generator, Storage."""
from torch import _C
from torch._C import SymInt
from torch._tensor import Tensor

__all__ = [
    "SymInt", "SymFloat", "SymBool", "Generator", "FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor", "ByteTensor", "CharTensor",
    "ShortTensor", "IntTensor", "LongTensor", "BoolTensor", "UntypedStorage", "TypedStorage", "FloatStorage", "Stream", "Event",
    "FunctionSchema", "Tag", "Argument", "ScriptObject", "qscheme", "dtype_of", "OutOfMemoryError", "AcceleratorError",
]


class SymFloat:
    """Only named: symbolic sizes are SymInt, true division of one is decided by its example."""


class SymBool:
    """Only named: a comparison of symbolic sizes is decided at once (and guarded when the range does not decide it)."""


class Generator:
    """Random values are recorded, not drawn: a generator has a seed and no state."""

    def __init__(self, device="cpu"):
        self.device = _C.device(device)
        self._seed = 0

    def manual_seed(self, seed):
        self._seed = seed
        return self

    def initial_seed(self):
        return self._seed

    def seed(self):
        return self._seed


class _LegacyMeta(type):
    def __instancecheck__(cls, x):
        return isinstance(x, Tensor) and x.dtype == cls._dtype

    def __call__(cls, *args, device=None):
        import torch

        if len(args) == 1 and not isinstance(args[0], int):
            return torch.tensor(args[0], dtype=cls._dtype) if not isinstance(args[0], Tensor) else args[0].to(cls._dtype)
        return torch.empty(args, dtype=cls._dtype)


def _legacy(name, dtype):
    return _LegacyMeta(name, (), {"_dtype": dtype, "__module__": "torch"})


FloatTensor = _legacy("FloatTensor", _C.float32)
DoubleTensor = _legacy("DoubleTensor", _C.float64)
HalfTensor = _legacy("HalfTensor", _C.float16)
BFloat16Tensor = _legacy("BFloat16Tensor", _C.bfloat16)
ByteTensor = _legacy("ByteTensor", _C.uint8)
CharTensor = _legacy("CharTensor", _C.int8)
ShortTensor = _legacy("ShortTensor", _C.int16)
IntTensor = _legacy("IntTensor", _C.int32)
LongTensor = _legacy("LongTensor", _C.int64)
BoolTensor = _legacy("BoolTensor", _C.bool)


class UntypedStorage:
    pass


class TypedStorage:
    pass


class FloatStorage(TypedStorage):
    pass


class _Device:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError(f"etch traces on the CPU: torch.{type(self).__name__} is not available")


class Stream(_Device):
    pass


class Event(_Device):
    pass


class FunctionSchema:
    pass


class Argument:
    pass


class ScriptObject:
    pass


class qscheme:
    pass


class Tag:
    pass


class OutOfMemoryError(RuntimeError):
    pass


class AcceleratorError(RuntimeError):
    pass


__all__.remove("dtype_of")
