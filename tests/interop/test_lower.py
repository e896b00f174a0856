"""`etch lower` against PyTorch eager, in the official runtime, both recipes."""
import os

import pytest
import torch
from torch import nn
from torch.export import Dim

import graph_text
from official import Official

RECIPES = ["portable", "xnnpack"]


def check(etch, tmp_path, module, calls, recipe, dynamic_shapes=None, atol=1e-5, report=None):
    """calls: argument tuples, run in order (state persists); the first is the example."""
    module.eval()
    fresh = {k: v.clone() for k, v in module.named_buffers()}
    graph_text.write(module, calls[0], tmp_path, dynamic_shapes)
    out = tmp_path / f"{recipe}.pte"
    again = tmp_path / "again.pte"
    etch("lower", tmp_path / "graph.txt", "--weights", tmp_path, "--recipe", recipe, "-o", out)
    etch("lower", tmp_path / "graph.txt", "--weights", tmp_path, "--recipe", recipe, "-o", again)
    assert out.read_bytes() == again.read_bytes()
    for k, v in module.named_buffers():
        v.copy_(fresh[k])
    program = Official(out)
    for args in calls:
        with torch.no_grad():
            want = module(*args)
        want = want if isinstance(want, (list, tuple)) else [want]
        got = program("forward", [a.contiguous() for a in args])
        assert len(got) == len(want)
        for g, w in zip(got, want):
            assert g.shape == w.shape and g.dtype == w.dtype
            torch.testing.assert_close(g, w, atol=atol, rtol=1e-4)
    return out


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rotate(x):
    a, b = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2:]
    return torch.cat((-b, a), dim=-1)


class Decoder(nn.Module):
    """One layer of a decoder with rotary positions, grouped keys and a static cache; tied head."""

    def __init__(self, d=32, heads=4, kv=2, vocab=50, cache=16):
        super().__init__()
        self.d, self.h, self.kv, self.hd, self.cache = d, heads, kv, d // heads, cache
        self.emb = nn.Embedding(vocab, d)
        self.q, self.k, self.v = nn.Linear(d, d), nn.Linear(d, kv * self.hd), nn.Linear(d, kv * self.hd)
        self.o = nn.Linear(d, d, bias=False)
        self.up, self.gate, self.down = nn.Linear(d, 64, bias=False), nn.Linear(d, 64, bias=False), nn.Linear(64, d, bias=False)
        self.n1, self.n2 = Norm(d), Norm(d)
        self.register_buffer("inv", 1.0 / 10000 ** (torch.arange(0, self.hd, 2).float() / self.hd))
        self.register_buffer("kc", torch.zeros(1, kv, cache, self.hd))
        self.register_buffer("vc", torch.zeros(1, kv, cache, self.hd))

    def forward(self, ids, pos):
        b, s = ids.shape
        x = self.emb(ids)
        y = self.n1(x)
        q = self.q(y).view(b, s, self.h, self.hd).transpose(1, 2)
        k = self.k(y).view(b, s, self.kv, self.hd).transpose(1, 2)
        v = self.v(y).view(b, s, self.kv, self.hd).transpose(1, 2)
        f = (self.inv[None, :, None] @ pos[None, None, :].float()).transpose(1, 2)
        e = torch.cat((f, f), -1)
        cos, sin = e.cos()[None], e.sin()[None]
        q, k = q * cos + rotate(q) * sin, k * cos + rotate(k) * sin
        self.kc[:, :, pos] = k
        self.vc[:, :, pos] = v
        kk = self.kc[:, :, None].expand(1, self.kv, self.h // self.kv, self.cache, self.hd).reshape(1, self.h, self.cache, self.hd)
        vv = self.vc[:, :, None].expand(1, self.kv, self.h // self.kv, self.cache, self.hd).reshape(1, self.h, self.cache, self.hd)
        mask = torch.arange(self.cache)[None, :] <= pos[:, None]
        w = q @ kk.transpose(2, 3) * self.hd ** -0.5
        w = torch.where(mask, w, torch.full_like(w, -1e9)).softmax(-1)
        x = x + self.o((w @ vv).transpose(1, 2).reshape(b, s, self.d))
        y = self.n2(x)
        x = x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))
        return x @ self.emb.weight.T


