"""Writes pass/testdata/decomp.txt: one-node graphs of every op that pass/ decomposes, with inputs and PyTorch's results.

Run where PyTorch is installed: python tools/golden/decomp.py. A case:
    case NAME
    etch-graph 1 ... end          the graph, text form of graph/graph.h
    in f32[2, 3] HEX              bytes of each input, in order
    out f32[2, 3] HEX             bytes of each result (or: error, when the op cannot be lowered)
"""
import os

import torch

g = torch.Generator().manual_seed(3)
DT = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64", torch.int32: "i32",
      torch.bool: "bool", torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16"}
F, L = torch.float32, torch.int64
cases, counts = [], {}


def r(*shape, dtype=F, scale=1.0):
    return (torch.randn(shape, generator=g) * scale).to(dtype)


def pos(*shape):
    return torch.rand(shape, generator=g) + 0.1


def ints(*shape, lo=0, hi=5, dtype=L):
    return torch.randint(lo, hi, shape, generator=g).to(dtype)


def mask(*shape):
    return torch.rand(shape, generator=g) > 0.4


def special(*shape):
    x = r(*shape).flatten()
    for i, v in enumerate([float("nan"), float("inf"), -float("inf"), 0.0]):
        x[i] = v
    return x.reshape(shape)


def typ(t):
    return f"{DT[t.dtype]}[{', '.join(str(s) for s in t.shape)}]"


def text(v, ins):
    if isinstance(v, torch.Tensor):
        ins.append(v)
        return f"%{len(ins) - 1}"
    if isinstance(v, bool):
        return "true" if v else "false"
    if v is None:
        return "None"
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(text(x, ins) for x in v) + "]"
    if isinstance(v, str):
        return f'"{v}"'
    if isinstance(v, torch.dtype):
        return DT[v]
    if isinstance(v, float):
        s = repr(v)
        return s if any(c in s for c in ".einf") else s + ".0"
    return str(v)


def data(t):
    t = t.contiguous().reshape(-1)
    raw = t.to(torch.uint8) if t.dtype == torch.bool else t.view(torch.uint8)
    return bytes(raw.tolist()).hex()


def case(name, *args, error=False, **kw):
    packet, _, overload = name.partition(".")
    ns, _, base = packet.rpartition("::")
    op = getattr(getattr(getattr(torch.ops, ns or "aten"), base), overload or "default")
    ins = []
    arg_text = [text(a, ins) for a in args] + [f"{k}={text(v, ins)}" for k, v in kw.items()]
    n = counts[name] = counts.get(name, 0) + 1
    out = [f"case {name}_{n}", "etch-graph 1", 'method "f"']
    out += [f'%{i} = input "in{i}" : {typ(t)}' for i, t in enumerate(ins)]
    res = op(*args, **kw)
    res = list(res) if isinstance(res, (list, tuple)) else [res]
    ids = [f"%{len(ins) + i}" for i in range(len(res))]
    types = ", ".join("f32[1]" if error else typ(t) for t in res)
    out.append(f"{', '.join(ids)} = aten::{name}({', '.join(arg_text)}) : {types}")
    out += [f'return "out{i}" {v}' for i, v in enumerate(ids)] + ["end"]
    out += [f"in {typ(t)} {data(t)}" for t in ins]
    out += ["error"] if error else [f"out {typ(t)} {data(t)}" for t in res]
    cases.append("\n".join(out))


# elementwise, one operand
for op in "silu relu6 hardswish hardsigmoid selu mish square sgn positive frac deg2rad rad2deg erfc exp2 sinc angle".split():
    case(op, r(3, 5, scale=2.0))
