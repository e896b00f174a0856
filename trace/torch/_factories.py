"""Functions that make tensors from Python data, and aliases that the operator table does not have."""
import torch
from torch import _C

__all__ = ["as_tensor", "asarray", "from_numpy", "frombuffer", "from_file", "from_dlpack", "empty_strided", "logspace", "is_same_size",
           "as_strided_", "clone", "detach", "zeros_like_", "histogram", "split", "narrow", "view_copy"]

# numpy's names for types that torch names otherwise.
_NUMPY = {"float32": "float32", "float64": "float64", "float16": "float16", "int64": "int64", "int32": "int32", "int16": "int16",
          "int8": "int8",
          "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64", "bool": "bool", "complex64": "complex64"}


def from_numpy(array):
    """A DATA leaf with a copy of the array."""
    name = _NUMPY.get(array.dtype.name)
    if name is None:
        raise TypeError(f"can't convert np.ndarray of type {array.dtype} to a tensor")
    return _C.tensor_from_bytes(array.tobytes(), getattr(_C, name), list(array.shape))


def as_tensor(data, dtype=None, device=None):
    if isinstance(data, _C.TensorBase):
        out = data
    elif type(data).__module__ == "numpy":
        if getattr(data, "shape", None) == ():
            out = torch.tensor(data.item(), dtype=None if dtype is not None else getattr(_C, _NUMPY.get(data.dtype.name, "float64")))
        else:
            out = from_numpy(data)
    elif isinstance(data, (list, tuple)) and data and all(type(x).__module__ == "numpy" and getattr(x, "shape", None) for x in data):
        out = torch.stack([from_numpy(x) for x in data])
    else:
        return torch.tensor(data, dtype=dtype, device=device)
    if dtype is None and device is None:
        return out
    return out.to(device=device, dtype=dtype)


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False):
    return as_tensor(obj, dtype, device)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    data = bytes(memoryview(buffer).cast("B"))[offset:]
    n = len(data) // dtype.itemsize if count < 0 else count
    return _C.tensor_from_bytes(data[:n * dtype.itemsize], dtype, [n])


def _missing(name):
    def fn(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.{name} is not available")

    fn.__name__ = name
    return fn


from_file, from_dlpack, histogram = _missing("from_file"), _missing("from_dlpack"), _missing("histogram")


def empty_strided(size, stride, *, dtype=None, device=None, **kwargs):
    return torch.empty(list(size), dtype=dtype, device=device)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None, **kwargs):
    return torch.pow(base, torch.linspace(start, end, steps, dtype=dtype, device=device))


def clone(input, *, memory_format=None):
    return input.clone()


def detach(input):
    return input.detach()


def split(tensor, split_size_or_sections, dim=0):
    return tensor.split(split_size_or_sections, dim)


def narrow(input, dim, start, length):
    return input.narrow(dim, start, length)


def view_copy(input, size):
    return input.reshape(size)


for _name in ("is_same_size", "as_strided_", "zeros_like_"):
    __all__.remove(_name)
del _name
