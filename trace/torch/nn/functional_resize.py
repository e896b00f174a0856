"""pad, interpolate, unfold, fold, pixel_shuffle and grid sampling of nn.functional."""
import math

import torch
from torch.nn._sizes import _pair

aten = torch.ops.aten


def pad(input, pad, mode="constant", value=None):
    """`pad` lists (before, after) pairs from the last dimension on."""
    pad = list(pad)
    if mode == "constant":
        if all(isinstance(p, int) and p == 0 for p in pad):
            return input.clone()
        return aten.constant_pad_nd(input, pad, 0 if value is None else value)
    rank = len(pad) // 2
    if mode == "reflect":
        return getattr(aten, f"reflection_pad{rank}d")(input, pad)
    if mode == "replicate":
        return getattr(aten, f"replication_pad{rank}d")(input, pad)
    if mode == "circular":
        for i in range(rank):
            dim, (before, after) = input.dim() - 1 - i, pad[2 * i:2 * i + 2]
            size = input.shape[dim]
            parts = [input.narrow(dim, size - before, before)] if before else []
            parts.append(input)
            if after:
                parts.append(input.narrow(dim, 0, after))
            input = torch.cat(parts, dim)
        return input
    raise NotImplementedError(f"etch: padding mode {mode!r} is not available")


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None, antialias=False):
    rank = input.dim() - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("exactly one of size and scale_factor must be defined")
    if size is not None:
        size = list(size) if hasattr(size, "__iter__") else [size] * rank
        scales = None
    else:
        scales = [float(s) for s in scale_factor] if hasattr(scale_factor, "__iter__") else [float(scale_factor)] * rank
        if recompute_scale_factor:
            size = [int(math.floor(float(input.shape[i + 2]) * s)) for i, s in enumerate(scales)]
            scales = None
    if antialias:
        raise NotImplementedError("etch: interpolate with antialias cannot be traced")
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
        if mode == "area":
            if size is None:
                size = [int(math.floor(float(input.shape[i + 2]) * s)) for i, s in enumerate(scales)]
            functional = torch.nn.functional
            return (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)[rank - 1](input, size)
        name = "_upsample_nearest_exact" if mode == "nearest-exact" else "upsample_nearest"
        return getattr(aten, f"{name}{rank}d").vec(input, size, scales)
    align = bool(align_corners)
    if rank == 1 and mode == "linear":
        return aten.upsample_linear1d.vec(input, size, align, scales)
    if rank == 2 and mode == "bilinear":
        return aten.upsample_bilinear2d.vec(input, size, align, scales)
    if rank == 2 and mode == "bicubic":
        return aten.upsample_bicubic2d.vec(input, size, align, scales)
    if rank == 3 and mode == "trilinear":
        return aten.upsample_trilinear3d.vec(input, size, align, scales)
    raise NotImplementedError(f"etch: interpolate mode {mode!r} of a {input.dim()}-dimensional tensor is not available")


upsample = interpolate


class _Patches:
    """Geometry of fold and unfold: H, W, kernel, dilation, padding, stride; rows and cols patches."""

    def __init__(self, size, kernel_size, dilation, padding, stride):
        (self.h, self.w), (self.kh, self.kw), (self.dh, self.dw), (self.ph, self.pw), (self.sh, self.sw) = (
            _pair(x) for x in (size, kernel_size, dilation, padding, stride))
        self.rows = (self.h + 2 * self.ph - self.dh * (self.kh - 1) - 1) // self.sh + 1
        self.cols = (self.w + 2 * self.pw - self.dw * (self.kw - 1) - 1) // self.sw + 1
        self.tall, self.wide = self.h + 2 * self.ph, self.w + 2 * self.pw
        # Patches that tile the image: a permutation does it.
        self.tiles = ((self.sh, self.sw) == (self.kh, self.kw) and (self.dh, self.dw, self.ph, self.pw) == (1, 1, 0, 0)
                      and (self.rows * self.kh, self.cols * self.kw) == (self.h, self.w))

    def index(self):
        """Position of each patch element in the padded image: [kh * kw * rows * cols]."""
        y = torch.arange(self.rows).unsqueeze(0) * self.sh + torch.arange(self.kh).unsqueeze(1) * self.dh  # [kh, rows]
        z = torch.arange(self.cols).unsqueeze(0) * self.sw + torch.arange(self.kw).unsqueeze(1) * self.dw  # [kw, cols]
        return (y.view(self.kh, 1, self.rows, 1) * self.wide + z.view(1, self.kw, 1, self.cols)).reshape(-1)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """[N, C, H, W] -> [N, C * kh * kw, L]. Composed: no runtime has im2col."""
    batched = input.dim() == 4
    x = input if batched else input.unsqueeze(0)
    n, channels = x.shape[:2]
    p = _Patches(x.shape[2:], kernel_size, dilation, padding, stride)
    if p.tiles:
        out = x.reshape(n, channels, p.rows, p.kh, p.cols, p.kw).permute(0, 1, 3, 5, 2, 4)
    else:
        x = pad(x, (p.pw, p.pw, p.ph, p.ph)) if p.ph or p.pw else x
        out = x.reshape(n, channels, p.tall * p.wide).index_select(2, p.index())
    out = out.reshape(n, channels * p.kh * p.kw, p.rows * p.cols)
    return out if batched else out.squeeze(0)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """[N, C * kh * kw, L] -> [N, C, H, W]: overlapping patches are summed. Composed: no runtime has col2im."""
    batched = input.dim() == 3
    x = input if batched else input.unsqueeze(0)
    p = _Patches(output_size, kernel_size, dilation, padding, stride)
    n, channels = x.shape[0], x.shape[1] // (p.kh * p.kw)
    if p.tiles:
        out = x.reshape(n, channels, p.kh, p.kw, p.rows, p.cols).permute(0, 1, 4, 2, 5, 3).reshape(n, channels, p.h, p.w)
    else:
        index = p.index().view(1, 1, -1).expand(n, channels, p.kh * p.kw * p.rows * p.cols)
        out = torch.zeros(n, channels, p.tall * p.wide, dtype=x.dtype).scatter_add(2, index, x.reshape(n, channels, -1))
        out = out.view(n, channels, p.tall, p.wide)[:, :, p.ph:p.ph + p.h, p.pw:p.pw + p.w]
    return out if batched else out.squeeze(0)


def pixel_shuffle(input, upscale_factor):
    return aten.pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input, downscale_factor):
    return aten.pixel_unshuffle(input, downscale_factor)


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    return aten.grid_sampler(input, grid, modes.index(mode), paddings.index(padding_mode), bool(align_corners))


def affine_grid(theta, size, align_corners=None):
    return aten.affine_grid_generator(theta, list(size), bool(align_corners))
