"""torch.utils."""
from torch.utils import _device, _pytree, checkpoint, hooks  # noqa: F401


def rename_privateuse1_backend(name):
    return None


def set_module(obj, mod):
    obj.__module__ = mod


def swap_tensors(t1, t2):
    raise NotImplementedError("etch: torch.utils.swap_tensors is not available")


def __getattr__(name):
    if name in ("data", "_python_dispatch", "dlpack", "hooks", "tensorboard", "_sympy", "flop_counter", "_triton"):
        from importlib import import_module

        try:
            return import_module("torch.utils." + name)
        except ModuleNotFoundError:
            pass
    raise AttributeError(f"torch.utils.{name} is not part of etch's torch")