@pytest.mark.parametrize("recipe", RECIPES)
def test_decoder(etch, tmp_path, recipe):
    torch.manual_seed(0)
    m = Decoder()
    calls = [(torch.randint(0, 50, (1, 6)), torch.arange(6)), (torch.randint(0, 50, (1, 1)), torch.tensor([6])),
             (torch.randint(0, 50, (1, 3)), torch.arange(7, 10))]
    s = Dim("s", min=1, max=15)
    check(etch, tmp_path, m, calls, recipe, {"ids": {1: s}, "pos": {0: s}}, atol=1e-4)


class Encoder(nn.Module):
    """Bidirectional attention over a dynamic length, layer norm, gelu."""

    def __init__(self, d=32, heads=4, act="none"):
        super().__init__()
        self.h, self.act = heads, act
        self.qkv, self.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.a, self.b = nn.Linear(d, 64), nn.Linear(64, d)
        self.n1, self.n2 = nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x):
        b, s, d = x.shape
        q, k, v = self.qkv(self.n1(x)).view(b, s, 3 * self.h, d // self.h).transpose(1, 2).split(self.h, dim=1)
        x = x + self.o(((q @ k.transpose(-1, -2) * 0.35).softmax(-1) @ v).transpose(1, 2).reshape(b, s, d))
        return x + self.b(nn.functional.gelu(self.a(self.n2(x)), approximate=self.act))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("act", ["none", "tanh"])
def test_encoder(etch, tmp_path, recipe, act):
    torch.manual_seed(0)
    calls = [(torch.randn(1, n, 32),) for n in (7, 1, 20)]
    check(etch, tmp_path, Encoder(act=act), calls, recipe, {"x": {1: Dim("s", min=1, max=20)}}, atol=1e-4)


class Ops(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, *a):
        return self.fn(*a)


ELEMENTWISE = {
    "scalars": lambda x, y: (x + 2, x - 3.5, 2 - x, x * 0.5, x / 3, x ** 2, x ** 3),
    "pairs": lambda x, y: (x + y, x - y, x * y, x / (y.abs() + 1), torch.maximum(x, y), torch.minimum(x, y)),
    "activations": lambda x, y: (x.relu(), x.clamp(-0.5, 0.7), x.sigmoid(), x.tanh(), nn.functional.gelu(x), nn.functional.silu(x),
                                 nn.functional.leaky_relu(x, 0.2)),
    "math": lambda x, y: (x.abs().sqrt(), (x.abs() + 1).rsqrt(), x.exp(), (x.abs() + 1).log(), x.sin(), x.cos(), x.floor(), x.ceil(), -x),
    "shapes": lambda x, y: (x.transpose(0, 1) + 1, x.reshape(2, -1, 40) * 2, torch.cat([x, y, x], 1) + 0, x[:, 3:17] * 1.5,
                            x.unsqueeze(1) + y, x[:, 5] * 2),
    "reductions": lambda x, y: (x.mean(-1), x.mean(-1, keepdim=True) + y, x.softmax(-1), x.sum(-1), x.amax(1), x.argmax(-1)),
    "cat7": lambda x, y: torch.cat([x, y, x * 2, y, x, y, x], dim=0) * 2,
    "interleave": lambda x, y: (torch.stack((-x[:, 1::2], x[:, ::2]), dim=-1).flatten(-2) * y, torch.stack([x, y, x * 2], 1) + 1),
    "relu_folds": lambda x, y: ((x + y).relu(), (x * y).clamp(0, 1)),
    "passthrough": lambda x, y: (x, x + y, x),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_ops(etch, tmp_path, recipe, name):
    torch.manual_seed(0)
    check(etch, tmp_path, Ops(ELEMENTWISE[name]), [(torch.randn(40, 40), torch.randn(40, 40))], recipe)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["scalars", "pairs", "activations", "math", "reductions", "interleave", "relu_folds"])
def test_ops_dynamic(etch, tmp_path, recipe, name):
    torch.manual_seed(0)
    s = Dim("s", min=1, max=64)
    check(etch, tmp_path, Ops(ELEMENTWISE[name]), [(torch.randn(n, 40), torch.randn(n, 40)) for n in (30, 1, 64)], recipe,
          ((({0: s}, {0: s})),))


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.tensor([3.0, 4.0]))
        self.register_buffer("z", torch.zeros(2))

    def forward(self, x):
        old = self.n.view(2, 1)
        self.n.add_(x)
        self.z.copy_(self.n * 2)
        return old + 0, self.n + self.z


