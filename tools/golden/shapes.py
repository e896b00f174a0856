#!/usr/bin/env python3
"""Records what PyTorch says about result types: one line a call, `name(args in schema order) -> types` or `-> error`.

Run in an environment with torch 2.13 and executorch 1.5 (only to regenerate):
    python tools/golden/shapes.py > op/testdata/shapes.txt
op/shape_test.c replays the file against the shape rules. Rows and shape tokens are read from op/ops.def, so a new row of a known
class (unary, binary, compare, ...) gets its cases by itself; a row of another class needs a line in CASES.
"""
import itertools
import os
import re
import sys
import warnings

import torch

warnings.filterwarnings("ignore")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = {torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.float16: "f16",
         torch.float32: "f32", torch.float64: "f64", torch.complex64: "c64", torch.bool: "bool", torch.bfloat16: "bf16",
         torch.uint16: "u16", torch.uint32: "u32", torch.uint64: "u64"}
CODES = {torch.uint8: 0, torch.int8: 1, torch.int16: 2, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6,
         torch.float64: 7, torch.complex64: 9, torch.bool: 11, torch.bfloat16: 15, torch.uint16: 27, torch.uint32: 28, torch.uint64: 29}
DTYPES = {v: k for k, v in NAMES.items()}


def T(dtype, *sizes):
    return torch.zeros(sizes, dtype=DTYPES[dtype])


def O(dtype, *sizes):
    return torch.ones(sizes, dtype=DTYPES[dtype])


def rows():
    out = {}
    for line in open(os.path.join(ROOT, "op/ops.def")):
        m = re.match(r'OP\((\w+), "([\w:.]+)\(.*"(?:, NULL|, "[^"]*"), [^"]*?, (\w+), \w+, \w+, \w+\)$', line.strip())
        if m:
            out[m.group(2)] = m.group(3)
    return out


def find(name):
    ns, rest = name.split("::")
    base, _, overload = rest.partition(".")
    return getattr(getattr(getattr(torch.ops, ns), base), overload or "default")


def show(v):
    if v is None:
        return "none"
    if isinstance(v, torch.Tensor):
        return NAMES[v.dtype] + "[" + ", ".join(map(str, v.shape)) + "]"
    if isinstance(v, torch.dtype):
        return str(CODES[v])
    if isinstance(v, torch.device):
        return "0"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, float):
        return repr(v) if re.search(r"[.en]", repr(v)) else repr(v) + ".0"
    if isinstance(v, str):
        return '"' + v + '"'
    if isinstance(v, (list, tuple)):
        if any(isinstance(x, torch.Tensor) for x in v):
            return "{" + ", ".join(map(show, v)) + "}"
        return "[" + ", ".join(map(show, v)) + "]"
    raise TypeError(v)


def filled(op, args, kwargs):
    """Arguments in schema order with defaults."""
    out, args = [], list(args)
    for a in op._schema.arguments:
        kind = str(a.type)
        if args and not a.kwarg_only:
            v = args.pop(0)
        elif a.name in kwargs:
            v = kwargs[a.name]
        elif a.has_default_value():
            v = a.default_value
        else:
            v = None
        if isinstance(v, int) and not isinstance(v, bool) and kind.startswith("List[int]") and a.N:
            v = [v] * a.N
        if isinstance(v, int) and not isinstance(v, bool) and kind in ("float", "Optional[float]"):
            v = float(v)
        out.append(v)
    return out


def try_record(name, *args, **kwargs):
    """For loops over types: an error there is mostly a missing kernel, so only results are recorded."""
    record(name, *args, may_fail=True, **kwargs)


def record(name, *args, may_fail=False, **kwargs):
    op = find(name)
    text = name + "(" + ", ".join(map(show, filled(op, args, kwargs))) + ") -> "
    try:
        r = op(*args, **kwargs)
    except NotImplementedError:
        return
    except (RuntimeError, IndexError, TypeError, ValueError) as e:
        if "not implemented for" in str(e) or "not supported" in str(e) or "nyi" in str(e).lower():
            return  # a missing kernel says nothing of types
        if not may_fail:
            print(text + "error")
        return
    if isinstance(r, torch.Tensor):
        r = [r]
    elif not isinstance(r, (list, tuple)):
        return
    if any(t.dtype not in NAMES for t in r):
        print(text + "error")
        return
    print(text + ", ".join(map(show, r)))


UNARY = ["f32", "f16", "bf16", "f64", "i64", "i32", "u8", "bool", "c64"]
FIRST = ["f32", "bf16", "i64", "i32", "bool", "u8"]