case("sinc", torch.tensor([0.0, 1.0, -0.5]))
case("silu", r(4, dtype=torch.bfloat16))
case("silu", r(4, dtype=torch.float16))
case("log_sigmoid", r(3, 5, scale=4.0)) if hasattr(torch.ops.aten, "log_sigmoid") else None
case("celu", r(3, 5), 0.7)
case("softplus", r(3, 5, scale=15.0))
case("softplus", r(3, 5), 2.0, 1.0)
case("hardshrink", r(3, 5), 0.4)
case("softshrink", r(3, 5), 0.4)
case("threshold", r(3, 5), 0.1, 7.0)
case("prelu", r(2, 3, 4), r(3))
case("prelu", r(2, 3), r(1))
case("_prelu_kernel", r(2, 3, 4), r(3, 1))
case("round.decimals", r(7, scale=100.0), decimals=1)
case("round.decimals", r(7, scale=1000.0), decimals=-2)
case("nan_to_num", special(3, 4))
case("nan_to_num", special(3, 4), 1.0, 2.0, -3.0)
for op in "isfinite isneginf isposinf signbit".split():
    case(op, special(3, 4))
for op in "conj real resolve_conj resolve_neg".split():
    case(op, r(3))

# two and three operands
case("rsub.Tensor", r(3, 4), r(4), alpha=2)
case("true_divide.Tensor", r(3, 4), pos(4))
case("true_divide.Tensor", ints(3), ints(3, lo=1))
case("floor_divide.Scalar", r(5, scale=9.0), 2) if "Scalar" in torch.ops.aten.floor_divide.overloads() else None
case("remainder.Scalar_Tensor", 7, r(5, scale=3.0))
case("max.other", r(3, 4), r(4))
case("min.other", r(3, 4), r(4))
case("fmax", special(2, 4), r(2, 4))
case("fmin", r(2, 4), special(2, 4))
case("copysign.Tensor", r(3, 4), r(3, 4))
case("hypot", r(3, 4), r(3, 4))
case("logaddexp", r(3, 4), r(3, 4))
case("logaddexp", torch.tensor([float("inf"), -float("inf"), 1.0]), torch.tensor([float("inf"), -float("inf"), 2.0]))
case("logaddexp2", r(3, 4), r(3, 4))
case("xlogy.Tensor", torch.tensor([0.0, 1.0, 2.0, 0.0]), torch.tensor([0.0, 2.0, 3.0, 5.0]))
case("heaviside", torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([5.0, 6.0, 7.0]))
case("__lshift__.Tensor", ints(5), ints(5))
case("__lshift__.Scalar", ints(5), 2)
case("__rshift__.Tensor", ints(5, hi=100), ints(5))
case("__rshift__.Scalar", ints(5, hi=100), 2)
case("isclose", torch.tensor([1.0, 2.0, float("inf"), float("nan")]), torch.tensor([1.000001, 2.1, float("inf"), float("nan")]))
case("isclose", torch.tensor([1.0, float("nan")]), torch.tensor([1.5, float("nan")]), 0.1, 0.5, True)
case("where.ScalarSelf", mask(3, 4), 2.5, r(3, 4))
case("where.ScalarOther", mask(3, 4), r(3, 4), 0)
case("where.Scalar", mask(3, 4), 1.0, 0.0)
case("clamp_min", r(3, 4), 0.1)
case("clamp_max", r(3, 4), 0.1)
case("clamp_min.Tensor", r(3, 4), r(4))
case("clamp_max.Tensor", r(3, 4), r(4))
case("addcmul", r(3, 4), r(4), r(3, 1), value=0.5)
case("addcdiv", r(3, 4), r(4), pos(3, 1), value=2)
case("lerp.Scalar", r(3, 4), r(3, 4), 0.3)
case("lerp.Tensor", r(3, 4), r(3, 4), torch.rand(4, generator=g))
case("masked_fill.Tensor", r(3, 4), mask(4), torch.tensor(2.5))
case("polar", pos(2), r(2), error=True) if False else None

# types and creation
case("to.dtype", r(3), L)
case("to.dtype", r(3), F)
case("to.other", r(3), ints(2))
case("type_as", ints(3), r(2))
case("to.dtype_layout", ints(3), dtype=F)
case("zeros_like", r(2, 3))
case("ones_like", ints(2, 3))
case("ones_like", r(2, 3), dtype=torch.bool)
case("full_like", r(2, 3), 1.5)
case("new_full", r(2), [2, 3], 4)
case("new_zeros", r(2), [2, 3])
case("new_ones", r(2), [2, 3], dtype=L)
case("triu", r(3, 4))
case("triu", r(2, 4, 3), -1)
case("triu", ints(4, 4), 2)

