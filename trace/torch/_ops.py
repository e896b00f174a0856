"""torch.ops: packets and overloads of the op table, and of operators that Python code registers (torch.library).

torch.ops.aten.add.Tensor(x, 1) records a node; a namespace or name without a row raises AttributeError, as in PyTorch.
"""
from torch import _C


class _Namespace:
    def __init__(self, name):
        self.__dict__["name"] = name
        self.__dict__["_registered"] = {}

    def __getattr__(self, op):
        if op.startswith("__") and op.endswith("__") and op not in ("__lshift__", "__rshift__"):
            raise AttributeError(op)
        found = self._registered.get(op) or _C.op(f"{self.name}::{op}")
        if found is None:
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{op}'")
        self.__dict__[op] = found
        return found


class _Ops:
    def __init__(self):
        self.loaded_libraries = set()

    def __getattr__(self, namespace):
        if namespace.startswith("__"):
            raise AttributeError(namespace)
        found = self.__dict__[namespace] = _Namespace(namespace)
        return found

    def load_library(self, path):
        raise NotImplementedError("torch.ops.load_library: compiled operator libraries cannot be traced")

    def import_module(self, module):
        __import__(module)


ops = _Ops()


def register(qualified_name, function):
    """torch.ops.<ns>.<name> calls `function` (an operator that Python defines and decomposes itself)."""
    namespace, name = qualified_name.split("::")
    getattr(ops, namespace)._registered[name.split(".")[0]] = function
    getattr(ops, namespace).__dict__.pop(name, None)


OpOverload = OpOverloadPacket = _C.Op
HigherOrderOperator = type("HigherOrderOperator", (), {})
