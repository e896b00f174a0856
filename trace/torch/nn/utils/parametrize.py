"""Parametrizations: an attribute computed from `original*` parameters by registered modules on every access.

State-dict names are those of PyTorch: <module>.parametrizations.<name>.original{0,1,...} (or .original)."""
from torch.nn.modules.container import ModuleDict, ModuleList
from torch.nn.parameter import Parameter


class ParametrizationList(ModuleList):
    def __init__(self, modules, original):
        super().__init__(modules)
        value = original
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                value = module.right_inverse(value)
        self.is_tensor = not isinstance(value, (tuple, list))
        if self.is_tensor:
            self.original = value if isinstance(value, Parameter) else Parameter(value)
        else:
            self.ntensors = len(value)
            for i, v in enumerate(value):
                setattr(self, f"original{i}", Parameter(v))

    def forward(self):
        first, *rest = list(self)
        value = first(self.original) if self.is_tensor else first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            value = module(value)
        return value


def is_parametrized(module, tensor_name=None):
    parametrizations = module.__dict__.get("_modules", {}).get("parametrizations")
    if parametrizations is None:
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    if not is_parametrized(module):
        cls = type(module)
        module.__class__ = type("Parametrized" + cls.__name__, (cls,), {"__module__": cls.__module__, "_unparametrized": cls})
        module.parametrizations = ModuleDict()
    if tensor_name in module.parametrizations:
        raise NotImplementedError("etch: more than one parametrization of one tensor is not available")
    original = getattr(module, tensor_name)
    module._parameters.pop(tensor_name, None)
    module._buffers.pop(tensor_name, None)
    module.parametrizations[tensor_name] = ParametrizationList([parametrization], original)
    setattr(type(module), tensor_name, property(lambda self, name=tensor_name: self.parametrizations[name]()))
    return module


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    value = getattr(module, tensor_name)
    del module.parametrizations[tensor_name]
    delattr(type(module), tensor_name)
    if len(module.parametrizations) == 0:
        del module.parametrizations
        module.__class__ = type(module)._unparametrized
    module.register_parameter(tensor_name, Parameter(value.data))
    return module


