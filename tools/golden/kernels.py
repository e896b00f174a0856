#!/usr/bin/env python3
"""Records what PyTorch computes: one line a call, `name(args in schema order) -> results`, tensors as `f32[2, 3]=<base64 of the bytes>`.

Run in an environment with torch 2.13 and executorch 1.5 (only to regenerate):
    python tools/golden/kernels.py > kern/testdata/kernels.txt
kern/kern_test.c replays the file. A row of op/ops.def that has a kernel and no case here fails that test: add a line to CASES below.
`-> any` means that only type and shape count; `; 1=...` after the results gives argument 1 after a call that writes it.
"""
import base64
import itertools
import math
import os
import sys
import warnings

import torch

warnings.filterwarnings("ignore")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from shapes import DTYPES, NAMES, filled, find, rows, show as show_plain  # noqa: E402

torch.set_num_threads(1)
GEN = torch.Generator().manual_seed(20260101)
FLOATS, INTS = ("f32", "f16", "bf16", "f64"), ("i64", "i32", "i16", "i8", "u8")
SEEN, FAILED = set(), []


def R(dtype, *sizes, lo=None, hi=None):
    """Random: floats of a normal distribution, integers in [lo, hi)."""
    d = DTYPES[dtype]
    if dtype == "bool":
        return torch.randint(0, 2, sizes, generator=GEN).bool()
    if dtype == "c64":
        return torch.complex(R("f32", *sizes), R("f32", *sizes))
    if d.is_floating_point:
        x = torch.randn(sizes, generator=GEN, dtype=torch.float64) * 2
        if lo is not None:
            x = lo + (hi - lo) * torch.rand(sizes, generator=GEN, dtype=torch.float64)
        return x.to(d)
    unsigned = dtype.startswith("u")
    return torch.randint((0 if unsigned else -9) if lo is None else lo, 10 if hi is None else hi, sizes, generator=GEN).to(d)


