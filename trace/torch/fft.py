"""torch.fft over real inputs, where the operator table has rows."""
import torch

_aten = torch.ops.aten
_NORM = {None: 0, "backward": 0, "ortho": 1, "forward": 2}


def rfft(input, n=None, dim=-1, norm=None, *, out=None):
    if n is not None and n != input.shape[dim]:
        size = input.shape[dim]
        if n < size:
            input = input.narrow(dim, 0, n)
        else:
            at = dim % input.dim()
            input = torch.nn.functional.pad(input, [0, 0] * (input.dim() - 1 - at) + [0, n - size])
    return _aten._fft_r2c(input, [dim % input.dim()], _NORM[norm], True)


def irfft(input, n=None, dim=-1, norm=None, *, out=None):
    dim %= input.dim()
    size = 2 * (input.shape[dim] - 1) if n is None else n
    return _aten._fft_c2r(input, [dim], {0: 2, 1: 1, 2: 0}[_NORM[norm]], size)


def fftfreq(n, d=1.0, *, dtype=None, device=None):
    return torch.tensor([(i if i < (n + 1) // 2 else i - n) / (n * d) for i in range(n)], dtype=dtype)


def rfftfreq(n, d=1.0, *, dtype=None, device=None):
    return torch.tensor([i / (n * d) for i in range(n // 2 + 1)], dtype=dtype)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.fft.{name} cannot be traced")

    return missing
