"""Programs that torch.export.save wrote, as it exports them (training IR) and decomposed (core ATen), in both runtimes against PyTorch
eager.

float32, 1e-4 absolute and relative as in test_families.py; integers are equal.
"""
import contextlib

import pytest
import torch
from safetensors.torch import save_file
from torch.export import Dim

from official import Official

CASES = {}


def case(*calls, dynamic=None):
    """A module class with the inputs of its calls in order; the first call is the example of the export. State goes on from call to
    call."""
    def add(cls):
        CASES[cls.__name__] = (cls, calls, dynamic)
        return cls
    return add


def f(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + 1))


@case((f(5, 4),), (f(9, 4),), (f(2, 4),), dynamic={"x": {0: Dim("S", min=2, max=16)}})
class State(torch.nn.Module):
    """Buffers that are written: whole, through a slice, by index, with a start value, as a counter, and not persistent."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)
        self.register_buffer("mean", torch.ones(4))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("ring", torch.zeros(16, 4), persistent=False)
        self.register_buffer("fixed", torch.arange(4.0), persistent=False)
        self.scale = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def forward(self, x):
        self.count += 1
        self.mean.mul_(0.5).add_(x.mean(0))
        self.ring[: x.shape[0]] = x * self.scale
        self.ring.t()[1:2, 3:].add_(1)
        return self.linear(x + self.fixed) - self.mean, self.ring.clone(), self.count.clone()


@case((f(2, 3, 4),))
class InPlaceViews(torch.nn.Module):
    def forward(self, x):
        y = x.clone()
        y.transpose(0, 1)[1].mul_(2)
        a, b = y.chunk(2, dim=2)
        a.sub_(b)
        y.view(6, 4)[2:5, 1:3].fill_(7)
        z = y.reshape(-1)
        z[::5] = 0
        w = y.permute(2, 0, 1).reshape(4, 6)  # a copy: y does not change
        w.zero_().add_(1)
        u = y.unsqueeze(0).squeeze(0).select(1, 2)
        u += x[:, 0]
        return y, w, z


@case((f(3, 6),), (f(7, 6),), dynamic={"x": {0: Dim("N", max=32)}})
class Storages(torch.nn.Module):
    """Tied, transposed, sliced and expanded parameters, and one without elements."""

    def __init__(self):
        super().__init__()
        base = f(10, 6)
        self.base = torch.nn.Parameter(base)
        self.part = torch.nn.Parameter(base[2:8])
        self.turned = torch.nn.Parameter(f(6, 5).t())
        self.column = torch.nn.Parameter(base[:, 3])
        self.tied = self.base
        self.wide = torch.nn.Parameter(f(1, 6).expand(4, 6))
        self.none = torch.nn.Parameter(torch.zeros(0, 6))

    def forward(self, x):
        y = torch.nn.functional.linear(x, self.turned) @ self.turned
        y = torch.cat([y @ self.part.t(), self.none], 0) + self.wide.sum(0)
        return y @ self.tied.t() + self.column, x @ self.base.t()


@case((f(4, 2), None, True, 3, f(4, 2)), (f(6, 2), None, True, 3, f(6, 2)), dynamic={"x": {0: Dim("n", max=8)}, "y": {0: Dim("n", max=8)}})
class Arguments(torch.nn.Module):
    """None, bool and int inputs are fixed; a dict, a nested tuple, numbers and None come out."""

    def forward(self, x, absent=None, add=True, times=2, y=None):
        z = x * times + y if add else x
        return {"z": z, "pair": (z.sum(), x), "rows": x.shape[0] * 2 + 1, "nothing": None, "k": times}


@case((f(3, 8),), (f(7, 8),), (f(16, 8),), dynamic={"x": {0: Dim("n", max=16)}})
class Sizes(torch.nn.Module):
    """Sizes that are computed: sums, products, quotients, remainders, minima and maxima."""

    def forward(self, x):
        n = x.shape[0]
        a = torch.nn.functional.pad(x, (0, 0, 0, n % 4)).sum(0)
        b = torch.arange(n // 2 + 1, dtype=torch.float32).sum() + torch.ones(2 * n + 1, max(n, 5)).sum() + torch.ones(min(n, 5)).sum()
        return a, b, torch.cat([x, x])[1: n + 2], x.new_full((n, n), 3.0).tril()


@case((f(1, 3, 8, 8),))
class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU6(),
                                          torch.nn.MaxPool2d(2), torch.nn.Conv2d(8, 8, 3, groups=8), torch.nn.GELU(),
                                          torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5), torch.nn.Softmax(-1))

    def forward(self, x):
        return self.layers(x.to(memory_format=torch.channels_last))


@case((f(1, 4, 16),), (f(1, 9, 16),), dynamic={"x": {1: Dim("T", max=12)}})
class Transformer(torch.nn.Module):
    """A layer of PyTorch's own: composite operators that etch's torch never records."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)

    def forward(self, x):
        return self.layer(x)