# reductions
case("all", mask(3, 4))
case("all", torch.ones(3, dtype=torch.bool))
case("all.dim", mask(3, 4) | mask(3, 4), 1)
case("all.dims", mask(3, 4, 2) | mask(3, 4, 2), [0, 2], True)
case("sum", r(3, 4))
case("sum", ints(3, 4), dtype=F)
case("count_nonzero", ints(3, 4, hi=2))
case("count_nonzero", ints(3, 4, hi=2), 1)
case("count_nonzero.dim_IntList", ints(3, 4, hi=2), [0])
case("std", r(3, 4))
case("std.dim", r(3, 4), [1], False)
case("std.correction", r(3, 4), [-1], correction=0, keepdim=True)
case("std_mean.correction", r(3, 4), [1])
case("var", r(3, 4))
case("var", r(3, 4), False)
case("var_mean", r(3, 4))
case("var_mean.dim", r(3, 4), [0])
case("linalg_vector_norm", r(3, 4))
for p in (1, 3, float("inf"), -float("inf"), 0):
    case("linalg_vector_norm", r(3, 4), p, [1], True)
case("norm.Scalar", r(3, 4))
case("norm.ScalarOpt_dim", r(3, 4), 2, [1])
case("norm.ScalarOpt_dim_dtype", r(3, 4, dtype=torch.float16), 2, [1], True, dtype=F)
case("logsumexp", r(3, 4), [1])
case("logsumexp", r(3, 4), [0, 1], True)
case("cumprod", r(3, 4), 1)
case("cosine_similarity", r(3, 4), r(3, 4))
x = torch.randperm(12, generator=g).reshape(3, 4).to(F)
case("argsort", x)
case("argsort", x, 0, True)
case("argsort.stable", x, stable=True, dim=-1)
case("sort", x, 1, True)
case("sort.stable", x, stable=True, dim=0)
case("bucketize.Tensor", r(3, 4), torch.tensor([-1.0, 0.0, 0.5]))
case("bucketize.Tensor", ints(6), ints(4).sort().values, right=True, out_int32=True)
case("searchsorted.Tensor", r(2, 5).sort(-1).values, r(2, 3))
case("searchsorted.Tensor", torch.arange(5.0), torch.tensor([0.0, 2.0, 2.5, 9.0]), right=True)
case("isin.Tensor_Tensor", ints(3, 4), torch.tensor([1, 3]))
case("isin.Tensor_Scalar", ints(5), 2, invert=True)

# views, splits, joins
v = r(2, 3, 4)
case("view_as", r(2, 6), r(3, 4))
case("flatten.using_ints", v, 1)
case("flatten.using_ints", torch.tensor(2.0))
case("unflatten.int", r(2, 6), 1, [2, -1])
case("ravel", v)
case("expand_as", r(3, 1), r(2, 3, 4))
case("broadcast_to", r(3, 1), [2, 3, 4])
case("swapaxes", v, 0, -1)
case("swapdims", v, 1, 2)
case("mT", v)
case("adjoint", v)
case("t", r(2, 3))
case("t", r(2))
case("numpy_T", v)
case("squeeze", r(1, 3, 1))
case("movedim.int", v, 0, 2)
case("movedim.intlist", v, [0, 1], [2, 0])
case("narrow", v, 1, 1, 2)
case("chunk", r(5, 2), 2)
case("chunk", r(2, 5), 3, -1)
case("unsafe_chunk", r(4, 2), 2)
case("split.Tensor", r(5, 2), 2)
case("split.Tensor", r(2, 2), 2)
case("unsafe_split.Tensor", r(2, 4), 2, 1)
case("split.sizes", r(2, 6), [1, 2, 3], 1)
case("split_with_sizes", r(6, 2), [1, 2, 3])
case("tensor_split.sections", r(7), 3)
case("tensor_split.indices", r(7, 2), [2, 5])
case("unbind.int", r(3, 2), 1)
case("concat", [r(2, 3), r(1, 3)])
case("concatenate", [r(2, 3), r(2, 1)], 1)
case("tile", r(2, 3), [2, 1, 2])
case("tile", r(2, 3), [2])
case("meshgrid", [r(2), r(3)])
case("meshgrid.indexing", [r(2), r(3), r(4)], indexing="xy")
case("repeat_interleave.self_int", r(2, 3), 2, 1)
case("repeat_interleave.self_int", r(2, 3), 2)
case("repeat_interleave.self_Tensor", r(2, 3), torch.tensor([1, 2, 0]), 1, output_size=3)
case("broadcast_to", r(3), [3])

