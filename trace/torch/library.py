"""torch.library: operators defined in Python. A call runs the Python implementation, so its operators are what is recorded."""
import inspect

_FAKES = {}


class _OpDefinition:
    def __init__(self, name, fn, schema=None):
        self._name, self._fn, self._schema = name, fn, schema
        self._opoverload = self
        self.__name__ = name.split("::")[-1]
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, *args, **kwargs):
        return self._fn(*args, **kwargs)

    @property
    def default(self):
        return self

    def register_fake(self, fn=None, *args, **kwargs):
        return fn if fn is not None else (lambda f: f)

    register_kernel = register_autograd = register_vmap = register_autocast = register_torch_dispatch = \
        lambda self, *args, **kwargs: (args[-1] if args and inspect.isfunction(args[-1]) else (lambda f: f))


def _install(name, definition):
    import torch

    namespace, _, op = name.partition("::")
    space = getattr(torch.ops, namespace)
    setattr(space, op.split(".")[0], definition)


def custom_op(name, fn=None, /, *, mutates_args=(), device_types=None, schema=None, tags=None):
    def make(f):
        definition = _OpDefinition(name, f, schema)
        _install(name, definition)
        return definition

    return make if fn is None else make(fn)


def triton_op(name, fn=None, /, *, mutates_args=(), schema=None):
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


def wrap_triton(kernel):
    raise NotImplementedError("etch: triton kernels cannot be traced")


def _keep(*args, **kwargs):
    """register_fake(op)(fn) and register_fake(op, fn): shapes come from the implementation."""
    if len(args) > 1 and callable(args[-1]):
        return args[-1]
    return lambda fn: fn


register_fake = impl_abstract = register_kernel = register_autograd = register_vmap = register_autocast = register_torch_dispatch = _keep


def define(qualname, schema=None, *, lib=None, tags=()):
    return lambda fn: fn


def impl(qualname, types=None, func=None, *, lib=None):
    def make(f):
        if isinstance(qualname, str):
            _install(qualname, _OpDefinition(qualname, f))
        return f

    return make if func is None else make(func)


def opcheck(*args, **kwargs):
    return {}


class Library:
    def __init__(self, ns, kind, dispatch_key=""):
        self.ns, self.kind = ns, kind

    def define(self, schema, alias_analysis="", *, tags=()):
        return schema.split("(")[0]

    def impl(self, op_name, fn, dispatch_key="", *, with_keyset=False):
        if isinstance(op_name, str):
            name = op_name if "::" in op_name else f"{self.ns}::{op_name}"
            _install(name, _OpDefinition(name, fn))

    def _register_fake(self, *args, **kwargs):
        return None

    def fallback(self, *args, **kwargs):
        return None
