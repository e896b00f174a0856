"""The old weight_norm: weight = g * v / ||v||, recomputed by a forward pre-hook; parameters weight_g, weight_v."""
import torch
from torch.nn.parameter import Parameter


def _norm_except_dim(v, dim):
    if dim is None or dim == -1:
        return torch.linalg.vector_norm(v)
    return torch.linalg.vector_norm(v, 2, [d for d in range(v.dim()) if d != dim], True)


def _weight(v, g, dim):
    return v * (g / _norm_except_dim(v, dim))


class WeightNorm:
    def __init__(self, name, dim):
        self.name, self.dim = name, dim

    def compute_weight(self, module):
        return _weight(getattr(module, self.name + "_v"), getattr(module, self.name + "_g"), self.dim)

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module, name="weight", dim=0):
    hook = WeightNorm(name, dim)
    weight = getattr(module, name)
    del module._parameters[name]
    module.register_parameter(name + "_g", Parameter(_norm_except_dim(weight, dim).data))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, WeightNorm) and hook.name == name:
            weight = hook.compute_weight(module)
            delattr(module, name)
            del module._parameters[name + "_g"], module._parameters[name + "_v"]
            setattr(module, name, Parameter(weight.data))
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"weight_norm of '{name}' not found in {module}")


def spectral_norm(*args, **kwargs):
    raise NotImplementedError("etch: spectral_norm cannot be traced")