# indexing
case("index_copy", r(4, 3), 0, torch.tensor([2, 0]), r(2, 3))
case("index_copy", r(2, 4, 3), 1, torch.tensor([3, 1]), r(2, 2, 3))
case("index_add", r(4, 3), 0, torch.tensor([2, 2]), r(2, 3), alpha=2)
case("index_add", r(4, 3), 1, torch.tensor([1, 1, 0]), r(4, 3))
case("index_fill.int_Scalar", r(4, 3), 1, torch.tensor([0, 2]), 9)
case("index_fill.int_Tensor", r(4, 3), 0, torch.tensor([1]), torch.tensor(4.5))
case("one_hot", ints(2, 3), 5)
case("take", r(3, 4), torch.tensor([[0, 11], [5, 2]]))
case("take_along_dim", r(3, 4), ints(3, 2, hi=4), 1)
case("take_along_dim", r(1, 4), ints(3, 2, hi=4), 1)
case("take_along_dim", r(3, 4), torch.tensor([3, 8, 0]))

# matrix products
for a, b in [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((2, 5, 3), (3, 4)), ((2, 5, 3), (2, 3, 4)),
             ((2, 1, 5, 3), (4, 3, 2)),
             ((5, 3), (2, 3, 4)), ((2, 5, 3), (3,)), ((3,), (2, 3, 4)), ((2, 3, 4, 5), (2, 3, 5, 2))]:
    case("matmul", r(*a), r(*b))
case("linalg_matmul", r(2, 3), r(3, 4))
case("mv", r(2, 3), r(3))
case("dot", r(4), r(4))
case("outer", r(3), r(4))
case("baddbmm", r(2, 3, 4), r(2, 3, 5), r(2, 5, 4), beta=0.5, alpha=2)
case("baddbmm", torch.full((1, 1, 4), float("nan")), r(2, 3, 5), r(2, 5, 4), beta=0, alpha=1)
case("addmv", r(2), r(2, 3), r(3))
case("addbmm", r(3, 4), r(2, 3, 5), r(2, 5, 4))
case("cdist", r(3, 4), r(5, 4)) if hasattr(torch.ops.aten, "cdist") else None
case("cross", r(2, 3), r(2, 3))
case("linalg_cross", r(3, 2), r(3, 2), dim=0)

# attention
S = "scaled_dot_product_attention"
case(S, r(1, 2, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 4))
case(S, r(1, 2, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 6), scale=0.3)
case(S, r(2, 2, 4, 4), r(2, 2, 4, 4), r(2, 2, 4, 4), None, 0.0, True)
case(S, r(1, 4, 3, 4), r(1, 2, 3, 4), r(1, 2, 3, 4), None, 0.0, True, enable_gqa=True)
m = mask(1, 1, 3, 5)
m[..., 0] = True
case(S, r(1, 4, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 4), m, enable_gqa=True)
m = mask(1, 1, 3, 5)
m[0, 0, 1] = False
case(S, r(1, 2, 3, 4), r(1, 2, 5, 4), r(1, 2, 5, 4), m)
case(S, r(2, 2, 3, 4), r(2, 2, 5, 4), r(2, 2, 5, 4), r(2, 1, 3, 5))
case(S, r(2, 3, 4), r(2, 5, 4), r(2, 5, 4), r(3, 5))
case(S, r(3, 4), r(5, 4), r(5, 4))

