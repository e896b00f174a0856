"""Pooling layers."""
from torch.nn import functional as F
from torch.nn.modules.module import Module


class _MaxPoolNd(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.dilation, self.return_indices, self.ceil_mode = padding, dilation, return_indices, ceil_mode

    def forward(self, input):
        return getattr(F, self.function)(input, self.kernel_size, self.stride, self.padding, self.dilation,
                                         ceil_mode=self.ceil_mode, return_indices=self.return_indices)


class _AvgPoolNd(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        extra = {} if self.divisor_override is None else {"divisor_override": self.divisor_override}
        return getattr(F, self.function)(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                                         **extra)


class _AdaptiveAvgPoolNd(Module):
    function = None

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def forward(self, input):
        return getattr(F, self.function)(input, self.output_size)


class _AdaptiveMaxPoolNd(Module):
    function = None

    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input):
        return getattr(F, self.function)(input, self.output_size, self.return_indices)


class MaxPool1d(_MaxPoolNd):
    function = "max_pool1d"


class AvgPool1d(_AvgPoolNd):
    function = "avg_pool1d"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    function = "adaptive_avg_pool1d"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    function = "adaptive_max_pool1d"


class MaxPool2d(_MaxPoolNd):
    function = "max_pool2d"


class AvgPool2d(_AvgPoolNd):
    function = "avg_pool2d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    function = "adaptive_avg_pool2d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    function = "adaptive_max_pool2d"


class MaxPool3d(_MaxPoolNd):
    function = "max_pool3d"


class AvgPool3d(_AvgPoolNd):
    function = "avg_pool3d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    function = "adaptive_avg_pool3d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    function = "adaptive_max_pool3d"