@pytest.mark.parametrize("recipe", RECIPES)
def test_state(etch, tmp_path, recipe):
    check(etch, tmp_path, Counter(), [(torch.tensor([1.0, 2.0]),), (torch.tensor([10.0, 20.0]),)], recipe)


def test_tied_weight_once(etch, tmp_path):
    torch.manual_seed(0)
    m = Decoder(vocab=4096)
    calls = [(torch.randint(0, 4096, (1, 6)), torch.arange(6))]
    s = Dim("s", min=1, max=15)
    out = check(etch, tmp_path, m, calls, "xnnpack", {"ids": {1: s}, "pos": {0: s}}, atol=1e-3)
    assert os.path.getsize(out) < 4096 * 32 * 4 * 1.3


class Vision(nn.Module):
    """Convolutions of every kind with batch norm, pooling, squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False)
        self.an = nn.BatchNorm2d(16)
        self.dw = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.dwn = nn.BatchNorm2d(16)
        self.grouped = nn.Conv2d(16, 24, 3, padding=2, dilation=2, groups=4)
        self.se1, self.se2 = nn.Conv2d(24, 6, 1), nn.Conv2d(6, 24, 1)
        self.up = nn.ConvTranspose2d(24, 8, 3, stride=2, padding=1, output_padding=1)
        self.upg = nn.ConvTranspose2d(8, 8, 2, stride=2, groups=2)
        self.lone = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_()
                m.running_var.uniform_(0.5, 2)
                nn.init.normal_(m.weight)
                nn.init.normal_(m.bias)

    def forward(self, x):
        x = nn.functional.relu6(self.an(self.a(x)))
        x = nn.functional.silu(self.dwn(self.dw(x)))
        x = self.grouped(x)
        x = x * self.se2(self.se1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        x = nn.functional.max_pool2d(x, 3, 2, 1) + nn.functional.avg_pool2d(x, 2)
        x = self.lone(self.upg(self.up(x)).tanh())
        x = nn.functional.interpolate(x, size=(20, 24), mode="bilinear", align_corners=False)
        return self.head(x.mean((2, 3))), x


@pytest.mark.parametrize("recipe", RECIPES)
def test_vision(etch, tmp_path, recipe):
    torch.manual_seed(0)
    check(etch, tmp_path, Vision(), [(torch.randn(2, 3, 32, 32),), (torch.randn(2, 3, 32, 32),)], recipe, atol=1e-4)


class Audio(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(8, 16, 3, padding=1), nn.Conv1d(16, 12, 3, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(12)

    def forward(self, x):
        return self.norm(nn.functional.gelu(self.b(nn.functional.gelu(self.a(x)))).transpose(1, 2))


@pytest.mark.parametrize("recipe", RECIPES)
def test_audio(etch, tmp_path, recipe):
    torch.manual_seed(0)
    check(etch, tmp_path, Audio(), [(torch.randn(1, 8, 100),)], recipe, atol=1e-4)

