"""nn.functional: each function records the ATen operator that PyTorch's own export records for it."""
import math

import torch
from torch import Tensor
from torch.nn.functional_attention import multi_head_attention_forward, scaled_dot_product_attention  # noqa: F401
from torch.nn.functional_resize import (  # noqa: F401
    affine_grid,
    fold,
    grid_sample,
    interpolate,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
    upsample,
)
from torch.nn._sizes import _pair, _single, _triple

aten = torch.ops.aten


def _only_inference(name):
    raise NotImplementedError(f"etch traces inference: {name} in training mode is not available")


def linear(input, weight, bias=None):
    return aten.linear(input, weight, bias)


def bilinear(input1, input2, weight, bias=None):
    out = torch.einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    if max_norm is not None:
        raise NotImplementedError("etch: embedding with max_norm cannot be traced")
    if padding_idx is not None and padding_idx < 0:
        padding_idx += weight.size(0)
    return aten.embedding(weight, input, -1 if padding_idx is None else padding_idx)


def one_hot(tensor, num_classes=-1):
    if num_classes < 0:
        num_classes = int(tensor.max().item()) + 1
    classes = torch.arange(num_classes, dtype=tensor.dtype)
    return (tensor.unsqueeze(-1) == classes).to(torch.int64)


# Activations.


def relu(input, inplace=False):
    return input.relu_() if inplace else aten.relu(input)


def relu6(input, inplace=False):
    return hardtanh(input, 0.0, 6.0, inplace)


def _maybe_inplace(input, out, inplace):
    return input.copy_(out) if inplace else out


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    return _maybe_inplace(input, aten.hardtanh(input, min_val, max_val), inplace)


def hardswish(input, inplace=False):
    return _maybe_inplace(input, aten.hardswish(input), inplace)


def hardsigmoid(input, inplace=False):
    return _maybe_inplace(input, aten.hardsigmoid(input), inplace)


def silu(input, inplace=False):
    return _maybe_inplace(input, aten.silu(input), inplace)


def mish(input, inplace=False):
    return _maybe_inplace(input, aten.mish(input), inplace)


def elu(input, alpha=1.0, inplace=False):
    return _maybe_inplace(input, aten.elu(input, alpha), inplace)


def selu(input, inplace=False):
    return _maybe_inplace(input, aten.elu(input, 1.6732632423543772, 1.0507009873554805), inplace)


