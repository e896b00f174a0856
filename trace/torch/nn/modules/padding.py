"""Padding layers; `padding` lists (before, after) pairs from the last dimension on."""
from torch.nn import functional as F
from torch.nn.modules.module import Module
from torch.nn.modules.utils import _ntuple


class _PadNd(Module):
    mode = "constant"
    rank = 0

    def __init__(self, padding):
        super().__init__()
        self.padding = _ntuple(2 * self.rank)(padding)

    def forward(self, input):
        return F.pad(input, self.padding, mode=self.mode)


class _ConstantPadNd(_PadNd):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding):
        super().__init__(padding, 0.0)


class ConstantPad1d(_ConstantPadNd):
    rank = 1


class ConstantPad2d(_ConstantPadNd):
    rank = 2


class ConstantPad3d(_ConstantPadNd):
    rank = 3


class ZeroPad1d(_ZeroPadNd):
    rank = 1


class ZeroPad2d(_ZeroPadNd):
    rank = 2


class ZeroPad3d(_ZeroPadNd):
    rank = 3


class ReflectionPad1d(_PadNd):
    rank = 1
    mode = "reflect"


class ReflectionPad2d(_PadNd):
    rank = 2
    mode = "reflect"


class ReflectionPad3d(_PadNd):
    rank = 3
    mode = "reflect"


class ReplicationPad1d(_PadNd):
    rank = 1
    mode = "replicate"


class ReplicationPad2d(_PadNd):
    rank = 2
    mode = "replicate"


class ReplicationPad3d(_PadNd):
    rank = 3
    mode = "replicate"


class CircularPad1d(_PadNd):
    rank = 1
    mode = "circular"


class CircularPad2d(_PadNd):
    rank = 2
    mode = "circular"


class CircularPad3d(_PadNd):
    rank = 3
    mode = "circular"
