"""etch's torch: the names that model libraries import, over a C core that records every operation and computes nothing.

In: unmodified model code. Out: a graph of ATen operators (torch._C.finish). The package declares the PyTorch version whose behaviour it
follows. What is not here raises AttributeError saying so; what is here and cannot be recorded raises NotImplementedError naming itself.
"""
import math as _math
from importlib import import_module as _import_module

from torch import _C
from torch.version import __version__  # noqa: F401
from torch._C import Size, device, dtype, iinfo, layout, memory_format  # noqa: F401
from torch._C import *  # noqa: F403  (dtypes, layouts, memory formats)

for _name in ("float", "int", "bool", "half", "double", "long", "short", "cfloat"):
    globals()[_name] = getattr(_C, _name)

from torch._tensor import Tensor  # noqa: E402
from torch._dtypes import *  # noqa: E402, F403

for _name, _function in _C.functions.items():
    globals().setdefault(_name, _function)
del _name, _function

from torch._ops import ops  # noqa: E402, F401
from torch._modes import *  # noqa: E402, F403
from torch._factories import *  # noqa: E402, F403
from torch import _composites  # noqa: E402

for _name in _composites.__all__:  # a row of the table is what PyTorch's own export records: it goes first
    if _name not in _C.functions or _name in _composites.VARIADIC:
        globals()[_name] = getattr(_composites, _name)
for _name in _composites.METHODS:
    if not hasattr(Tensor, _name) or _name in _composites.VARIADIC:
        setattr(Tensor, _name, getattr(_composites, _name))
from torch._types import *  # noqa: E402, F403
from torch._vmap import vmap  # noqa: E402, F401

_C.set_package_path(__path__[0])
inf, nan, pi, e, newaxis = _math.inf, _math.nan, _math.pi, _math.e, None

from torch import utils, autograd, backends, compiler, cuda, library, linalg, nn, special, types, version  # noqa: E402, F401
from torch import _dynamo, _jit_internal, accelerator, amp, jit, random, serialization  # noqa: E402, F401
from torch.amp import autocast  # noqa: E402, F401
from torch.serialization import load, save  # noqa: E402, F401

# Imported when first named: `torch.fx` costs nothing to a model that never says it.
_LAZY = frozenset(
    "ao cpu distributed distributions export fft func fx hub masked mps multiprocessing nested onnx optim overrides profiler quantization"
    " signal sparse testing torch_version xpu _decomp _guards _higher_order_ops _inductor _library _logging _prims_common _refs"
    " _subclasses _utils mtia".split()
)


def compile(model=None, **kwargs):
    """Compilation is the exporter's work: the function itself."""
    if model is None:
        return lambda fn: fn
    return model


def __getattr__(name):
    if name in _LAZY:
        try:
            return _import_module("torch." + name)
        except ModuleNotFoundError as error:
            if error.name != "torch." + name:
                raise
    raise AttributeError(f"torch.{name} is not part of etch's torch")