# layers
case("layer_norm", r(2, 3, 4), [4], r(4), r(4))
case("layer_norm", r(2, 3, 4), [3, 4])
case("rms_norm", r(2, 3, 4), [4], r(4), 1e-6)
case("rms_norm", r(2, 3, 4), [3, 4])
case("rms_norm", r(2, 4, dtype=torch.bfloat16), [4], r(4, dtype=torch.bfloat16), 1e-6)
case("group_norm", r(2, 4, 3), 2, r(4), r(4))
case("group_norm", r(2, 4, 3, 2), 4)
case("batch_norm", r(2, 3, 4), r(3), r(3), r(3), pos(3), False, 0.1, 1e-5, True)
case("instance_norm", r(2, 3, 4), r(3), r(3), None, None, True, 0.1, 1e-5, True)
case("softmax.int", r(2, 3), 1)
case("softmax.int", r(2, 3, dtype=torch.float16), -1, F)
case("log_softmax.int", r(2, 3), 0)
for op in "dropout alpha_dropout feature_dropout".split():
    case(op, r(3), 0.5, False)
case("batch_norm", r(2, 3, 4), r(3), r(3), None, None, True, 0.1, 1e-5, True)
case("batch_norm", r(1, 3, 4), None, None, None, None, True, 0.0, 1e-5, True)
case("native_batch_norm", r(2, 3, 4), r(3), r(3), r(3), pos(3), False, 0.1, 1e-5)
case("conv1d", r(2, 4, 7), r(6, 4, 3), r(6), [2], [1])
case("conv1d", r(2, 4, 7), r(4, 1, 3), None, [1], [2], [2], 4)
case("conv1d", r(4, 7), r(6, 4, 3))
case("conv1d.padding", r(1, 2, 7), r(3, 2, 4), r(3), [1], "same")
case("conv1d.padding", r(1, 2, 7), r(3, 2, 3), r(3), [1], "valid")
case("conv2d", r(1, 3, 6, 5), r(4, 3, 3, 2), r(4), [2, 1], [1, 0])
case("conv2d", r(1, 3, 6, 5), r(4, 3, 3, 2), None, [2])
case("conv2d", r(3, 6, 5), r(4, 3, 3, 3), r(4))
case("conv2d.padding", r(1, 2, 5, 5), r(2, 2, 3, 2), None, [1, 1], "same")
case("conv3d", r(1, 2, 3, 4, 4), r(3, 2, 2, 2, 2), r(3))
case("conv_transpose1d", r(1, 3, 4), r(3, 2, 3), r(2), [2], [1], [1])
case("conv_transpose2d.input", r(1, 3, 4, 3), r(3, 2, 2, 2), r(2), [2, 2])
case("max_pool1d", r(2, 3, 7), [3], [2], [1])
case("max_pool2d", r(1, 2, 6, 5), [2, 2])
case("max_pool2d", r(1, 2, 6, 5), [3, 3], [2, 2], [1, 1])
case("avg_pool1d", r(2, 3, 7), [3], [2])
case("adaptive_avg_pool1d", r(2, 3, 6), [2])
case("adaptive_avg_pool1d", r(2, 3, 6), [1])
case("adaptive_avg_pool2d", r(2, 3, 6, 4), [1, 1])
case("adaptive_avg_pool2d", r(2, 3, 6, 4), [3, 2])
case("upsample_bilinear2d", r(1, 2, 3, 4), [6, 6], False)
case("upsample_bilinear2d", r(1, 2, 3, 4), [6, 8], True, 2.0, 2.0)
case("upsample_nearest2d", r(1, 2, 3, 4), [6, 7])
case("upsample_linear1d", r(1, 2, 5), [8], False)
case("upsample_linear1d.vec", r(1, 2, 5), None, False, [2.0])
case("upsample_nearest1d", r(1, 2, 5), [8])
case("upsample_nearest1d.vec", r(1, 2, 5), None, [2.0])
case("grid_sampler", r(1, 2, 4, 4), torch.rand((1, 3, 3, 2), generator=g) * 2 - 1, 0, 0, False)
case("pad", r(2, 3), [1, 2])
case("pad", r(2, 3), [1, 2, 0, 1], "constant", 1.5)
case("pad", r(1, 2, 5), [2, 1], "reflect")
case("pad", r(1, 2, 5, 4), [2, 1, 1, 2], "replicate")
case("pad", r(1, 2, 5), [2, 1], "circular")

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "pass", "testdata", "decomp.txt")
with open(path, "w") as f:
    f.write("\n".join(cases) + "\n")
print(len(cases), "cases,", os.path.getsize(path), "bytes")