@case((f(2, 3, 4), f(2, 5, 4), f(6, 7)), (f(2, 3, 4), f(2, 5, 4), f(6, 7)))
class Compositions(torch.nn.Module):
    """Operators without a row of their own: einsum in several forms, unfold and fold with and without overlap."""

    def forward(self, x, y, image):
        e, fold = torch.einsum, torch.nn.functional.fold
        image = image[None, None]
        loose = torch.nn.functional.unfold(image, (3, 2), dilation=(1, 2), padding=1, stride=(2, 1))
        tiled = torch.nn.functional.unfold(image, (2, 7), stride=(2, 7))
        return (e("bij,bkj->bik", x, y), e("bij,bkj->kib", x, y), e("bij->ji", x), e("bij,bkj", x, y), e("...j,...j->...", x, x),
                e("i,j->ij", x[0, 0], y[0, 0]), e("bij,bkj,bkl->bil", x, y, y), loose,
                fold(loose, (6, 7), (3, 2), dilation=(1, 2), padding=1, stride=(2, 1)), fold(tiled, (6, 7), (2, 7), stride=(2, 7)))


@case((f(2, 5), torch.tensor([1, 0])))
class Operators(torch.nn.Module):
    """Other names of operators, regions without gradient, wrapped numbers, infinities, several results, dtypes."""

    def forward(self, x, i):
        with torch.no_grad():
            y = torch.nn.functional.relu(x) + 1
        mask = (x > 0) & ~(x > 1) | (x < -1)
        z = torch.where(mask, x, float("-inf")).masked_fill(~mask, 0)
        top = x.topk(2)
        half = x.to(torch.float16).float()
        return (y[i], z, top.values, top.indices, *torch.unbind(x, 0), half, torch.true_divide(x, 2), torch.clip(x, -1, 1), x.std(1), mask)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            cls, calls, dynamic = CASES[name]
            torch.manual_seed(0)
            folder = tmp_path_factory.mktemp(name)
            with torch.no_grad() if name != "Operators" else contextlib.nullcontext():
                ep = torch.export.export(cls().eval(), calls[0],
                                         dynamic_shapes=dynamic and [dynamic.get(k) for k in _names(cls)][: len(calls[0])])
                torch.export.save(ep, folder / "training.pt2")
                torch.export.save(ep.run_decompositions(), folder / "core.pt2")
            made[name] = folder
        return made[name]
    return make


def _names(cls):
    import inspect
    return list(inspect.signature(cls.forward).parameters)[1:]


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, bool | int | float):
        return [torch.tensor(value)]
    items = value.values() if isinstance(value, dict) else value or ()
    return [t for item in items for t in tensors(item)]


@pytest.mark.parametrize("recipe", ["portable", "xnnpack"])
@pytest.mark.parametrize("ir", ["training", "core"])
@pytest.mark.parametrize("name", list(CASES))
def test_both_runtimes_compute_what_eager_does(name, ir, recipe, exported, etch, tmp_path):
    cls, calls, _ = CASES[name]
    etch("export", "--pt2", exported(name) / f"{ir}.pt2", "--recipe", recipe, "-o", tmp_path)
    torch.manual_seed(0)
    module, program, io = cls().eval(), Official(tmp_path / "model.pte"), {}
    for i, call in enumerate(calls):
        with torch.no_grad():
            want = tensors(module(*call))
        ins = [t for t in call if isinstance(t, torch.Tensor)]
        got = program("forward", ins)
        assert len(got) == len(want)
        for k, (g, w) in enumerate(zip(got, want)):
            torch.testing.assert_close(g, w.to(g.dtype) if w.dim() == 0 else w, atol=1e-4, rtol=1e-4)
            io[f"s{i}.forward.out{k}"] = g.contiguous()
        io |= {f"s{i}.forward.in{k}": t.contiguous() for k, t in enumerate(ins)}
    save_file(io, tmp_path / "io.safetensors")
    etch("verify", tmp_path / "model.pte", tmp_path / "io.safetensors", "--atol", "1e-4", "--rtol", "1e-4")