def distinct(dtype, *sizes):
    """No two values are equal."""
    n = math.prod(sizes)
    return ((torch.randperm(n, generator=GEN) - n // 2).double() * 0.37).to(DTYPES[dtype]).reshape(sizes) if dtype in FLOATS else \
        (torch.randperm(n, generator=GEN) - (0 if dtype == "u8" else n // 2)).to(DTYPES[dtype]).reshape(sizes)


def edges(dtype):
    return torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 100.0, -100.0, math.inf, -math.inf, math.nan, 1e-8,
                         3.999]).to(DTYPES[dtype])


def packed(t):
    t = t.detach().resolve_conj().contiguous()
    data = torch.view_as_real(t) if t.is_complex() else t
    raw = data.reshape(-1).view(torch.uint8) if data.dtype != torch.bool else data.reshape(-1).to(torch.uint8)
    return base64.b64encode(bytes(raw.tolist())).decode() if t.numel() else ""


def show(v):
    if isinstance(v, torch.Tensor):
        return show_plain(v) + "=" + packed(v)
    if isinstance(v, (list, tuple)) and any(isinstance(x, torch.Tensor) for x in v):
        return "{" + ", ".join(map(show, v)) + "}"
    return show_plain(v)


def case(name, *args, any_value=False, written=(), fn=None, **kwargs):
    """One recorded call. `written`: arguments that it changes; `fn`: computes the result instead of the operator."""
    op = find(name)
    full = filled(op, args, kwargs)
    copies = [a.clone() if isinstance(a, torch.Tensor) else a for a in args]
    text = name + "(" + ", ".join(map(show, full)) + ") -> "
    try:
        r = fn(*copies, **kwargs) if fn else op(*copies, **kwargs)
    except Exception as e:
        FAILED.append(f"{name}: {type(e).__name__}: {str(e).splitlines()[0]}")
        return
    r = [r] if isinstance(r, torch.Tensor) else list(r) if isinstance(r, (list, tuple)) else [torch.tensor(r)]
    tail = "".join(f" ; {i}={show(copies[i])}" for i in written)
    out = "any" if any_value else ", ".join(show(t) for t in r)
    if any(t.dtype not in NAMES for t in r):
        return
    print(text + out + tail)
    SEEN.add(name)


def maybe(name, *args, **kwargs):
    """A dtype that PyTorch may not have for the operator."""
    n = len(FAILED)
    case(name, *args, **kwargs)
    del FAILED[n:]


# ---- elementwise ----

POSITIVE = {"acosh": (1, 5), "log": (0.1, 9), "log2": (0.1, 9), "log10": (0.1, 9), "sqrt": (0, 9), "rsqrt": (0.1, 9), "lgamma": (0.1, 9),
            "digamma": (0.1, 9), "acos": (-1, 1), "asin": (-1, 1), "atanh": (-0.9, 0.9), "erfinv": (-0.99, 0.99), "logit": (0.05, 0.95),
            "log1p": (-0.9, 9), "i0": (-5, 5)}
NO_EDGES = {"digamma", "i0", "lgamma", "glu", "conj", "_conj_physical", "log_sigmoid", "sinc", "sin", "cos", "tan", "nan_to_num"}


def unary(table):
    for name, shape in table.items():
        if shape not in ("unary", "unary_float", "unary_bool", "abs", "square") or not name.startswith("aten::"):
            continue
        op = find(name)
        required = [a for a in op._schema.arguments if not a.has_default_value()]
        base = name[6:].split(".")[0]
        if len(required) != 1 or "(a!)" in str(op._schema) or base in ("bernoulli", "tril", "triu") or "generator" in str(op._schema):
            continue
        lo, hi = POSITIVE.get(base, (None, None))
        if base != "bitwise_not":
            case(name, R("f32", 3, 7, lo=lo, hi=hi))
            case(name, R("f64", 5, lo=lo, hi=hi))
        for d in ("f16", "bf16"):
            maybe(name, R(d, 2, 9, lo=lo, hi=hi))
        for d in ("i64", "i32", "u8"):
            maybe(name, R(d, 6, lo=1, hi=3 if lo is None else max(2, int(hi))))
        maybe(name, R("bool", 4))
        maybe(name, R("f32", lo=lo, hi=hi))
        maybe(name, R("f32", 0, 3))
        if base not in NO_EDGES:
            maybe(name, edges("f32"))
        if base in ("abs", "neg", "conj", "_conj_physical"):
            case(name, R("c64", 4))
    case("aten::nan_to_num", edges("f32"))
    case("aten::nan_to_num", edges("f32"), 1.0, 2.0, -3.0)
    case("aten::logit", R("f32", 6, lo=0.0, hi=1.0), 0.1)
    case("aten::round.decimals", R("f32", 6) * 10, decimals=2)
    case("aten::round.decimals", R("f32", 6) * 100, decimals=-1)
    case("aten::threshold", R("f32", 9), 0.1, 20)
    case("aten::hardtanh", R("f32", 9), -0.5, 0.25)
    case("aten::leaky_relu", R("f32", 9), 0.3)
    case("aten::elu", R("f32", 9), 0.7, 1.3, 0.5)
    case("aten::celu", R("f32", 9), 0.7)
    case("aten::gelu", R("f32", 9), approximate="tanh")
    case("aten::gelu", R("bf16", 9), approximate="tanh")
    case("aten::softplus", R("f32", 9), 2, 1)
    case("aten::hardshrink", R("f32", 9), 1.0)
    case("aten::softshrink", R("f32", 9), 1.0)
    case("aten::glu", R("f32", 3, 4), 1)
    case("aten::glu", R("f64", 4, 3), 0)
    case("aten::prelu", R("f32", 2, 3, 4), R("f32", 3))
    case("aten::prelu", R("f32", 2, 3), R("f32", 1))
    case("aten::_prelu_kernel", R("f32", 2, 3), R("f32", 1, 3))


BROADCAST = (((3, 5), (3, 5)), ((2, 3, 4), (4,)), ((2, 1, 4), (3, 1)), ((3, 1), (3, 4)), ((5,), ()), ((), (5,)), ((0, 3), (1, 3)))
MIXED = (("f32", "i64"), ("i32", "i64"), ("bf16", "f32"), ("bool", "i32"), ("f16", "bf16"), ("u8", "i8"))


def operand(name, d, *sizes, second=False):
    base = name.split("::")[1].split(".")[0]
    if "shift" in base and second:
        return R(d, *sizes, lo=0, hi=6)
    if base in ("div", "floor_divide", "fmod", "remainder", "true_divide") and second:
        return R(d, *sizes, lo=1, hi=5) * (1 if d == "u8" or d == "bool" else -1)
    if base == "pow":
        return R(d, *sizes, lo=0, hi=3) if second else R(d, *sizes, lo=1, hi=4)
    if base == "xlogy":
        return R(d, *sizes, lo=1, hi=4)
    return R(d, *sizes)


def binary(table):
    for name, shape in table.items():
        if shape not in ("binary", "binary_float", "compare", "div_mode") or not name.startswith("aten::"):
            continue
        op = find(name)
        kinds = [str(a.type) for a in op._schema.arguments]
        bits = "bitwise" in name or "shift__" in name
        extras = [{}] if shape != "div_mode" else [dict(rounding_mode=m) for m in (None, "floor", "trunc")]
        for extra in extras:
            if kinds[:2] == ["Tensor", "Tensor"]:
                d0 = "i64" if bits else "f32"
                for a, b in BROADCAST:
                    case(name, operand(name, d0, *a), operand(name, d0, *b, second=True), **extra)
                for d in ("f64", "f16", "bf16", "i64", "i32", "i8", "u8", "bool"):
                    maybe(name, operand(name, d, 2, 4), operand(name, d, 2, 4, second=True), **extra)
                for a, b in MIXED:
                    maybe(name, operand(name, a, 2, 3), operand(name, b, 3, second=True), **extra)
                maybe(name, operand(name, "i32", 4), operand(name, "i64", second=True), **extra)
            elif kinds[0] == "Tensor":
                for d, s in itertools.product(("f32", "i64", "i32", "bf16", "u8"), (3, 2.5)):
                    if not (bits and (s == 2.5 or d in ("f32", "bf16"))):
                        maybe(name, operand(name, d, 7), s, **extra)
                if bits:
                    case(name, operand(name, "i64", 3), 1)
            else:
                case(name, 2.5, operand(name, "f32", 7, second=True), **extra)
                maybe(name, 3, operand(name, "i64", 7, second=True), **extra)
    for n in ("add", "eq"):
        case(f"aten::{n}.Tensor", R("f32", 2, 600), R("f32", 2, 1))
        case(f"aten::{n}.Tensor", R("bf16", 600), R("f32", 600))
    for n in ("add", "sub"):
        case(f"aten::{n}.Tensor", R("f32", 3, 4), R("f32", 4), alpha=2.5)
        case(f"aten::{n}.Tensor", R("i64", 3, 4), R("i64", 4), alpha=3)
        case(f"aten::{n}.Scalar", R("bf16", 5), 0.3, 2)
        case(f"aten::{n}.Tensor", R("c64", 4), R("c64", 4))
    case("aten::mul.Tensor", R("c64", 2, 3), R("c64", 3))
    case("aten::div.Tensor", R("c64", 4), R("c64", 4))
    case("aten::rsub.Scalar", R("f32", 5), 2, 3)
    for s in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.7):
        case("aten::pow.Tensor_Scalar", R("f32", 5, lo=0.1, hi=4), s)
    for n in ("maximum", "minimum", "fmax", "fmin", "eq.Tensor", "lt.Tensor"):
        case("aten::" + n, edges("f32"), edges("f32").flip(0))
    x = torch.tensor([7.0, -7.0, 7.0, -7.0, 1.0, -1.0, 6.0])
    y = torch.tensor([3.0, 3.0, -3.0, -3.0, 0.1, 0.1, 0.3])
    for n in ("fmod.Tensor", "remainder.Tensor", "floor_divide"):
        case("aten::" + n, x, y)
        case("aten::" + n, x.long(), torch.tensor([3, 3, -3, -3, 2, 2, 4]))
    case("aten::isclose", torch.tensor([1.0, 1.0, math.nan, math.inf, math.inf]),
         torch.tensor([1.000001, 1.1, math.nan, math.inf, -math.inf]), 1e-5, 1e-8, True)
    case("aten::isin.Tensor_Tensor", R("i64", 3, 4), R("i64", 5))
    case("aten::isin.Tensor_Scalar", R("i64", 9), 3)
    case("aten::isin.Tensor_Tensor", R("f32", 3), R("f32", 5), invert=True)


def ternary():
    m = R("bool", 3, 4)
    for d in ("f32", "i64", "bf16", "f64", "bool"):
        case("aten::where.self", m, R(d, 3, 4), R(d, 4))
    case("aten::where.self", R("bool", 3, 1), R("f32", 4), R("f32"))
    case("aten::where.self", m, R("c64", 3, 4), R("c64", 4))
    case("aten::where.ScalarSelf", m, 1.5, R("f32", 3, 4))
    case("aten::where.ScalarOther", m, R("f32", 3, 4), -math.inf)
    case("aten::where.Scalar", m, 1.0, 0.0)
    for lo, hi in ((-1, 1), (None, 0.5), (0, None)):
        case("aten::clamp", R("f32", 9), lo, hi)
        case("aten::clamp", R("i64", 9), lo, hi)
    case("aten::clamp", edges("f32"), -1, 1)
    case("aten::clamp.Tensor", R("f32", 3, 4), R("f32", 4), R("f32", 3, 1))
    case("aten::clamp.Tensor", R("f32", 3, 4), None, R("f32"))
    for n in ("min", "max"):
        case(f"aten::clamp_{n}", R("f32", 9), 0.5)
        case(f"aten::clamp_{n}.Tensor", R("f32", 3, 4), R("f32", 4))
    for n in ("addcmul", "addcdiv"):
        case(f"aten::{n}", R("f32", 3, 4), R("f32", 4), R("f32", 3, 1, lo=1, hi=2), value=0.5)
        case(f"aten::{n}", R("bf16", 5), R("bf16", 5), R("bf16", 5, lo=1, hi=2))
    case("aten::lerp.Scalar", R("f32", 9), R("f32", 9), 0.3)
    case("aten::lerp.Scalar", R("f32", 9), R("f32", 9), 0.8)
    case("aten::lerp.Tensor", R("f32", 9), R("f32", 9), R("f32", 9))
    case("aten::masked_fill.Scalar", R("f32", 2, 3, 4), R("bool", 3, 1), -math.inf)
    case("aten::masked_fill.Scalar", R("i64", 3, 4), R("bool", 4), 7)
    case("aten::masked_fill.Scalar", R("f16", 3, 4), R("bool", 4), -65504.0)
    case("aten::masked_fill.Tensor", R("f32", 3, 4), R("bool", 3, 4), R("f32"))
    case("aten::masked_scatter", R("f32", 3, 4), R("bool", 4), R("f32", 12))
    case("aten::masked_select", R("f32", 3, 4), R("bool", 3, 4))
    case("aten::masked_select", R("i64", 3, 1), R("bool", 4))


# ---- types, creation ----

def types():
    for a, b in itertools.product(("f32", "f16", "bf16", "f64", "i64", "i32", "i16", "i8", "u8", "bool"), repeat=2):
        x = R(a, 9) * (20 if a in FLOATS else 1)
        if a in FLOATS and b in ("u8",):
            x = x.abs()
        case("aten::_to_copy", x, dtype=DTYPES[b])
    case("aten::_to_copy", edges("f32"), dtype=torch.float16)
    case("aten::_to_copy", torch.tensor([65519.0, 65520.0, 1e-7, 6e-8, 2.9e-8, -1e9, 3.14159]), dtype=torch.float16)
    case("aten::_to_copy", torch.tensor([1.00390625, 1.01171875, 3e38, -3.4e38, 1e-40]), dtype=torch.bfloat16)
    case("aten::_to_copy", edges("bf16"), dtype=torch.float32)
    case("aten::_to_copy", R("f32", 2, 700), dtype=torch.bfloat16)
    case("aten::to.dtype", R("f32", 4), torch.float16)
    case("aten::to.dtype_layout", R("f32", 4), dtype=torch.float16)
    case("aten::to.device", R("f32", 4), torch.device("cpu"), torch.float16)
    case("aten::to.other", R("f32", 4), R("i64", 1))
    case("aten::type_as", R("f32", 4), R("f64", 1))
    for n in ("clone", "contiguous", "lift_fresh_copy", "lift_fresh", "alias", "detach", "positive", "resolve_conj", "resolve_neg"):
        case("aten::" + n, R("f32", 2, 3))
    case("aten::copy", R("f32", 2, 3), R("f32", 2, 3))
    case("aten::copy", R("f32", 2, 3), R("i64", 3))
    case("aten::copy", R("i32", 2, 3), R("i32", 2, 1))
    case("aten::copy_", R("f32", 2, 3), R("f32", 3), written=(0,))
    f = dict(dtype=torch.float32)
    case("aten::arange", 7)
    case("aten::arange", 5, **f)
    case("aten::arange.start", 2, 9)
    case("aten::arange.start", 0.5, 4.2)
    case("aten::arange.start_step", 0, 64, 2, dtype=torch.int64)
    case("aten::arange.start_step", 5, -5, -2)
    case("aten::arange.start_step", 0, 1, 0.1, **f)
    case("aten::linspace", -1, 1, 7)
    case("aten::linspace", 0, 10, 5, dtype=torch.int64)
    case("aten::linspace", 3, 9, 1)
    for n in ("empty.memory_format", "zeros", "ones"):
        case("aten::" + n, [2, 3], any_value="empty" in n, **f)
    for n in ("empty_like", "zeros_like", "ones_like"):
        case("aten::" + n, R("f32", 2, 3), any_value="empty" in n, dtype=torch.int64)
    for n in ("new_empty", "new_zeros", "new_ones"):
        case("aten::" + n, R("f32", 2), [2, 3], any_value="empty" in n)
    case("aten::new_empty_strided", R("f32", 2), [2, 3], [3, 1], any_value=True)
    case("aten::new_full", R("f32", 2), [2, 3], 2.5)
    case("aten::full", [2, 3], 2.5)
    case("aten::full", [2, 3], -math.inf, **f)
    case("aten::full", [4], 7, dtype=torch.int64)
    case("aten::full", [4], True, dtype=torch.bool)
    case("aten::full_like", R("bf16", 2, 3), 2.5)
    case("aten::fill.Scalar", R("f32", 2, 3), 3)
    case("aten::fill.Tensor", R("f32", 2, 3), R("f32"))
    case("aten::scalar_tensor", 2.5)
    case("aten::scalar_tensor", 3, dtype=torch.int64)
    case("aten::eye", 3)
    case("aten::eye.m", 2, 4)
    for k in (-1, 0, 2, 9, -9):
        for n in ("tril", "triu"):
            case("aten::" + n, R("f32", 2, 3, 4), k)
    case("aten::tril", R("bool", 4, 4))
    for k in (-1, 0, 2):
        case("aten::tril_indices", 3, 4, k)
        case("aten::triu_indices", 3, 4, k)
    case("aten::dropout", R("f32", 4), 0.5, False)
    case("aten::alpha_dropout", R("f32", 4), 0.5, False)
    case("aten::feature_dropout", R("f32", 4), 0.5, False)
    case("aten::native_dropout", R("f32", 4), 0.5, False)
    case("aten::_local_scalar_dense", R("f32"))
    case("aten::item", R("i64", 1))


# ---- reductions, order ----

def reductions():
    x = R("f32", 3, 4, 5)
    for d in ("f32", "bf16", "f64", "i64", "i32", "bool"):
        for dim, keep in (([0], False), ([1], True), ([-1], False), ([0, 2], False), ([], True), (None, False)):
            maybe("aten::sum.dim_IntList", R(d, 3, 4, 5), dim, keep)
            if d in ("f32", "bf16", "f64"):
                maybe("aten::mean.dim", R(d, 3, 4, 5), dim, keep)
    case("aten::mean.dim", R("f32", 2, 1000), [-1], True)
    case("aten::mean.dim", R("f32", 40, 30), [0])
    case("aten::sum.dim_IntList", R("i64", 3, 4), [1], dtype=torch.float32)
    case("aten::sum.dim_IntList", R("f32", 0, 4), [0])
    case("aten::sum.dim_IntList", R("f32"), [0])
    for n in ("sum", "prod", "mean"):
        case("aten::" + n, x)
    case("aten::sum", R("i32", 7))
    case("aten::prod", R("i32", 4))
    case("aten::prod.dim_int", x, 1)
    case("aten::prod.dim_int", R("i64", 3, 4), 1, True)
    for n in ("amax", "amin"):
        for d in ("f32", "i64", "bf16"):
            case("aten::" + n, R(d, 3, 4, 5), [1], True)
            case("aten::" + n, R(d, 3, 4, 5), [0, 2])
        case("aten::" + n, edges("f32"))
    for n in ("max", "min"):
        case("aten::" + n, x)
        case("aten::" + n, R("i64", 7))
        for d in ("f32", "i64", "u8"):
            case(f"aten::{n}.dim", distinct(d, 3, 4, 5), 1)
        case(f"aten::{n}.dim", distinct("f32", 3, 4), -1, True)
        case(f"aten::arg{n}", distinct("f32", 3, 4))
        case(f"aten::arg{n}", distinct("f32", 3, 4), 0, True)
        case(f"aten::arg{n}", distinct("i64", 3, 4), 1)
        case(f"aten::arg{n}", torch.tensor([1.0, 3.0, 3.0, 1.0]))
        case(f"aten::arg{n}", torch.tensor([1.0, math.nan, 3.0, math.nan]))
        case(f"aten::cum{n}", torch.tensor([[3.0, 1.0, 3.0, 0.0, 5.0, 0.0]]), 1)
        case(f"aten::cum{n}", R("i64", 4, 3), 0)
    for n in ("any", "all"):
        for d in ("bool", "f32", "i64"):
            z = R(d, 3, 4) if d == "bool" else R(d, 3, 4) * R("bool", 3, 4)
            case("aten::" + n, z)
            case(f"aten::{n}.dim", z, 1, True)
            case(f"aten::{n}.dims", z, [0, 1])
        case("aten::" + n, R("bool", 0))
    for n in ("var", "std"):
        case(f"aten::{n}.correction", x, [1])
        case(f"aten::{n}.correction", x, [0, 2], correction=0, keepdim=True)
        case(f"aten::{n}.correction", x + 1000)
        case(f"aten::{n}_mean.correction", x, [-1], correction=0)
    case("aten::var.dim", x, [1], False)
    case("aten::var.dim", R("f64", 9), [0])
    case("aten::count_nonzero", R("i64", 3, 4))
    case("aten::count_nonzero.dim_IntList", R("i64", 3, 4), [1])
    for p in (2, 1, 0, 3, math.inf, -math.inf):
        case("aten::linalg_vector_norm", x, p, [1])
    case("aten::linalg_vector_norm", x, 2, None, True)
    case("aten::norm.Scalar", x, 2)
    case("aten::norm.ScalarOpt_dim", x, 2, [-1], True)
    case("aten::norm.ScalarOpt_dim_dtype", x.half(), 2, [-1], True, dtype=torch.float32)
    case("aten::logsumexp", x, [1])
    case("aten::logsumexp", torch.tensor([[-math.inf, -math.inf], [1000.0, 1000.0]]), [1], True)
    for d in ("f32", "i64", "bf16", "bool"):
        case("aten::cumsum", R(d, 3, 4, 2), 1)
    case("aten::cumsum", R("f32", 3, 4), 0, dtype=torch.float64)
    case("aten::cumprod", R("f32", 3, 4), 1)
    case("aten::cumprod", R("i64", 3, 4), 0)
    case("aten::logcumsumexp", R("f32", 3, 4), 1)
    for d in ("f32", "i64"):
        for desc in (False, True):
            case("aten::sort", distinct(d, 3, 7), -1, desc)
            case("aten::argsort", distinct(d, 7, 3), 0, desc)
            case("aten::sort.stable", R(d, 3, 9), stable=True, dim=1, descending=desc)
            case("aten::argsort.stable", R(d, 3, 9), stable=True, dim=1, descending=desc)
            case("aten::topk", distinct(d, 3, 9), 4, -1, desc)
    case("aten::sort.stable", edges("f32"), stable=True)
    case("aten::topk", distinct("bf16", 9, 3), 2, 0)
    case("aten::topk", distinct("f32", 40), 40)
    case("aten::nonzero", R("i64", 3, 4, lo=0, hi=2))
    case("aten::nonzero", R("f32", 5))
    case("aten::nonzero", R("bool", 0, 3))
    s = R("f32", 9).sort().values
    for right in (False, True):
        case("aten::searchsorted.Tensor", s, torch.cat([R("f32", 5), s[2:4]]), right=right)
        case("aten::bucketize.Tensor", torch.cat([R("f32", 5), s[2:4]]).reshape(7, 1), s, right=right)
    case("aten::searchsorted.Tensor", R("i64", 3, 6).sort().values, R("i64", 3, 4), out_int32=True)
    case("aten::histc", R("f32", 30), 5)
    case("aten::histc", R("f32", 30), 4, -1, 1)


# ---- views, joins, indexing ----

def views():
    x = R("f32", 2, 3, 4)
    case("aten::permute", x, [2, 0, 1])
    case("aten::permute", R("bf16", 2, 3, 4, 5), [0, 2, -1, 1])
    case("aten::permute", R("f64", 3, 40), [1, 0])
    case("aten::permute", R("u8", 37, 21), [1, 0])
    case("aten::permute", R("f32"), [])
    case("aten::transpose.int", x, 1, -1)
    case("aten::transpose.int", R("f32", 1, 8, 2, 4), 1, 2)
    case("aten::t", R("f32", 3, 4))
    case("aten::t", R("f32", 3))
    for n in ("mT", "adjoint", "numpy_T"):
        case("aten::" + n, R("f32", 3, 4) if n != "mT" else x)
    case("aten::swapaxes", x, 0, 1)
    case("aten::swapdims", x, 0, 1)
    case("aten::movedim.int", x, 0, -1)
    case("aten::movedim.intlist", x, [0, 1], [2, 0])
    for n, *a in (("view", [6, -1]), ("reshape", [4, 6]), ("_unsafe_view", [24]), ("squeeze",), ("squeeze.dim", 1),
                  ("squeeze.dims", [0, 1]),
                  ("unsqueeze", -1), ("flatten.using_ints", 1), ("ravel",), ("unflatten.int", 2, [2, 2])):
        case("aten::" + n, x, *a)
    case("aten::view_as", x, R("f32", 4, 6))
    case("aten::view.dtype", R("f32", 3), torch.int32)
    case("aten::view_as_real", R("c64", 3))
    case("aten::view_as_complex", R("f32", 3, 2))
    for n in ("real", "imag", "angle"):
        case("aten::" + n, R("c64", 3))
    case("aten::expand", R("f32", 3, 1), [2, 3, 4])
    case("aten::expand", R("f32", 3, 1), [-1, 4])
    case("aten::broadcast_to", R("i64", 3, 1), [2, 3, 4])
    for a in ((1, 0, 2), (1, 1, None), (2, -3, -1), (2, 0, 99, 3), (0, 5, 9), (-1, 3, 1)):
        case("aten::slice.Tensor", x, *a)
    case("aten::select.int", x, 1, -1)
    case("aten::narrow", x, 2, 1, 2)
    case("aten::narrow_copy", x, 1, -2, 1)
    case("aten::diagonal", R("f32", 3, 4), 1)
    case("aten::diagonal", x, -1, 2, 0)
    case("aten::unfold", R("f32", 3, 7), 1, 3, 2)
    case("aten::as_strided", R("f32", 12), [2, 3, 2], [5, 1, 2], 1)
    case("aten::as_strided", R("f32", 3, 4), [4, 3], [0, 1])
    case("aten::unbind.int", x, 1)
    case("aten::split.Tensor", R("f32", 7, 2), 3)
    case("aten::unsafe_split.Tensor", R("f32", 7, 2), 3)
    case("aten::split.sizes", R("f32", 2, 7), [3, 0, 4], 1)
    case("aten::split_with_sizes", R("f32", 2, 7), [3, 0, 4], -1)
    case("aten::chunk", R("f32", 2, 7), 3, 1)
    case("aten::unsafe_chunk", R("f32", 2, 7), 3, 1)
    case("aten::tensor_split.sections", R("f32", 7), 3)
    case("aten::tensor_split.indices", R("f32", 7), [2, 5])
    case("aten::flip", x, [0, -1])
    case("aten::roll", x, [1, -2], [0, 2])
    case("aten::roll", x, [5])
    case("aten::repeat", x, [2, 1, 2, 3])
    case("aten::tile", x, [2, 3])
    case("aten::pixel_shuffle", R("f32", 2, 8, 2, 3), 2)
    case("aten::pixel_unshuffle", R("f32", 2, 2, 4, 6), 2)
    for n in ("cat", "concat", "concatenate"):
        case("aten::" + n, [R("f32", 2, 3), R("f32", 2, 1), R("f32", 2, 4)], 1)
    case("aten::cat", [R("f32", 0), R("bf16", 2, 3), R("i64", 1, 3)])
    case("aten::stack", [R("f32", 2, 3), R("f32", 2, 3)], 1)
    case("aten::stack", [R("i64", 2, 3), R("f32", 2, 3)], -1)
    case("aten::meshgrid", [R("f32", 2), R("f32", 3)])
    case("aten::meshgrid.indexing", [R("f32", 2), R("f32", 3), R("f32", 4)], indexing="xy")
    case("aten::repeat_interleave.Tensor", torch.tensor([2, 0, 3]))
    case("aten::repeat_interleave.self_Tensor", R("f32", 3, 2), torch.tensor([2, 0, 3]), 0)
    case("aten::repeat_interleave.self_int", R("f32", 3, 2), 2, 1)
    case("aten::repeat_interleave.self_int", R("f32", 3, 2), 3)
    case("aten::constant_pad_nd", x, [1, 2, -1, 1], 2.5)
    case("aten::constant_pad_nd", R("i64", 3, 4), [-2, -2])
    for mode in ("constant", "reflect", "replicate", "circular"):
        case("aten::pad", x, [1, 2], mode)
    case("aten::pad", x, [1, 2, 0, 1], "constant", 1.5)
    for n in ("reflection", "replication"):
        case(f"aten::{n}_pad1d", x, [1, 2])
        case(f"aten::{n}_pad2d", x, [1, 2, 1, 0])
        case(f"aten::{n}_pad3d", R("f32", 1, 2, 3, 4), [1, 2, 1, 0, 1, 1])
    case("aten::complex", R("f32", 3), R("f32", 3))
    case("aten::polar", R("f32", 3, lo=0, hi=2), R("f32", 3))


def indexing():
    w, i = R("f32", 10, 5), lambda *s, n=10: torch.randint(0, n, s, generator=GEN)
    case("aten::embedding", w, i(2, 3))
    case("aten::embedding", w.bfloat16(), i(4).int())
    case("aten::index_select", w, 1, i(3, n=5))
    case("aten::index_select", R("i64", 2, 3, 4), -1, i(6, n=4))
    x = R("f32", 3, 4, 5)
    case("aten::gather", x, 1, i(3, 2, 5, n=4))
    case("aten::gather", R("i64", 3, 4), 0, i(2, 4, n=3))
    case("aten::take", x, i(4, 2, n=60) - 30)
    case("aten::take_along_dim", x, i(3, 2, 5, n=4), 1)
    for idx in ([i(2, n=3)], [None, i(2, n=4) - 2], [i(2, n=3), i(2, n=4)], [i(2, 1, n=3), None, i(3, n=5)], [None, None, i(2, 2, n=5)],
                [R("bool", 3, 4)], [None, R("bool", 4)], [i(n=3)], [i(1, n=3), None, i(4, n=5)]):
        case("aten::index.Tensor", x, idx)
        n = torch.ops.aten.index.Tensor(x, idx).shape
        case("aten::index_put", x, idx, R("f32", *n))
        case("aten::index_put", x, idx, R("f32"))
        case("aten::index_put", x, idx, R("f32", *n), True)
    case("aten::index_put", R("f32", 1, 2, 8, 3), [None, None, torch.tensor([4, 5])], R("f32", 1, 2, 2, 3))
    case("aten::index_put", x, [torch.tensor([0, 2])], R("f32", 4, 1))
    case("aten::index_put", R("i64", 6), [torch.tensor([1, 1, 4])], R("i64", 3), True)
    case("aten::index_put_", R("f32", 3, 4), [torch.tensor([0, 2])], R("f32", 2, 4), written=(0,))
    case("aten::index_add", x, 1, torch.tensor([0, 3, 0]), R("f32", 3, 3, 5), alpha=2)
    case("aten::index_add", R("i64", 5), 0, torch.tensor([0, 3, 0]), R("i64", 3))
    case("aten::index_copy", x, 1, torch.tensor([0, 3]), R("f32", 3, 2, 5))
    case("aten::index_fill.int_Scalar", x, 1, torch.tensor([0, 3]), 2.5)
    case("aten::index_fill.int_Tensor", x, 1, torch.tensor([0, 3]), R("f32"))
    case("aten::one_hot", i(2, 3, n=4), 4)
    index = torch.stack([torch.randperm(4, generator=GEN)[:3] for _ in range(3)])
    case("aten::scatter.src", R("f32", 3, 4), 1, index, R("f32", 3, 3))
    case("aten::scatter.value", R("f32", 3, 4), 1, index, 2.5)
    case("aten::scatter.value", R("i64", 3, 4), 1, index, 2)
    case("aten::scatter.value", R("f32"), 0, torch.tensor(0), 2.5)
    case("aten::scatter_add", R("f32", 3, 4), 1, i(3, 3, n=4), R("f32", 3, 3))
    for how in ("sum", "prod", "mean", "amax", "amin"):
        for inc in (True, False):
            case("aten::scatter_reduce.two", R("f32", 3, 4), 1, i(3, 3, n=4), R("f32", 3, 3), how, include_self=inc)
    case("aten::select_scatter", x, R("f32", 3, 5), 1, -1)
    case("aten::slice_scatter", x, R("f32", 3, 2, 5), 1, 0, 99, 2)
    case("aten::slice_scatter", x, R("f32", 3, 1, 5), 1, -1)


# ---- products, norms, attention ----

def products():
    for d in FLOATS:
        case("aten::linear", R(d, 3, 7), R(d, 5, 7), R(d, 5))
        case("aten::mm", R(d, 6, 9), R(d, 9, 11))
        case("aten::bmm", R(d, 2, 3, 4), R(d, 2, 4, 5))
    case("aten::linear", R("f32", 2, 1, 7), R("f32", 130, 7))
    case("aten::linear", R("f32", 7, 33), R("f32", 19, 33), R("f32", 19))
    case("aten::linear", R("f32", 5, 260), R("f32", 2, 260), R("f32", 2))
    case("aten::linear", R("f32", 260), R("f32", 1, 260))
    case("aten::linear", R("f32", 2, 0), R("f32", 3, 0), R("f32", 3))
    case("aten::mm", R("f32", 66, 5), R("f32", 5, 9))
    case("aten::mm", R("f32", 5, 3), R("f32", 3, 131))
    case("aten::mm", R("f32", 2, 300), R("f32", 300, 2))
    case("aten::mm", R("i64", 3, 4), R("i64", 4, 5))
    case("aten::addmm", R("f32", 5), R("f32", 6, 4), R("f32", 4, 5), beta=0.5, alpha=2)
    case("aten::addmm", R("f32", 6, 5), R("f32", 6, 4), R("f32", 4, 5))
    case("aten::addmm", R("bf16", 5), R("bf16", 2, 4), R("bf16", 4, 5))
    case("aten::baddbmm", R("f32", 2, 1, 5), R("f32", 2, 3, 4), R("f32", 2, 4, 5), beta=0.5, alpha=2)
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 1, 3, 4), (5, 4, 2)), ((6, 2, 4), (4, 3)), ((2, 3, 4), (2, 4, 5)),
                 ((4,), (2, 4, 5))):
        case("aten::matmul", R("f32", *a), R("f32", *b))
    case("aten::linalg_matmul", R("f32", 2, 3), R("f32", 3, 4))
    case("aten::dot", R("f32", 9), R("f32", 9))
    case("aten::mv", R("f32", 3, 4), R("f32", 4))
    case("aten::outer", R("f32", 3), R("f32", 4))
    case("aten::cross", R("f32", 2, 3), R("f32", 2, 3))
    case("aten::linalg_cross", R("f32", 3, 4), R("f32", 3, 1), dim=0)
    for p in (2.0, 1.0, math.inf, 3.0, 0.0):
        case("aten::_cdist_forward", R("f32", 2, 3, 4), R("f32", 2, 5, 4), p, None)
        case("aten::_pdist_forward", R("f32", 5, 4), p)
    case("aten::cdist", R("f32", 3, 4), R("f32", 5, 4))
    for d in FLOATS:
        case("aten::_softmax", R(d, 3, 4, 5), -1, False)
        case("aten::_log_softmax", R(d, 3, 4, 5), 1, False)
    case("aten::_softmax", R("f32", 2, 600) * 5, -1, False)
    case("aten::_log_softmax", R("f32", 2, 600) * 5, -1, False)
    case("aten::_softmax", torch.tensor([[0.0, -math.inf, 1.0], [-math.inf] * 3]), 1, False)
    case("aten::softmax.int", R("f16", 3, 4), -1, torch.float32)
    case("aten::log_softmax.int", R("f32", 3, 4), 0)
    for d in ("f32", "f64", "bf16"):
        maybe("aten::native_layer_norm", R(d, 3, 4, 5), [5], R(d, 5), R(d, 5), 1e-5)
    case("aten::native_layer_norm", R("f32", 3, 4, 5), [4, 5], None, None, 1e-5)
    case("aten::native_layer_norm", R("f32", 2, 700) + 50, [700], R("f32", 700), R("f32", 700), 1e-5)
    case("aten::layer_norm", R("f32", 3, 5), [5], R("f32", 5), None)
    case("aten::rms_norm", R("f32", 3, 5), [5], R("f32", 5), 1e-6)
    case("aten::rms_norm", R("f32", 3, 5), [5])
    case("aten::native_group_norm", R("f32", 2, 6, 3), R("f32", 6), R("f32", 6), 2, 6, 3, 3, 1e-5)
    case("aten::native_group_norm", R("f32", 2, 4, 3, 2), None, None, 2, 4, 6, 2, 1e-5)
    c = (R("f32", 3), R("f32", 3), R("f32", 3), R("f32", 3, lo=0.5, hi=2))
    case("aten::_native_batch_norm_legit_no_training", R("f32", 2, 3, 4), *c, 0.1, 1e-5)
    case("aten::_native_batch_norm_legit", R("f32", 2, 3, 4), *c, False, 0.1, 1e-5)
    case("aten::_native_batch_norm_legit.no_stats", R("f32", 2, 3, 4), None, None, True, 0.1, 1e-5)
    q, k, v = R("f32", 2, 4, 5, 8), R("f32", 2, 4, 7, 8), R("f32", 2, 4, 7, 6)
    s = "aten::scaled_dot_product_attention"
    case(s, q, k, v)
    case(s, q, k, v, scale=0.3)
    case(s, q, k, v, R("f32", 5, 7))
    m = R("bool", 2, 1, 5, 7)
    m[..., 0] = True
    case(s, q, k, v, m)
    case(s, q, q, q, None, 0.0, True)
    case(s, q, k[:, :2].contiguous(), v[:, :2].contiguous(), enable_gqa=True)
    case(s, R("f32", 3, 4), R("f32", 150, 4), R("f32", 150, 4))
    case(s, q.bfloat16(), k.bfloat16(), v.bfloat16())


