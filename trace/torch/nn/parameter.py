"""Parameter and Buffer: tensors that a Module registers by being assigned."""
import torch


class _ParameterMeta(type(torch.Tensor)):
    def __instancecheck__(cls, instance):
        if cls is Parameter and isinstance(instance, torch.Tensor) and getattr(instance, "_is_param", False):
            return True
        return super().__instancecheck__(instance)


class Parameter(torch.Tensor, metaclass=_ParameterMeta):
    """Shares the value (and later in-place writes) of `data`."""

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = torch.empty(0)
        return torch.Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()


class _BufferMeta(type(torch.Tensor)):
    def __instancecheck__(cls, instance):
        if cls is Buffer and isinstance(instance, torch.Tensor) and getattr(instance, "_is_buffer", False):
            return True
        return super().__instancecheck__(instance)


class Buffer(torch.Tensor, metaclass=_BufferMeta):
    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = torch.empty(0)
        t = torch.Tensor._make_subclass(cls, data, False)
        t.persistent = persistent
        t._is_buffer = True
        return t


class UninitializedTensorMixin:
    pass


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    def __new__(cls, requires_grad=True, device=None, dtype=None):
        raise NotImplementedError("etch: lazily shaped parameters (UninitializedParameter) cannot be traced")


class UninitializedBuffer(UninitializedTensorMixin, torch.Tensor):
    def __new__(cls, *args, **kwargs):
        raise NotImplementedError("etch: lazily shaped buffers (UninitializedBuffer) cannot be traced")


def is_lazy(param):
    return isinstance(param, UninitializedTensorMixin)
