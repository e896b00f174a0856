"""weight_norm as a parametrization (original0 = magnitude g, original1 = direction v)."""
from torch.nn.modules.module import Module
from torch.nn.utils.parametrize import register_parametrization
from torch.nn.utils.weight_norm import _norm_except_dim, _weight


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return _weight(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        return _norm_except_dim(weight, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    return module


def spectral_norm(*args, **kwargs):
    raise NotImplementedError("etch: spectral_norm cannot be traced")


def orthogonal(*args, **kwargs):
    raise NotImplementedError("etch: orthogonal parametrization cannot be traced")