def images():
    x, y = R("f32", 2, 6, 4, 5), R("f32", 1, 2, 7, 8)

    def conv(x, w, b, s, p, d, t=False, op=(0, 0), g=1):
        case("aten::convolution", x, w, b, list(s), list(p), list(d), t, list(op), g)
    conv(x, R("f32", 5, 6, 3, 3), R("f32", 5), (1, 1), (1, 1), (1, 1))
    conv(x, R("f32", 5, 6, 3, 2), None, (2, 1), (0, 1), (1, 2))
    conv(x, R("f32", 6, 1, 3, 3), R("f32", 6), (1, 1), (1, 1), (1, 1), g=6)
    conv(x, R("f32", 6, 1, 3, 3), R("f32", 6), (2, 2), (1, 1), (1, 1), g=6)
    conv(x, R("f32", 8, 3, 1, 1), R("f32", 8), (1, 1), (0, 0), (1, 1), g=2)
    conv(x, R("f32", 12, 2, 3, 3), None, (1, 1), (2, 2), (2, 2), g=3)
    conv(x, R("f32", 2, 6, 4, 5), None, (1, 1), (0, 0), (1, 1))
    conv(x, R("f32", 6, 4, 3, 3), R("f32", 4), (2, 2), (1, 1), (1, 1), True, (1, 1))
    conv(x, R("f32", 6, 2, 2, 3), R("f32", 6), (1, 2), (0, 1), (2, 1), True, (0, 0), 3)
    conv(R("bf16", 1, 3, 5, 5), R("bf16", 4, 3, 3, 3), R("bf16", 4), (1, 1), (1, 1), (1, 1))
    conv(R("f64", 1, 2, 5, 5), R("f64", 2, 2, 3, 3), R("f64", 2), (1, 1), (1, 1), (1, 1))
    conv(R("f32", 2, 4, 9), R("f32", 5, 4, 3), R("f32", 5), (2,), (1,), (1,), op=(0,))
    conv(R("f32", 1, 2, 4, 5, 6), R("f32", 4, 2, 2, 2, 2), None, (1, 1, 1), (0, 0, 1), (1, 1, 1), op=(0, 0, 0))
    for t, g, s in ((False, 1, [1, 1]), (False, 2, [2, 1]), (True, 1, [2, 1]), (True, 2, [1, 1])):
        a, w = R("f32", 1, 4, 4, 5), R("f32", 4, 4 // g, 2, 3)
        out = torch.ops.aten.convolution(a, w, None, s, [1, 0], [1, 1], t, [0, 0], g)
        case("aten::convolution_backward", R("f32", *out.shape), a, w, [4], s, [1, 0], [1, 1], t, [0, 0], g, [True, True, True])
    a = distinct("f32", 1, 2, 5, 5)
    out, i = torch.ops.aten.max_pool2d_with_indices(a, [3, 3], [2, 2], [1, 1])
    case("aten::max_pool2d_with_indices_backward", R("f32", *out.shape), a, [3, 3], [2, 2], [1, 1], [1, 1], False, i)
    case("aten::conv1d", R("f32", 4, 9), R("f32", 5, 4, 3), None, [1], [1])
    case("aten::conv2d", x, R("f32", 3, 6, 3, 3), R("f32", 3), [1, 1], [1, 1])
    case("aten::conv3d", R("f32", 1, 2, 4, 5, 6), R("f32", 3, 2, 2, 2, 2), None)
    case("aten::im2col", y, [3, 2], [1, 2], [1, 0], [2, 1])
    case("aten::max_pool2d_with_indices", y, [3, 2], [2, 2], [1, 1], [1, 1], True)
    case("aten::max_pool2d_with_indices", torch.full((1, 1, 1, 1), 1.5), [2147483646, 1], [1, 1], [1073741823, 0])
    case("aten::max_pool2d_with_indices", R("bf16", 1, 2, 5, 5), [2, 2], [1, 1], [0, 0], [2, 1])
    case("aten::avg_pool2d", y, [3, 2], [2, 2], [1, 1], True, True)
    case("aten::avg_pool2d", y, [3, 3], [2, 2], [1, 1], False, False)
    case("aten::avg_pool2d", y, [2, 2], [], [0, 0], False, True, 3)
    for n in ("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        case("aten::" + n, y, [3, 5])
    case("aten::upsample_nearest2d.vec", y, [10, 5], None)
    case("aten::upsample_nearest2d.vec", y, None, [1.5, 2.0])
    for n in ("bilinear", "bicubic"):
        for align in (False, True):
            case(f"aten::upsample_{n}2d.vec", y, [10, 5], align, None)
        case(f"aten::upsample_{n}2d.vec", y, None, False, [1.5, 2.0])
    case("aten::upsample_bicubic2d", y, [4, 12], False)
    case("aten::upsample_bicubic2d", y, [4, 12], True)
    case("aten::_upsample_bilinear2d_aa", y, [3, 12], False)
    case("aten::_upsample_bilinear2d_aa", y, [5, 4], False)
    z, grid = R("f32", 2, 2, 3, 4), R("f32", 2, 2, 3, 2)
    for mode, pad, align in itertools.product((0, 1, 2), (0, 1, 2), (False, True)):
        case("aten::grid_sampler_2d", z, grid, mode, pad, align)
    case("aten::grid_sampler", z, grid, 0, 0, False)
    for n in (1, 2, 8, 9, 13, 30):
        for norm, side in ((0, True), (1, False), (2, True)):
            case("aten::_fft_r2c", R("f32", 2, n), [1], norm, side)
        case("aten::_fft_c2r", torch.fft.rfft(R("f32", 2, n)).to(torch.complex64), [1], 2, n)
    case("aten::_fft_r2c", R("f32", 4, 3, 6), [0, 2], 0, True)
    case("aten::_fft_r2c", R("f32", 6, 3), [0], 0, True)
    case("aten::_fft_c2r", torch.fft.rfft2(R("f32", 3, 4, 6)).to(torch.complex64), [1, 2], 2, 6)


# ---- operators of the runners ----

def quantized():
    import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401
    import executorch.kernels.quantized  # noqa: F401
    import torch.ao.quantization.fx._decomposed  # noqa: F401
    q, x, i8, u8 = "quantized_decomposed::", R("f32", 3, 4, 5), torch.int8, torch.uint8
    for d, lo, hi in ((i8, -128, 127), (u8, 0, 255), (torch.int16, -32768, 32767)):
        case(q + "quantize_per_tensor", x, 0.07, 3, lo, hi, d)
        case(q + "dequantize_per_tensor", R(NAMES[d], 3, 4), 0.07, 3, lo, hi, d)
    case(q + "quantize_per_tensor.tensor", x, torch.tensor([0.01]), torch.tensor([-5]), -128, 127, i8)
    case(q + "dequantize_per_tensor.tensor", R("i8", 3, 4), torch.tensor([0.01]), torch.tensor([-5]), -128, 127, i8)
    s, z = R("f32", 4, lo=0.01, hi=0.2), R("i64", 4)
    case(q + "quantize_per_channel", x, s, z, 1, -128, 127, i8)
    case(q + "dequantize_per_channel", R("i8", 3, 4, 5), s, z, 1, -128, 127, i8)
    case(q + "dequantize_per_channel", R("i8", 3, 4, 5), s, None, 1, -128, 127, i8)
    case(q + "choose_qparams.tensor", x, -128, 127, 1e-5, i8)
    case(q + "choose_qparams_per_token_asymmetric", x, i8)
    s, z = R("f32", 3, 4, 1, lo=0.01, hi=0.2), R("i64", 3, 4, 1)
    case(q + "quantize_per_token", x, s, z, -128, 127, i8)
    case(q + "dequantize_per_token", R("i8", 3, 4, 5), s, z, -128, 127, i8, torch.float32)
    case(q + "dequantize_per_channel_group", R("i8", 4, 8, lo=-8, hi=8), R("f32", 4, 2, lo=0.1, hi=1), R("i64", 4, 2).float(), -8, 7, i8, 4,
         torch.float32)
    i = torch.tensor([[1, 4, 0]])
    for n, pack, lo in (("byte", 1, -128), ("4bit", 2, -8), ("2bit", 4, -2)):
        w = R("i8", 5, 8, lo=-128, hi=128) if pack == 1 else R("u8", 5, 8 // pack, lo=0, hi=256)
        case(q + f"embedding_{n}", w, R("f32", 5), None, lo, -lo - 1, i)
        case(q + f"embedding_{n}", w, R("f32", 5, 2), R("f32", 5, 2), lo, -lo - 1, i)
        case(q + f"embedding_{n}.dtype", w, R("f32", 5, 2), None, lo, -lo - 1, i, dtype=torch.float16)

    def mixed(x, w, s, z=None, dtype=None, transpose=True):
        w = w.float() * (s.reshape(w.shape[0], -1).repeat_interleave(w.shape[1] // s.reshape(w.shape[0], -1).shape[1], 1))
        return x @ (w.t() if transpose else w)
    case(q + "mixed_mm", R("f32", 3, 4), R("i8", 4, 5), R("f32", 4), None, fn=lambda *a: mixed(*a, transpose=False))
    case(q + "mixed_linear", R("f32", 3, 8), R("i8", 5, 8), R("f32", 5), None, fn=mixed)
    case(q + "mixed_linear", R("f32", 3, 8), R("i8", 5, 8), R("f32", 5, 2), None, fn=mixed)
    case(q + "add", R("i8", 3, 4, lo=-128, hi=128), 0.1, 3, -128, 127, R("i8", 3, 4, lo=-128, hi=128), 0.2, -5, -128, 127, 0.25, 1, -128,
         127, fn=lambda a, sa, za, la, ha, b, sb, zb, lb, hb, so, zo, lo,
         ho: (((a - za * 1.0) * sa + (b - zb * 1.0) * sb) / so).round().add(zo).clamp(lo, ho).to(i8))


def runners():
    import executorch.extension.llm.custom_ops.custom_ops  # noqa: F401
    q, k, v = R("f32", 2, 3, 4, 4), R("f32", 2, 9, 2, 4), R("f32", 2, 9, 2, 4)
    case("llama::update_cache", R("f32", 2, 3, 2, 4), R("f32", 2, 6, 2, 4), 2, any_value=True, written=(1,))
    case("llama::update_cache_with_indices", R("f32", 1, 3, 2, 4), R("f32", 1, 6, 2, 4), 0, torch.tensor([[5, 0, 2]]), any_value=True,
         written=(1,))
    case("llama::custom_sdpa", q, k, v, 4, None, 0.0, True)
    case("llama::custom_sdpa", q, k, v, 0, R("f32", 3, 9), 0.0, False)
    case("llama::custom_sdpa", q[:, :1].contiguous(), k, v, 5, None, 0.0, True, 0.5)
    case("llama::custom_sdpa", R("f32", 1, 3, 2, 8), R("f32", 1, 70, 1, 8), R("f32", 1, 70, 1, 8), 66, None, 0.0, True)
    case("llama::sdpa_with_kv_cache", q, R("f32", 2, 3, 2, 4), R("f32", 2, 3, 2, 4), k, v, 4, 3, None, 0.0, True, written=(3, 4))

    def dequantized(q, k, v, pos, mask, p, causal, scale, zq, sq, zk, sk, zv, sv, seq2):
        f = [(t.float() - z.float()) * s for t, s, z in ((q, sq, zq), (k, sk, zk), (v, sv, zv))]
        if seq2:
            f = [t.transpose(1, 2).contiguous() for t in f]
        r = torch.ops.llama.custom_sdpa(f[0], f[1], f[2], pos, mask, p, causal, scale)
        return r.transpose(1, 2).contiguous() if seq2 else r
    for seq2 in (False, True):
        t = [R("i8", *((2, 4, 3, 8) if seq2 else (2, 3, 4, 8)), lo=-128,
               hi=128)] + [R("i8", *((2, 2, 9, 8) if seq2 else (2, 9, 2, 8)), lo=-128, hi=128) for _ in range(2)]
        p = [x for a in t for x in (R("i8", *a.shape[:3], 1), R("f32", *a.shape[:3], 1, lo=0.005, hi=0.02))]
        case("llama::custom_quantized_sdpa", *t, 4, None, 0.0, True, None, *p, seq2, fn=dequantized)
    case("llama::fast_hadamard_transform", R("f32", 3, 16))
    b, h, n, kd, vd = 2, 2, 5, 4, 6
    for decay in ((b, h, n, kd), (b, h, n)):
        a = (R("f32", b, 4, n, kd), R("f32", b, h, n, kd), R("f32", b, h, n, vd), R("f32", *decay, lo=0, hi=1),
             R("f32", b, h, n, lo=0, hi=1), R("f32", b, h, kd, vd))
        case("llama::gated_delta_rule", *a)
    case("llama::channelwise_gated_delta_rule", *a)
    case("preprocess::tile_crop", R("f32", 2, 4, 6), 2)
    case("llama::fallback", R("f32", 3), fn=lambda x: x.clone())


def dim_order():
    import executorch.exir.dim_order_utils  # noqa: F401
    from executorch.exir.passes import dim_order_ops_registry  # noqa: F401
    case("dim_order_ops::_to_dim_order_copy", R("f32", 2, 3), dtype=torch.float16)
    case("dim_order_ops::_clone_dim_order", R("f32", 2, 3), fn=lambda x: x.clone())
    for n in ("_d2h_copy", "_h2d_copy"):
        case("et_copy::" + n, R("f32", 3), fn=lambda x: x.clone())
    case("dim_order_ops::_empty_dim_order", [2, 3], dtype=torch.float32, any_value=True, fn=lambda *a, **k: torch.zeros(2, 3))


def main():
    print("# Generated by tools/golden/kernels.py with torch %s; do not edit" % torch.__version__.split("+")[0])
    table = rows()
    unary(table)
    binary(table)
    for part in (ternary, types, reductions, views, indexing, products, images, quantized, runners, dim_order):
        part()
    for line in FAILED:
        print(line, file=sys.stderr)
    sys.exit(bool(FAILED))


if __name__ == "__main__":
    main()
