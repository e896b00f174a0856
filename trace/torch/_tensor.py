"""torch.Tensor over torch._C.TensorBase: conversions and sugar that are not rows of the op table.

In: Python arguments in the forms PyTorch takes. Out: rows of the table through torch._C. Nothing here computes.
"""
import os

from torch import _C


def _is_dtype(x):
    return isinstance(x, _C.dtype) or x is float or x is int or x is bool


class UntypedStorage:
    """Identity and size of the memory under a tensor; the bytes themselves are never here."""

    def __init__(self, base):
        self._base = base

    def data_ptr(self):
        return self._base._storage_id()

    def nbytes(self):
        return self._base._storage_nbytes()

    size = __len__ = nbytes

    @property
    def device(self):
        return self._base.device

    @property
    def _cdata(self):
        return self._base._storage_id()

    def untyped(self):
        return self

    def __eq__(self, other):
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self):
        return self.data_ptr()


class Tensor(_C.TensorBase):
    __torch_function__ = None
    __array_priority__ = 1000

    def __new__(cls, *args, **kwargs):
        """Tensor(), Tensor(tensor), Tensor(list), Tensor(2, 3)."""
        kwargs.pop("device", None)
        if not args or isinstance(args[0], _C.TensorBase):
            return super().__new__(cls, *args)
        if len(args) == 1 and not isinstance(args[0], (int, _C.SymInt)):
            if isinstance(args[0], _C.Size):
                data = _C.functions["zeros"](args[0])
            else:
                data = _C.tensor(args[0], dtype=_C.get_default_dtype())
        else:
            data = _C.functions["zeros"](list(args))
        return data if cls is Tensor else _C.make_subclass(cls, data)

    def __init__(self, *args, **kwargs):
        pass

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__()

    @staticmethod
    def _make_subclass(cls, data, require_grad=False, **kwargs):
        return _C.make_subclass(cls, data, require_grad)

    @staticmethod
    def _make_wrapper_subclass(cls, size, **kwargs):
        raise NotImplementedError("wrapper subclasses of Tensor")

    def as_subclass(self, cls):
        return _C.make_subclass(cls, self, self.requires_grad)

    # ---- conversions ----

    def to(self, *args, **kwargs):
        dtype, device, copy = kwargs.get("dtype"), kwargs.get("device"), kwargs.get("copy", False)
        for x in args:
            if isinstance(x, _C.TensorBase):
                dtype, device = x.dtype, x.device
            elif isinstance(x, bool):
                continue
            elif _is_dtype(x):
                dtype = x
            elif isinstance(x, (str, int, _C.device)):
                device = x
        if "other" in kwargs:
            dtype, device = kwargs["other"].dtype, kwargs["other"].device
        out = self
        if dtype is not None and dtype is not self.dtype:
            out = _C.functions["_to_copy"](self, dtype=dtype)
        elif copy:
            out = self.clone()
        if device is not None:
            device = _C.device(device)
            if (device.type == "meta") != out.is_meta:
                out = _C.set_device(out.clone() if out is self else out, device)
        return out

    def _as(self, dtype):
        return self if self.dtype is dtype else _C.functions["_to_copy"](self, dtype=dtype)

    def float(self, **kwargs):
        return self._as(_C.float32)

    def double(self, **kwargs):
        return self._as(_C.float64)

    def half(self, **kwargs):
        return self._as(_C.float16)

    def bfloat16(self, **kwargs):
        return self._as(_C.bfloat16)

    def long(self, **kwargs):
        return self._as(_C.int64)

    def int(self, **kwargs):
        return self._as(_C.int32)

    def short(self, **kwargs):
        return self._as(_C.int16)

    def char(self, **kwargs):
        return self._as(_C.int8)

    def byte(self, **kwargs):
        return self._as(_C.uint8)

    def bool(self, **kwargs):
        return self._as(_C.bool)

    def cfloat(self, **kwargs):
        return self._as(_C.complex64)

    def type(self, dtype=None, non_blocking=False, **kwargs):
        if dtype is None:
            name = self.dtype._name
            return "torch." + {"float32": "Float", "int64": "Long", "bool": "Bool"}.get(name, name.capitalize()) + "Tensor"
        if isinstance(dtype, str):
            names = {"float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "bool": "bool",
                     "bfloat16": "bfloat16"}
            dtype = getattr(_C, names[dtype.removeprefix("torch.").removesuffix("Tensor").lower()])
        return self._as(dtype)

    def type_as(self, other):
        return self._as(other.dtype)

    def cpu(self, *args, **kwargs):
        return self.to("cpu") if self.is_meta else self

    def cuda(self, *args, **kwargs):
        return self.cpu()

    def numpy(self, *args, **kwargs):
        import numpy

        name = {"bfloat16": "float32"}.get(self.dtype._name, self.dtype._name)
        source = self.float() if self.dtype is _C.bfloat16 else self
        return numpy.frombuffer(source._tobytes(), dtype=name).reshape(tuple(self.shape)).copy()

    def __array__(self, dtype=None, copy=None):
        out = self.numpy()
        return out if dtype is None else out.astype(dtype)

    def new_tensor(self, data, dtype=None, device=None, requires_grad=False):
        return _C.tensor(data, dtype=dtype or self.dtype)

    def new(self, *args):
        return _C.functions["zeros"](list(args[0]) if len(args) == 1 and not isinstance(args[0], int) else list(args), dtype=self.dtype)

    # ---- shape sugar ----

    def view(self, *args, dtype=None, size=None):
        if dtype is not None or (len(args) == 1 and _is_dtype(args[0])):
            wanted = dtype if dtype is not None else args[0]
            return self if wanted is self.dtype else _view_dtype(self, wanted)
        if size is not None:
            args = (size,)
        return _view(self, *args)

    def reshape_as(self, other):
        return self.reshape(other.shape)

    def expand_as(self, other):
        return self.expand(other.shape)

    def unflatten(self, dim, sizes):
        shape, dim = list(self.shape), dim % self.dim()
        return self.reshape(shape[:dim] + list(sizes) + shape[dim + 1:])

    def narrow(self, dim, start, length):
        return _slice(self, dim, start, start + length)

    def split(self, split_size, dim=0):
        if isinstance(split_size, (int, _C.SymInt)):
            return _split(self, split_size, dim)
        return _split_sizes(self, list(split_size), dim)

    def index(self, indices):
        return self[tuple(slice(None) if i is None else i for i in indices)]

    def t(self):
        return self if self.dim() < 2 else self.transpose(0, 1)

    def view_as(self, other):
        return self.view(other.shape)

    # ---- in place, beyond what is derived from the table ----

    def set_(self, source=None, *args):
        self.data = source
        return self

    def normal_(self, mean=0.0, std=1.0, *, generator=None):
        value = _C.functions["randn"](list(self.shape), dtype=self.dtype)
        return self.copy_(value * std + mean)

    def uniform_(self, a=0.0, b=1.0, *, generator=None, **kwargs):
        a, b = kwargs.get("from", a), kwargs.get("to", b)
        return self.copy_(_C.functions["rand"](list(self.shape), dtype=self.dtype) * (b - a) + a)

    def _random_content(self, *args, **kwargs):
        return self.copy_(_C.functions["rand"](list(self.shape), dtype=self.dtype))

    exponential_ = log_normal_ = cauchy_ = geometric_ = random_ = bernoulli_ = _random_content

    def squeeze_(self, *args):
        self.data = self.squeeze(*args)
        return self

    def unsqueeze_(self, dim):
        self.data = self.unsqueeze(dim)
        return self

    def transpose_(self, a, b):
        self.data = self.transpose(a, b)
        return self

    def t_(self):
        return self.transpose_(0, 1)

    def resize_(self, *size, **kwargs):
        self.data = _C.functions["zeros"](*size, dtype=self.dtype)
        return self

    def __setstate__(self, state):
        raise TypeError("a traced tensor cannot be pickled")

    # ---- Python protocol ----

    def __rtruediv__(self, other):
        return self.reciprocal() * other

    def __contains__(self, x):
        return bool((self == x).any())

    def __reversed__(self):
        return self if self.dim() == 0 else self.flip(0)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        out = self.clone()
        if type(self) is not Tensor:
            out = _C.make_subclass(type(self), out, self.requires_grad)
            out.__dict__.update(self.__dict__)
        out.requires_grad = self.requires_grad
        memo[id(self)] = out
        return out

    def __copy__(self):
        return _C.make_subclass(type(self), self, self.requires_grad)

    def __repr__(self, *, tensor_contents=None):
        shape = ", ".join(str(d) for d in self.shape)
        return f"{type(self).__name__}({self.dtype._name}[{shape}], {self._source()})"

    def __format__(self, spec):
        return self.item().__format__(spec) if self.dim() == 0 and self._is_constant() else object.__format__(self, spec)

    def __dir__(self):
        return list(type(self).__dict__) + dir(_C.TensorBase) + list(self.__dict__)

    # ---- storage identity ----

    def untyped_storage(self):
        return UntypedStorage(self)

    storage = _typed_storage = untyped_storage

    def is_shared(self):
        return False

    def share_memory_(self):
        return self

    def pin_memory(self, *args):
        return self

    def is_pinned(self, *args):
        return False

    def is_set_to(self, other):
        return self.data_ptr() == other.data_ptr() and self.shape == other.shape

    def is_same_size(self, other):
        return self.shape == other.shape

    def dim_order(self):
        return tuple(range(self.dim()))

    def get_device(self):
        return -1

    def is_signed(self):
        return self.dtype.is_signed

    def is_inference(self):
        return False

    def has_names(self):
        return False

    @property
    def names(self):
        return (None,) * self.dim()

    @property
    def real(self):
        return _C.functions["real"](self) if self.is_complex() else self

    @property
    def imag(self):
        return _C.functions["imag"](self)

    # ---- autograd that inference never uses ----

    def backward(self, *args, **kwargs):
        raise NotImplementedError("gradients are not traced")

    def register_hook(self, hook):
        return _Handle()

    register_post_accumulate_grad_hook = register_hook

    def retain_grad(self):
        pass

    def record_stream(self, stream):
        pass