def unary_rows(table):
    extra = {"aten::round.decimals": dict(decimals=1), "aten::threshold": None}
    takes_one = {"unary", "unary_float", "unary_bool", "abs", "square", "real", "angle", "reduce_all", "any_all", "sum_all", "mean_all",
                 "var_all", "var_mean_all", "dtype1", "argmax", "nonzero", "ravel", "numpy_T", "squeeze"}
    skip = {"aten::prelu", "aten::_prelu_kernel", "aten::threshold", "aten::copy", "aten::copy_", "aten::isin.Tensor_Tensor",
            "aten::isin.Tensor_Scalar"}
    for name, shape in table.items():
        if shape not in takes_one or not name.startswith("aten::") or name in skip:
            continue
        op = find(name)
        required = [a for a in op._schema.arguments if not a.has_default_value()]
        if len(required) != 1 and name not in extra:
            continue
        for d in UNARY if shape != "unary" or name in ("aten::neg", "aten::relu", "aten::clone") else ["f32", "bf16", "i64", "bool"]:
            try_record(name, (O if d == "bool" else T)(d, 2, 3), **(extra.get(name) or {}))
        try_record(name, T("f32"), **(extra.get(name) or {}))
        try_record(name, O("f32", 1, 0, 3), **(extra.get(name) or {}))


def binary_rows(table):
    for name, shape in table.items():
        odd = ("aten::isclose", "aten::heaviside", "aten::nextafter", "aten::equal")
        if shape not in ("binary", "binary_float", "compare") or name in odd:
            continue
        op = find(name)
        kinds = [str(a.type) for a in op._schema.arguments[:2]]
        few = name not in ("aten::add.Tensor", "aten::div.Tensor")
        full = ["f32", "f16", "bf16", "i64", "i32", "u8", "bool", "c64"]
        pairs = [("f32", "i64"), ("i64", "i64"), ("bool", "bool"), ("bf16", "f32")] if few else list(itertools.product(full, full))
        zero = [("bf16", "f32"), ("i64", "f32"), ("i64", "bool")] if few else list(itertools.product(FIRST, FIRST))
        dts = ["f32", "i64", "bool"] if few else full
        if kinds == ["Tensor", "Tensor"]:
            for a, b in pairs:
                try_record(name, O(a, 2, 3), O(b, 2, 3))
            for a, b in zero:
                try_record(name, O(a, 2, 3), O(b))
                try_record(name, O(b), O(a, 3))
            try_record(name, O("f32", 4, 1, 3), O("f32", 2, 1))
            record(name, O("f32", 2, 3), O("f32", 4))
            try_record(name, O("f32", 0, 3), O("f32", 1))
        scalars = [2, 1.5, True]
        if kinds[1] in ("number", "Tensor"):
            for a, s in itertools.product(dts, scalars):
                try_record(name, O(a, 2, 3), s)
        if kinds[0] == "number":
            for a, s in itertools.product(dts, scalars):
                try_record(name, s, O(a, 2, 3))
        try_record(name, *[2 if k == "number" else O("i64") for k in kinds])


