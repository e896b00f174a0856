"""A tensor of a file where numpy code expects an array: what the code does to it is recorded as operators on the leaf, and nothing is read.

transformers converts GGUF tensors with numpy (reshape, swapaxes, `weights - 1`, np.stack ...). FileArray answers numpy's protocols for that
(NEP 13 and NEP 18), so that the library's own functions run as they are.
"""
import numpy as np

from etch_trace.report import TraceError


def _plain(x):
    return x.tensor if isinstance(x, FileArray) else [_plain(y) for y in x] if isinstance(x, (list, tuple)) else x


def _split(x, parts, axis=0):
    size = x.shape[axis]
    if not isinstance(parts, int):
        raise TraceError("the conversion of this GGUF file splits a tensor at given places, which etch does not record", kind="unsupported")
    sizes = [size // parts + (i < size % parts) for i in range(parts)]
    starts = [sum(sizes[:i]) for i in range(parts)]
    return [x.narrow(axis, start, length) for start, length in zip(starts, sizes)]


def _functions():
    import torch

    return {
        np.copy: lambda x, **kw: x, np.ascontiguousarray: lambda x, **kw: x, np.asarray: lambda x, **kw: x,
        np.expand_dims: lambda x, axis: x.unsqueeze(axis), np.squeeze: lambda x, axis: x.squeeze(axis),
        np.stack: lambda xs, axis=0: torch.stack(xs, axis), np.concatenate: lambda xs, axis=0: torch.cat(xs, axis),
        np.transpose: lambda x, axes=None: x.permute(axes or list(range(x.dim()))[::-1]), np.swapaxes: lambda x, a, b: x.transpose(a, b),
        np.reshape: lambda x, shape: x.reshape(shape), np.array_split: _split, np.split: _split,
    }


_UFUNCS = {np.add: "add", np.subtract: "sub", np.multiply: "mul", np.divide: "div", np.negative: "neg", np.log: "log", np.exp: "exp"}


class FileArray:
    def __init__(self, tensor):
        self.tensor = tensor

    shape = property(lambda self: tuple(self.tensor.shape))
    ndim = property(lambda self: self.tensor.dim())
    size = property(lambda self: self.tensor.numel())
    T = property(lambda self: FileArray(self.tensor.permute(list(range(self.tensor.dim()))[::-1])))
    dtype = property(lambda self: np.dtype(np.float32))

    def reshape(self, *shape):
        return FileArray(self.tensor.reshape(*shape))

    def swapaxes(self, a, b):
        return FileArray(self.tensor.transpose(a, b))

    def transpose(self, *axes):
        return FileArray(self.tensor.permute(*axes)) if axes else self.T

    def flatten(self):
        return FileArray(self.tensor.flatten())

    ravel = flatten

    def copy(self):
        return self

    def squeeze(self, axis=None):
        return FileArray(self.tensor.squeeze() if axis is None else self.tensor.squeeze(axis))

    def astype(self, dtype, copy=True):
        if np.dtype(dtype) != self.dtype:
            raise TraceError(f"the conversion of this GGUF file casts a tensor to {np.dtype(dtype)}, which etch does not record",
                             kind="unsupported")
        return self

    def __len__(self):
        return self.tensor.shape[0]

    def __getitem__(self, key):
        return FileArray(self.tensor[key])

    def __array__(self, *args, **kwargs):
        raise TraceError("the conversion of this GGUF file reads the values of a tensor, which etch does not do before the model is "
                         "written", kind="unsupported")

    def __array_function__(self, function, types, args, kwargs):
        known = _functions().get(function)
        if known is None:
            raise TraceError(f"the conversion of this GGUF file calls numpy.{function.__name__}, which etch does not record",
                             kind="unsupported")
        out = known(*_plain(args), **kwargs)
        return [FileArray(x) for x in out] if isinstance(out, list) else FileArray(out)

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        import torch

        if method != "__call__" or ufunc not in _UFUNCS or kwargs:
            raise TraceError(f"the conversion of this GGUF file calls numpy.{ufunc.__name__}, which etch does not record",
                             kind="unsupported")
        return FileArray(getattr(torch, _UFUNCS[ufunc])(*_plain(args)))

    __add__ = __radd__ = lambda self, other: np.add(self, other)
    __sub__ = lambda self, other: np.subtract(self, other)
    __rsub__ = lambda self, other: np.subtract(other, self)
    __mul__ = __rmul__ = lambda self, other: np.multiply(self, other)
    __truediv__ = lambda self, other: np.divide(self, other)
    __neg__ = lambda self: np.negative(self)