class _Handle:
    def remove(self):
        pass


def _row(name):
    """The packet or overload of that name; calling a missing one says so."""
    op = _C.op("aten::" + name)
    if op is not None:
        return op

    def missing(*args, **kwargs):
        raise NotImplementedError(f"op aten::{name} has no row in op/ops.def (at {_C.where()})")

    return missing


def _moments(name):
    """std and var in all their forms are the .correction overload."""
    row = _row(name + ".correction")

    def call(self, dim=None, unbiased=None, keepdim=False, *, correction=None, axis=None):
        dim = axis if dim is None else dim
        if dim is True or dim is False:
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        return row(self, dim, correction=correction, keepdim=keepdim)

    call.__name__ = call.__qualname__ = name
    return call


def _equal(self, other):
    return self.shape == other.shape and self.dtype is other.dtype and bool((self == other).all())


def _movedim(self, source, destination):
    source = [source] if isinstance(source, int) else list(source)
    destination = [destination] if isinstance(destination, int) else list(destination)
    rank = self.dim()
    for d in source + destination:
        if not -rank <= d < rank:
            raise IndexError(f"Dimension out of range (rank {rank}, got {d})")
    to = {d % rank: s % rank for s, d in zip(source, destination)}
    rest = iter([i for i in range(rank) if i not in to.values()])
    return self.permute([to[i] if i in to else next(rest) for i in range(rank)])


_SUGAR = [(n, _moments(n)) for n in ("std", "var", "std_mean", "var_mean")]
for _name, _function in _SUGAR + [("equal", _equal), ("movedim", _movedim), ("moveaxis", _movedim)]:
    _C.functions[_name] = _function
    if not _name.endswith("_mean"):
        setattr(Tensor, _name, _function)

_view, _view_dtype, _slice, _split, _split_sizes = map(_row, ("view", "view.dtype", "slice.Tensor", "split.Tensor", "split_with_sizes"))
_C.set_tensor_class(Tensor)
_C.set_package_path(os.path.dirname(__file__))