def cases():
    f = lambda *s: T("f32", *s)  # noqa: E731
    i = lambda *s: T("i64", *s)  # noqa: E731
    b = lambda *s: O("bool", *s)  # noqa: E731
    r = record
    # elementwise
    for mode in (None, "trunc", "floor"):
        for x, y in itertools.product(["f32", "i64"], ["f32", "i64"]):
            r("aten::div.Tensor_mode", O(x, 2, 3), O(y, 3), rounding_mode=mode)
        r("aten::div.Scalar_mode", O("i64", 2), 2, rounding_mode=mode)
    for x, y in itertools.product(["f32", "bf16", "i64", "bool"], ["f32", "i64", "bool"]):
        r("aten::where.self", b(2, 1), T(x, 3), T(y, 2, 3))
        r("aten::where.self", b(2, 3), T(x), T(y, 2, 3))
        r("aten::where.self", b(2, 3), T(x, 3), T(y))
        r("aten::clamp.Tensor", T(x, 2, 3), T(y, 3))
    for x, s in itertools.product(["f32", "bf16", "i64", "bool"], [0, -1.5, True]):
        r("aten::where.ScalarOther", b(2, 1), T(x, 3), s)
        r("aten::where.ScalarSelf", b(2, 1), s, T(x, 3))
        r("aten::clamp", T(x, 2, 3), s)
        r("aten::clamp", T(x, 2, 3), None, s)
        r("aten::clamp_min", T(x, 2, 3), s)
        r("aten::clamp_max", T(x, 2, 3), s)
        r("aten::masked_fill.Scalar", T(x, 2, 3), b(3), s)
        r("aten::fill.Scalar", T(x, 2, 3), s)
        r("aten::full_like", T(x, 2, 3), s)
        r("aten::full", [2, 3], s)
        r("aten::where.Scalar", b(2), s, 1)
        r("aten::scalar_tensor", s)
    r("aten::where.Scalar", b(2), 1.0, 2.0)
    r("aten::clamp_min.Tensor", i(2, 3), f(3))
    r("aten::clamp_max.Tensor", f(2, 3), i())
    r("aten::masked_fill.Tensor", f(2, 3), b(2, 1), f())
    r("aten::masked_fill.Scalar", f(3), b(2, 3), 0)
    r("aten::masked_scatter", f(2, 3), b(3), f(6))
    r("aten::masked_select", f(2, 3), b(3))
    r("aten::addcmul", f(2, 3), f(3), f(2, 1), value=2)
    r("aten::addcdiv", f(2, 3), f(3), O("f32", 2, 1), value=2)
    r("aten::lerp.Scalar", f(2, 3), f(3), 0.5)
    r("aten::lerp.Tensor", f(2, 3), f(3), f(2, 1))
    r("aten::isclose", f(2, 1), f(3))
    r("aten::heaviside", f(2, 1), f(3))
    r("aten::nextafter", f(2, 1), f(3))
    r("aten::isin.Tensor_Tensor", i(2, 3), i(4))
    r("aten::isin.Tensor_Scalar", i(2, 3), 4)
    r("aten::threshold", f(2, 3), 0.0, 1.0)
    r("aten::prelu", f(2, 3), f(3))
    r("aten::_prelu_kernel", f(2, 3), f(1, 3))
    r("aten::glu", f(2, 4, 6), 1)
    r("aten::glu", f(2, 4, 6))
    r("aten::glu", f(3))
    r("aten::complex", f(2, 1), f(3))
    r("aten::polar", f(2, 1), f(3))
    r("aten::copy", f(2, 3), i(3))
    r("aten::copy_", f(2, 3), i(3))
    r("aten::bernoulli.p", f(2, 3), 0.5)
    r("aten::native_dropout", f(2, 3), 0.5, True)
    for n in ("aten::dropout", "aten::alpha_dropout", "aten::feature_dropout"):
        r(n, f(2, 3), 0.5, False)
    # type and memory
    for n in ("aten::_to_copy", "aten::to.dtype_layout", "aten::zeros_like", "aten::ones_like", "aten::empty_like", "aten::rand_like",
              "aten::randn_like"):
        r(n, f(2, 3), dtype=torch.bfloat16)
        r(n, f(), dtype=torch.float64)
    r("aten::to.dtype", i(2, 3), torch.float16)
    r("aten::to.device", i(2, 3), torch.device("cpu"), torch.float16)
    r("aten::fill.Tensor", f(2, 3), i())
    r("aten::to.other", i(2, 3), f(4))
    r("aten::type_as", i(2, 3), f(4))
    r("aten::randint_like", f(2, 3), 4)
    r("aten::randint_like", f(2, 3), 4, dtype=torch.int32)
    # creation
    for n in ("aten::zeros", "aten::ones", "aten::empty.memory_format", "aten::rand", "aten::randn"):
        r(n, [2, 0, 3])
        r(n, [])
        r(n, [2], dtype=torch.float16)
        r(n, [-1])
    r("aten::full", [2], 1, dtype=torch.float32)
    for n in ("aten::new_zeros", "aten::new_ones", "aten::new_empty"):
        r(n, i(3), [2, 4])
        r(n, i(3), [2, 4], dtype=torch.float32)
    r("aten::new_full", i(3), [2, 4], 1.5)
    r("aten::new_full", i(3), [2, 4], 1.5, dtype=torch.float32)
    r("aten::new_empty_strided", i(3), [2, 4], [4, 1])
    for n, args in (("aten::arange", (5,)), ("aten::arange", (5.5,)), ("aten::arange.start", (2, 9)), ("aten::arange.start", (2.5, 9)),
                    ("aten::arange.start_step", (0, 10, 3)), ("aten::arange.start_step", (10, 0, -3)),
                    ("aten::arange.start_step", (0, 1, 0.25)),
                    ("aten::arange.start_step", (0, 10, -1)), ("aten::arange.start", (9, 2)), ("aten::arange.start_step", (3, 3, 2)),
                    ("aten::arange.start_step", (0, 10, 0))):
        r(n, *args)
        r(n, *args, dtype=torch.float32)
    r("aten::arange.start_step", 0, 64, 2, dtype=torch.int64)
    r("aten::arange.start_step", 0.5, 5.5, 1.5, dtype=torch.int64)
    r("aten::linspace", 0, 1, 7)
    r("aten::linspace", 0, 1, 0, dtype=torch.float64)
    r("aten::eye", 3)
    r("aten::eye.m", 3, 4, dtype=torch.int64)
    for off in (-2, 0, 1, 5):
        r("aten::tril_indices", 3, 4, off)
        r("aten::triu_indices", 4, 3, off)
    r("aten::randint", 10, [2, 3])
    r("aten::randint.low", 1, 10, [2, 3], dtype=torch.int32)
    r("aten::randperm", 6)
    r("aten::normal.float_float", 0.0, 1.0, [2, 3])
    # reductions
    for dims in ([1], [0, -1], [], None, [1, 1], [3]):
        for keep in (False, True):
            for n in ("aten::sum.dim_IntList", "aten::mean.dim", "aten::var.correction", "aten::std.correction",
                      "aten::var_mean.correction",
                      "aten::std_mean.correction"):
                r(n, f(2, 3, 4), dims, keepdim=keep)
            r("aten::any.dims", T("bool", 2, 3, 4), dims, keep)
            r("aten::all.dims", T("i64", 2, 3, 4), dims, keep)
            r("aten::linalg_vector_norm", f(2, 3, 4), 2, dims, keep)
            if dims is not None:
                r("aten::amax", i(2, 3, 4), dims, keep)
                r("aten::amin", f(2, 3, 4), dims, keep)
                if dims:
                    r("aten::logsumexp", f(2, 3, 4), dims, keep)
                r("aten::norm.ScalarOpt_dim", f(2, 3, 4), 2, dims, keep)
                r("aten::var.dim", f(2, 3, 4), dims, True, keep)
                r("aten::std.dim", f(2, 3, 4), dims, True, keep)
                r("aten::var_mean.dim", f(2, 3, 4), dims, True, keep)
    for d in UNARY:
        r("aten::sum.dim_IntList", T(d, 2, 3), [1])
        r("aten::mean.dim", T(d, 2, 3), [1])
        r("aten::prod.dim_int", T(d, 2, 3), 1)
        r("aten::cumsum", T(d, 2, 3), 1)
        r("aten::cumprod", T(d, 2, 3), -1)
        r("aten::any.dim", T(d, 2, 3), 1)
        r("aten::all.dim", T(d, 2, 3), 1)
        r("aten::logsumexp", T(d, 2, 3), [1])
        r("aten::var.correction", T(d, 2, 3), [1])
        r("aten::linalg_vector_norm", T(d, 2, 3), 2, [1])
        r("aten::norm.Scalar", T(d, 2, 3))
    r("aten::sum.dim_IntList", f(), [0])
    r("aten::sum.dim_IntList", f(), [1])
    r("aten::sum.dim_IntList", i(2, 3), [1], dtype=torch.float32)
    r("aten::mean.dim", i(2, 3), [1], dtype=torch.float32)
    r("aten::sum", i(2, 3), dtype=torch.float32)
    r("aten::prod", T("bool", 2, 3))
    r("aten::norm.ScalarOpt_dim_dtype", f(2, 3), 2, [1], True, dtype=torch.float64)
    r("aten::linalg_vector_norm", f(2, 3), 2, [1], dtype=torch.float64)
    r("aten::count_nonzero.dim_IntList", f(2, 3, 4), [0, 2])
    r("aten::count_nonzero", f(2, 3, 4), 1)
    for n in ("aten::argmax", "aten::argmin"):
        r(n, f(2, 3), 1)
        r(n, f(2, 3), 0, True)
    for n in ("aten::max.dim", "aten::min.dim"):
        r(n, f(2, 3), 1)
        r(n, i(2, 3), -2, True)
        r(n, f(), 0)
    for n in ("aten::cummax", "aten::cummin"):
        r(n, f(2, 3), 1)
    r("aten::logcumsumexp", f(2, 3), 1)
    r("aten::cumsum", i(2, 3), 1, dtype=torch.float32)
    r("aten::cumsum", f(2, 3), 2)
    for n in ("aten::_softmax", "aten::_log_softmax"):
        r(n, f(2, 3), -1, False)
        r(n, f(2, 3), 2, False)
    for n in ("aten::softmax.int", "aten::log_softmax.int"):
        r(n, T("bf16", 2, 3), -1)
        r(n, T("bf16", 2, 3), -1, torch.float32)
    # sorting and searching
    r("aten::topk", f(2, 5), 3)
    r("aten::topk", f(4, 5), 2, 0)
    r("aten::topk", f(2, 5), 6)
    r("aten::sort", f(2, 5))
    r("aten::sort.stable", f(2, 5), stable=True)
    r("aten::argsort", f(2, 5))
    r("aten::argsort.stable", f(2, 5), stable=True)
    r("aten::multinomial", O("f32", 2, 5), 3)
    r("aten::multinomial", O("f32", 5), 2)
    r("aten::histc", f(2, 5), 7)
    r("aten::bucketize.Tensor", f(2, 5), f(7))
    r("aten::bucketize.Tensor", f(2, 5), f(7), out_int32=True)
    r("aten::searchsorted.Tensor", f(7), f(2, 5))
    # views
    for n in ("aten::view", "aten::reshape", "aten::_unsafe_view"):
        for s in ([6, 4], [-1], [2, -1, 2], [2, 3, 4, 1], [5, -1], [-1, -1], [7], []):
            r(n, f(2, 3, 4), s)
        r(n, f(), [1, 1])
        r(n, f(0, 3), [3, 0])
        r(n, f(0, 3), [-1, 0])
    r("aten::view_as", f(2, 3), f(6))
    for a, e in ((0, -1), (1, 2), (0, 1), (2, 1), (0, 0)):
        r("aten::flatten.using_ints", f(2, 3, 4), a, e)
    r("aten::flatten.using_ints", f())
    for d, s in ((1, [2, 3]), (-1, [-1, 2]), (1, [4, 2]), (1, [6])):
        r("aten::unflatten.int", f(2, 6, 4), d, s)
    r("aten::view.dtype", f(2, 3), torch.int32)
    r("aten::view.dtype", f(2, 3), torch.int16)
    r("aten::view.dtype", f(2, 4), torch.int64)
    r("aten::view.dtype", f(2, 3), torch.int64)
    r("aten::view_as_complex", f(2, 3, 2))
    r("aten::view_as_complex", f(2, 3))
    r("aten::view_as_real", T("c64", 2, 3))
    for p in ([2, 0, 1], [0, -1, 1], [0, 1], [0, 0, 1], [0, 1, 3]):
        r("aten::permute", f(2, 3, 4), p)
    r("aten::permute", f(), [])
    for n in ("aten::transpose.int", "aten::swapaxes", "aten::swapdims"):
        r(n, f(2, 3, 4), 0, -1)
        r(n, f(2, 3, 4), 1, 1)
        r(n, f(2, 3, 4), 0, 3)
    for t in (f(), f(2), f(2, 3), f(2, 3, 4)):
        r("aten::t", t)
        r("aten::mT", t)
    r("aten::adjoint", f(2, 3, 4))
    r("aten::movedim.int", f(2, 3, 4), 0, 2)
    r("aten::movedim.intlist", f(2, 3, 4, 5), [0, 3], [1, 0])
    r("aten::movedim.intlist", f(2, 3, 4, 5), [0, 0], [1, 0])
    r("aten::squeeze", f(1, 2, 1, 3))
    for d in (0, 1, -1, 4):
        r("aten::squeeze.dim", f(1, 2, 1), d)
    r("aten::squeeze.dims", f(1, 2, 1), [0, 1, 2])
    for d in (0, 1, 2, -1, -3, 3):
        r("aten::unsqueeze", f(2, 3), d)
    for n in ("aten::expand", "aten::broadcast_to"):
        for s in ([2, 3], [4, 2, 3], [-1, 3], [2, -1, 3], [2, 4], [3]):
            r(n, f(2, 1), s)
    r("aten::expand_as", f(2, 1), f(4, 2, 3))
    for d, x in ((0, 0), (1, -1), (-1, 3), (1, 3), (3, 0)):
        r("aten::select.int", f(2, 3, 4), d, x)
    for s in ((None, None), (1, None), (None, 2), (-2, None), (None, -1), (1, 9), (3, 1), (-9, 2), (9, None), (0, 9223372036854775807)):
        r("aten::slice.Tensor", f(2, 5), 1, *s)
        r("aten::slice.Tensor", f(2, 5), 1, *s, 2)
    r("aten::slice.Tensor", f(2, 5), 1, 0, 5, 0)
    for n in ("aten::narrow", "aten::narrow_copy"):
        r(n, f(2, 5), 1, 1, 3)
        r(n, f(2, 5), 1, -2, 2)
        r(n, f(2, 5), 1, 3, 3)
    for o, a, e in ((0, 0, 1), (1, 0, 1), (-1, 0, 2), (9, 0, 1), (0, 1, 1)):
        r("aten::diagonal", f(3, 4, 5), o, a, e)
    r("aten::as_strided", f(2, 6), [3, 2], [1, 3], 1)
    r("aten::unfold", f(2, 10), 1, 4, 3)
    r("aten::unfold", f(2, 10), 1, 11, 3)
    r("aten::pixel_shuffle", f(1, 8, 3, 4), 2)
    r("aten::pixel_unshuffle", f(1, 2, 6, 4), 2)
    for n in ("aten::split.Tensor", "aten::unsafe_split.Tensor"):
        r(n, f(2, 7), 3, 1)
        r(n, f(2, 6), 3, -1)
        r(n, f(2, 7), 9, 1)
        r(n, f(0, 7), 3)
    for n in ("aten::chunk", "aten::unsafe_chunk"):
        r(n, f(2, 7), 3, 1)
        r(n, f(2, 8), 2, -1)
        r(n, f(2, 5), 4, 1)
        r(n, f(0, 5), 4)
    for n in ("aten::split_with_sizes", "aten::split.sizes"):
        r(n, f(2, 7), [3, 4], 1)
        r(n, f(2, 7), [3, 3], 1)
    r("aten::tensor_split.sections", f(7, 2), 3)
    r("aten::tensor_split.indices", f(7, 2), [2, 5])
    r("aten::tensor_split.indices", f(7, 2), [-2, 3, 12])
    r("aten::unbind.int", f(2, 3), 0)
    r("aten::unbind.int", f(2, 3), -1)
    # joining
    for n in ("aten::cat", "aten::concat", "aten::concatenate"):
        r(n, [f(2, 3), f(2, 4)], 1)
        r(n, [f(2, 3), i(1, 3)])
        r(n, [f(0), f(2, 3)], 1)
        r(n, [f(2, 3), f(2, 4)], 0)
        r(n, [T("bf16", 2), T("f16", 2)], -1)
    r("aten::stack", [f(2, 3), f(2, 3)], 1)
    r("aten::stack", [f(2, 3), i(2, 3)], -1)
    r("aten::stack", [f(2, 3), f(2, 4)])
    r("aten::stack", [f(), f()])
    r("aten::meshgrid", [f(2), f(3)])
    r("aten::meshgrid.indexing", [f(2), f(3)], indexing="xy")
    r("aten::meshgrid.indexing", [f(2), f(3)], indexing="ij")
    for s in ([2, 3], [2, 1, 3], [2], [0, 1]):
        r("aten::repeat", f(2, 3), s)
        r("aten::tile", f(2, 3), s)
    r("aten::repeat_interleave.self_int", f(2, 3), 2)
    r("aten::repeat_interleave.self_int", f(2, 3), 2, 1)
    r("aten::repeat_interleave.Tensor", i(3), output_size=0)
    r("aten::repeat_interleave.self_Tensor", f(2, 3), i(2), 0, output_size=0)
    r("aten::roll", f(2, 3), [1], [0])
    r("aten::flip", f(2, 3), [0])
    # indexing
    r("aten::embedding", f(10, 4), i(2, 3))
    r("aten::embedding", T("bf16", 10, 4), T("i32", 2, 3))
    r("aten::gather", f(3, 4), 1, i(2, 2))
    r("aten::gather", f(3, 4), 1, i(2))
    for idx in ([i(2)], [None, i(2)], [i(2), i(2)], [i(2, 1), None, i(3)], [None, i(2), i(2)], [i(2), i(3)], [i(2), i(2), i(2), i(2)],
                [i(2), None, None], [None, i(2, 2), None], [None, i(2), None, ], [i()], [i(2, 1), i(3)]):
        r("aten::index.Tensor", f(4, 5, 6), idx)
        if idx[0] is not None:
            r("aten::index_put", f(4, 5, 6), idx[:1], f())
    r("aten::index.Tensor", f(4, 5), [f(2)])
    r("aten::index_put_", f(4, 5, 6), [i(2)], f())
    r("aten::index_select", f(4, 5), 1, i(3))
    r("aten::index_select", f(4, 5), 0, T("i32", 3))
    r("aten::index_add", f(4, 5), 1, i(3), f(4, 3))
    r("aten::index_copy", f(4, 5), 1, i(3), f(4, 3))
    r("aten::index_fill.int_Scalar", f(4, 5), 1, i(3), 1)
    r("aten::index_fill.int_Tensor", f(4, 5), 1, i(3), f())
    r("aten::one_hot", i(2, 3), 5)
    r("aten::scatter.src", f(3, 4), 1, i(2, 2), f(2, 2))
    r("aten::scatter.value", f(3, 4), 1, i(2, 2), 1)
    r("aten::scatter_add", f(3, 4), 1, i(2, 2), f(2, 2))
    r("aten::scatter_reduce.two", f(3, 4), 1, i(2, 2), f(2, 2), "sum")
    r("aten::select_scatter", f(3, 4), f(3), 1, 0)
    r("aten::slice_scatter", f(3, 4), f(3, 2), 1, 0, 2)
    r("aten::take_along_dim", f(3, 4), i(3, 1), 1)
    r("aten::take_along_dim", f(3, 4), i(1, 2), 1)
    r("aten::take_along_dim", f(3, 4), i(2))
    r("aten::take", f(3, 4), i(2, 5))
    # linear algebra
    for x, w in ((f(2, 3, 4), f(5, 4)), (f(4), f(5, 4)), (f(2, 4), f(4)), (f(2, 3), f(5, 4)), (T("bf16", 2, 4), f(5, 4))):
        r("aten::linear", x, w)
    shapes = [(4,), (3, 4), (4, 5), (2, 3, 4), (2, 4, 5), (7, 1, 4, 5), (1, 4, 5)]
    for n in ("aten::matmul", "aten::linalg_matmul"):
        for x, y in itertools.product(shapes, shapes):
            r(n, f(*x), f(*y))
    r("aten::mm", f(2, 3), f(3, 4))
    r("aten::mm", f(2, 3), f(4, 4))
    r("aten::mm", f(2, 3), T("bf16", 3, 4))
    r("aten::bmm", f(5, 2, 3), f(5, 3, 4))
    r("aten::bmm", f(5, 2, 3), f(1, 3, 4))
    r("aten::mv", f(2, 3), f(3))
    r("aten::dot", f(3), f(3))
    r("aten::dot", f(3), f(4))
    r("aten::outer", f(3), i(4))
    for s in (f(4), f(2, 4), f(2, 1), f(), f(3, 4), f(1, 2, 4)):
        r("aten::addmm", s, f(2, 3), f(3, 4))
    r("aten::addmv", f(2), f(2, 3), f(3))
    r("aten::baddbmm", f(2, 4), f(5, 2, 3), f(5, 3, 4))
    r("aten::addbmm", f(2, 4), f(5, 2, 3), f(5, 3, 4))
    r("aten::cdist", f(2, 3, 4), f(2, 5, 4))
    r("aten::cdist", f(1, 3, 4), f(2, 5, 4))
    r("aten::_cdist_forward", f(3, 4), f(5, 4), 2.0, None)
    r("aten::_pdist_forward", f(5, 4))
    r("aten::cross", f(2, 3), f(2, 3))
    r("aten::linalg_cross", f(2, 3), f(1, 3))
    r("aten::cosine_similarity", f(2, 3, 4), f(2, 1, 4))
    r("aten::_fft_r2c", f(2, 10), [1], 0, True)
    r("aten::_fft_r2c", f(2, 10), [1], 0, False)
    r("aten::_fft_c2r", T("c64", 2, 6), [1], 0, 10)
    # normalisation, attention
    for n in ("aten::layer_norm", "aten::rms_norm"):
        r(n, f(2, 3, 4), [4])
        r(n, f(2, 3, 4), [3, 4])
        r(n, f(2, 3, 4), [3])
    r("aten::native_layer_norm", f(2, 3, 4), [4], f(4), f(4), 1e-5)
    r("aten::native_layer_norm", f(2, 3, 4), [3, 4], None, None, 1e-5)
    r("aten::native_layer_norm", T("bf16", 2, 4), [4], f(4), f(4), 1e-5)
    r("aten::native_layer_norm", T("bf16", 2, 4), [4], T("bf16", 4), T("bf16", 4), 1e-5)
    r("aten::group_norm", f(2, 6, 4), 3)
    r("aten::instance_norm", f(2, 6, 4), None, None, None, None, True, 0.1, 1e-5, False)
    r("aten::native_group_norm", f(2, 6, 4), f(6), f(6), 2, 6, 4, 3, 1e-5)
    r("aten::batch_norm", f(2, 6, 4), f(6), f(6), f(6), f(6), False, 0.1, 1e-5, False)
    r("aten::native_batch_norm", f(2, 6, 4), f(6), f(6), f(6), f(6), False, 0.1, 1e-5)
    r("aten::native_batch_norm", f(2, 6, 4), f(6), f(6), f(6), f(6), True, 0.1, 1e-5)
    r("aten::_native_batch_norm_legit", f(2, 6, 4), f(6), f(6), f(6), f(6), False, 0.1, 1e-5)
    r("aten::_native_batch_norm_legit.no_stats", f(2, 6, 4), f(6), f(6), True, 0.1, 1e-5)
    r("aten::_native_batch_norm_legit_no_training", f(2, 6, 4), f(6), f(6), f(6), f(6), 0.1, 1e-5)
    r("aten::scaled_dot_product_attention", f(1, 4, 5, 8), f(1, 4, 7, 8), f(1, 4, 7, 6))
    r("aten::scaled_dot_product_attention", f(1, 4, 5, 8), f(1, 2, 7, 8), f(1, 2, 7, 8), enable_gqa=True)
    r("aten::scaled_dot_product_attention", f(1, 4, 5, 8), f(1, 4, 7, 9), f(1, 4, 7, 8))
    # convolution, pooling, resizing, padding
    r("aten::conv1d", f(2, 4, 10), f(6, 4, 3), f(6), [2], [1])
    r("aten::conv1d", f(4, 10), f(6, 4, 3))
    r("aten::conv2d", f(2, 4, 10, 11), f(6, 2, 3, 3), None, [2, 1], [1, 0], [1, 2], 2)
    r("aten::conv2d", f(2, 4, 10, 11), f(6, 3, 3, 3))
    r("aten::conv2d", f(2, 4, 2, 2), f(6, 4, 3, 3))
    r("aten::conv3d", f(2, 4, 5, 6, 7), f(6, 4, 3, 3, 3))
    r("aten::conv1d.padding", f(2, 4, 10), f(6, 4, 3), None, [1], "same")
    r("aten::conv1d.padding", f(2, 4, 10), f(6, 4, 3), None, [1], "valid")
    r("aten::conv2d.padding", f(2, 4, 10, 11), f(6, 4, 3, 3), None, [1, 1], "same")
    r("aten::conv_transpose1d", f(2, 4, 10), f(4, 3, 4), None, [2], [1], [1])
    r("aten::conv_transpose2d.input", f(2, 4, 10, 11), f(4, 3, 4, 3), None, [2, 2], [1, 0], [1, 0], 2, [1, 2])
    r("aten::convolution", f(2, 4, 10), f(6, 4, 3), None, [2], [1], [1], False, [0], 1)
    r("aten::convolution", f(2, 4, 10), f(4, 3, 3), None, [2], [1], [1], True, [1], 2)
    r("aten::convolution", f(2, 4, 10, 11), f(6, 1, 3, 3), f(6), [1], [1], [1], False, [0], 4)
    r("aten::convolution", f(2, 4, 10, 11), f(8, 1, 3, 3), f(8), [1, 1], [1, 1], [1, 1], False, [0, 0], 4)
    r("aten::convolution_backward", f(2, 6, 8), f(2, 4, 10), f(6, 4, 3), [6], [1], [0], [1], False, [0], 1, [True, True, True])
    for n in ("aten::avg_pool1d", "aten::max_pool1d"):
        r(n, f(2, 4, 10), [3], [2], [1])
        r(n, f(4, 10), [3])
    for ceil in (False, True):
        r("aten::avg_pool2d", f(2, 4, 10, 11), [3, 2], [2, 2], [1, 1], ceil)
        r("aten::max_pool2d", f(2, 4, 10, 11), [3, 2], [2, 2], [1, 1], [1, 2], ceil)
        r("aten::max_pool2d_with_indices", f(4, 10, 11), [3, 3], [2, 3], [0, 1], [1, 1], ceil)
        r("aten::avg_pool2d", f(1, 1, 5, 5), [2, 2], [3, 3], [0, 0], ceil)
        r("aten::avg_pool2d", f(1, 1, 4, 4), [2, 2], [3, 3], [1, 1], ceil)
    r("aten::avg_pool3d", f(1, 2, 6, 6, 6), [2, 2, 2])
    r("aten::avg_pool2d", f(2, 4, 10, 11), [3, 2])
    r("aten::max_pool2d_with_indices_backward", f(1, 1, 2, 2), f(1, 1, 4, 4), [2, 2], [2, 2], [0, 0], [1, 1], False, i(1, 1, 2, 2))
    r("aten::adaptive_avg_pool1d", f(2, 4, 10), [3])
    r("aten::adaptive_avg_pool2d", f(2, 4, 10, 11), [3, 2])
    r("aten::_adaptive_avg_pool2d", f(4, 10, 11), [1, 1])
    r("aten::adaptive_max_pool2d", f(2, 4, 10, 11), [3, 2])
    for n in ("aten::upsample_bilinear2d", "aten::upsample_bicubic2d", "aten::_upsample_bilinear2d_aa"):
        r(n, f(2, 4, 10, 11), [20, 7], False)
    r("aten::upsample_nearest2d", f(2, 4, 10, 11), [20, 7])
    r("aten::upsample_linear1d", f(2, 4, 10), [20], False)
    r("aten::upsample_nearest1d", f(2, 4, 10), [20])
    for n in ("aten::upsample_bilinear2d.vec", "aten::upsample_bicubic2d.vec"):
        r(n, f(2, 4, 10, 11), [20, 7], False, None)
        r(n, f(2, 4, 10, 11), None, False, [2.0, 0.7])
    r("aten::upsample_nearest2d.vec", f(2, 4, 10, 11), None, [1.5, 0.5])
    r("aten::upsample_nearest1d.vec", f(2, 4, 10), None, [1.5])
    r("aten::upsample_linear1d.vec", f(2, 4, 10), None, False, [1.5])
    r("aten::constant_pad_nd", f(2, 3, 4), [1, 2, -1, 0])
    r("aten::constant_pad_nd", f(2, 3), [1, 2, 0, 0, 1, 1])
    r("aten::constant_pad_nd", f(2, 3), [-2, -2])
    r("aten::pad", f(2, 3, 4), [1, 2])
    r("aten::pad", f(2, 3, 4), [1, 2], "reflect")
    r("aten::reflection_pad1d", f(2, 3, 4), [1, 2])
    r("aten::reflection_pad2d", f(2, 3, 4), [1, 2, 1, 1])
    r("aten::reflection_pad3d", f(1, 2, 3, 4, 5), [1, 2, 1, 1, 1, 0])
    r("aten::replication_pad1d", f(2, 3, 4), [1, 2])
    r("aten::replication_pad2d", f(2, 3, 4), [1, 2, 1, 1])
    r("aten::replication_pad3d", f(1, 2, 3, 4, 5), [1, 2, 1, 1, 1, 0])
    for n in ("aten::grid_sampler", "aten::grid_sampler_2d"):
        r(n, f(2, 4, 10, 11), f(2, 5, 6, 2), 0, 0, False)
    r("aten::im2col", f(2, 4, 10, 11), [3, 2], [1, 2], [1, 0], [2, 1])