def celu(input, alpha=1.0, inplace=False):
    return _maybe_inplace(input, aten.elu(input, alpha, 1.0, 1.0 / alpha), inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    return _maybe_inplace(input, aten.leaky_relu(input, negative_slope), inplace)


def prelu(input, weight):
    return aten.prelu(input, weight)


def gelu(input, approximate="none"):
    return aten.gelu(input, approximate=approximate)


def glu(input, dim=-1):
    return aten.glu(input, dim)


def logsigmoid(input):
    return aten.log_sigmoid(input)


def softplus(input, beta=1.0, threshold=20.0):
    return aten.softplus(input, beta, threshold)


def softsign(input):
    return input / (input.abs() + 1)


def tanhshrink(input):
    return input - input.tanh()


def softshrink(input, lambd=0.5):
    return torch.where(input > lambd, input - lambd, torch.where(input < -lambd, input + lambd, torch.zeros_like(input)))


def hardshrink(input, lambd=0.5):
    return torch.where(input.abs() > lambd, input, torch.zeros_like(input))


def threshold(input, threshold, value, inplace=False):
    return _maybe_inplace(input, torch.where(input > threshold, input, torch.full_like(input, value)), inplace)


def tanh(input):
    return input.tanh()


def sigmoid(input):
    return input.sigmoid()


def _softmax_dim(dim, ndim):
    return dim if dim is not None else (0 if ndim in (0, 1, 3) else 1)


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    return aten.softmax.int(input, _softmax_dim(dim, input.dim()), dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    return aten.log_softmax.int(input, _softmax_dim(dim, input.dim()), dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    return aten.softmax.int(-input, _softmax_dim(dim, input.dim()), dtype)


def gumbel_softmax(*args, **kwargs):
    raise NotImplementedError("etch: gumbel_softmax is random and cannot be exported")


def dropout(input, p=0.5, training=True, inplace=False):
    if not training or p == 0.0:
        return input
    _only_inference("dropout")


dropout1d = dropout2d = dropout3d = alpha_dropout = feature_alpha_dropout = dropout


# Normalisations.


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    return aten.layer_norm(input, list(normalized_shape), weight, bias, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    return aten.rms_norm(input, list(normalized_shape), weight, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    return aten.group_norm(input, num_groups, weight, bias, eps)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    return aten.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5):
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    return group_norm(input, input.shape[1], weight, bias, eps)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    raise NotImplementedError("etch: local_response_norm cannot be traced")


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    denom = torch.linalg.vector_norm(input, p, dim, True).clamp_min(eps).expand_as(input)
    return input / denom


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    x1, x2 = torch.broadcast_tensors(x1, x2)
    n1 = torch.linalg.vector_norm(x1, 2, dim, True).clamp_min(eps)
    n2 = torch.linalg.vector_norm(x2, 2, dim, True).clamp_min(eps)
    return ((x1 / n1) * (x2 / n2)).sum(dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    return torch.linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim)


# Convolutions.


def _conv(op, tuple_, input, weight, bias, stride, padding, dilation, groups):
    if isinstance(padding, str):
        if padding == "same":
            pads, even = [], True
            for d, k in zip(tuple_(dilation), weight.shape[2:]):
                total = d * (k - 1)
                even = even and total % 2 == 0
                pads.append((total // 2, total - total // 2))
            if even:
                padding = [left for left, _ in pads]
            else:
                flat = [p for pair in reversed(pads) for p in pair]
                input, padding = pad(input, flat), [0] * len(pads)
        elif padding == "valid":
            padding = [0] * (weight.dim() - 2)
        else:
            raise ValueError(f"padding {padding!r} is neither 'valid' nor 'same'")
    return op(input, weight, bias, list(tuple_(stride)), list(tuple_(padding)), list(tuple_(dilation)), groups)


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(aten.conv1d, _single, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(aten.conv2d, _pair, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(aten.conv3d, _triple, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return aten.conv_transpose1d(input, weight, bias, list(_single(stride)), list(_single(padding)), list(_single(output_padding)),
                                 groups, list(_single(dilation)))


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return aten.conv_transpose2d.input(input, weight, bias, list(_pair(stride)), list(_pair(padding)), list(_pair(output_padding)),
                                       groups, list(_pair(dilation)))


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return aten.conv_transpose3d.input(input, weight, bias, list(_triple(stride)), list(_triple(padding)),
                                       list(_triple(output_padding)), groups, list(_triple(dilation)))


# Pooling.


def _pool_args(tuple_, kernel_size, stride, padding):
    return list(tuple_(kernel_size)), list(tuple_(kernel_size if stride is None else stride)), list(tuple_(padding))


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        raise NotImplementedError("etch: max_pool1d with return_indices cannot be traced")
    k, s, p = _pool_args(_single, kernel_size, stride, padding)
    return aten.max_pool1d(input, k, s, p, list(_single(dilation)), ceil_mode)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    k, s, p = _pool_args(_pair, kernel_size, stride, padding)
    if return_indices:
        return aten.max_pool2d_with_indices(input, k, s, p, list(_pair(dilation)), ceil_mode)
    return aten.max_pool2d(input, k, s, p, list(_pair(dilation)), ceil_mode)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        raise NotImplementedError("etch: max_pool3d with return_indices cannot be traced")
    k, s, p = _pool_args(_triple, kernel_size, stride, padding)
    return aten.max_pool3d(input, k, s, p, list(_triple(dilation)), ceil_mode)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    k, s, p = _pool_args(_single, kernel_size, stride, padding)
    return aten.avg_pool1d(input, k, s, p, ceil_mode, count_include_pad)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    k, s, p = _pool_args(_pair, kernel_size, stride, padding)
    return aten.avg_pool2d(input, k, s, p, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
    k, s, p = _pool_args(_triple, kernel_size, stride, padding)
    return aten.avg_pool3d(input, k, s, p, ceil_mode, count_include_pad, divisor_override)


def _output_size(tuple_, input, output_size):
    n = len(tuple_(0))
    return [input.shape[i - n] if o is None else o for i, o in enumerate(tuple_(output_size))]


def adaptive_avg_pool1d(input, output_size):
    return aten.adaptive_avg_pool1d(input, _output_size(_single, input, output_size))


def adaptive_avg_pool2d(input, output_size):
    return aten.adaptive_avg_pool2d(input, _output_size(_pair, input, output_size))


def adaptive_avg_pool3d(input, output_size):
    return aten.adaptive_avg_pool3d(input, _output_size(_triple, input, output_size))


def adaptive_max_pool1d(input, output_size, return_indices=False):
    out = aten.adaptive_max_pool1d(input, _output_size(_single, input, output_size))
    return out if return_indices else out[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    out = aten.adaptive_max_pool2d(input, _output_size(_pair, input, output_size))
    return out if return_indices else out[0]


def adaptive_max_pool3d(input, output_size, return_indices=False):
    out = aten.adaptive_max_pool3d(input, _output_size(_triple, input, output_size))
    return out if return_indices else out[0]


def grouped_mm(mat_a, mat_b, offs=None, bias=None, out_dtype=None):
    raise NotImplementedError("etch: grouped_mm cannot be traced")


def scaled_mm(*args, **kwargs):
    raise NotImplementedError("etch: scaled_mm cannot be traced")


def assert_int_or_pair(arg, arg_name, message):
    if not (isinstance(arg, int) or len(arg) == 2):
        raise ValueError(message.format(arg_name))


def has_torch_function(*args):
    return False


# Losses: models name them; only labels would reach them.


def _loss(name):
    def loss(*args, **kwargs):
        raise NotImplementedError(f"etch traces inference: {name} is not available")

    loss.__name__ = name
    return loss


cross_entropy = _loss("cross_entropy")
binary_cross_entropy = _loss("binary_cross_entropy")
binary_cross_entropy_with_logits = _loss("binary_cross_entropy_with_logits")
nll_loss = _loss("nll_loss")
mse_loss = _loss("mse_loss")
l1_loss = _loss("l1_loss")
smooth_l1_loss = _loss("smooth_l1_loss")
huber_loss = _loss("huber_loss")
kl_div = _loss("kl_div")
ctc_loss = _loss("ctc_loss")