def custom_cases():
    """Operators that executorch registers."""
    import executorch.exir.passes._quant_patterns_and_replacements  # noqa: F401
    import torch.ao.quantization.fx._decomposed  # noqa: F401
    q, f, i8 = "quantized_decomposed::", lambda *s: T("f32", *s), torch.int8
    record(q + "quantize_per_tensor", f(2, 3), 0.5, 0, -128, 127, i8)
    record(q + "quantize_per_tensor.tensor", f(2, 3), O("f32"), T("i64"), -128, 127, i8)
    record(q + "dequantize_per_tensor", T("i8", 2, 3), 0.5, 0, -128, 127, i8)
    record(q + "dequantize_per_tensor.tensor", T("i8", 2, 3), O("f32"), T("i64"), -128, 127, i8)
    record(q + "quantize_per_channel", f(2, 3), O("f32", 2), T("i64", 2), 0, -128, 127, i8)
    record(q + "dequantize_per_channel", T("i8", 2, 3), O("f32", 2), T("i64", 2), 0, -128, 127, i8)
    record(q + "choose_qparams.tensor", f(2, 3), -128, 127, 1e-5, i8)
    record(q + "choose_qparams_per_token_asymmetric", f(2, 3, 4), i8)
    record(q + "quantize_per_token", f(2, 3), O("f32", 2, 1), T("i64", 2, 1), -128, 127, i8)
    record(q + "dequantize_per_token", T("i8", 2, 3), O("f32", 2, 1), T("i64", 2, 1), -128, 127, i8, torch.float32)
    record(q + "dequantize_per_channel_group", T("i8", 2, 8), O("f32", 2, 2), T("f32", 2, 2), -8, 7, i8, 4, torch.float32)
    for n, pack in (("byte", 1), ("4bit", 2), ("2bit", 4)):
        w = T("i8" if pack == 1 else "u8", 10, 8 // pack)
        lo = {1: -128, 2: -8, 4: -2}[pack]
        record(q + f"embedding_{n}", w, O("f32", 10), None, lo, -lo - 1, T("i64", 2, 3))
        record(q + f"embedding_{n}.dtype", w, O("f32", 10), None, lo, -lo - 1, T("i64", 2, 3), dtype=torch.float16)


def main():
    print("# Generated by tools/golden/shapes.py with torch %s; do not edit" % torch.__version__.split("+")[0])
    table = rows()
    assert len(table) > 400, len(table)
    unary_rows(table)
    binary_rows(table)
    cases()
    custom_cases()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
