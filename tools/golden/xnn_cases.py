"""Writes rt/testdata/xnn_cases.bin: small XNNPACK payloads of every node type and datatype, with inputs and the official runtime's outputs.

Needs executorch 1.5.1 with its Python runtime (tools/requirements-official.txt). Run: python tools/golden/xnn_cases.py
rt/testdata/xnn_cases.bin A case that the official runtime refuses is printed and left out.

File: "XNC1", u32 cases; a case: u32 length + name, u32 length + payload, f32 absolute and relative tolerance, u32 args, u32 calls;
an arg: u32 ScalarType, is_output, rank, then rank upper-bound sizes and rank dim_order entries (u32 each); a call: for each arg rank sizes
(u32), then its bytes in memory order.
"""
import os
import struct
import sys
from dataclasses import dataclass, field

import torch
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import *  # noqa: F403
from executorch.backends.xnnpack.serialization.xnnpack_graph_schema import Buffer as _unused  # noqa: F401
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import serialize_xnnpack_binary
from executorch.exir import schema as S
from executorch.exir._serialize._program import PTEFile, serialize_pte_binary
from executorch.exir.scalar_type import ScalarType
from executorch.extension.pybindings.portable_lib import _load_for_executorch_from_buffer

NONE = 0xFFFFFFFF
D = XNNDatatype
FP32, FP16, BF16 = D.xnn_datatype_fp32, D.xnn_datatype_fp16, D.xnn_datatype_bf16
QINT8, QUINT8, QINT32, INT32 = D.xnn_datatype_qint8, D.xnn_datatype_quint8, D.xnn_datatype_qint32, D.xnn_datatype_int32
QCINT8, QCINT32, QCINT4, QDINT8, QBINT4 = (D.xnn_datatype_qcint8, D.xnn_datatype_qcint32, D.xnn_datatype_qcint4, D.xnn_datatype_qdint8,
                                           D.xnn_datatype_qbint4)
TORCH = {FP32: torch.float32, FP16: torch.float16, BF16: torch.bfloat16, QINT8: torch.int8, QUINT8: torch.uint8, INT32: torch.int32}
CODE = {torch.uint8: 0, torch.int8: 1, torch.int32: 3, torch.int64: 4, torch.float16: 5, torch.float32: 6, torch.bfloat16: 15}


def raw(t):
    return t.contiguous().view(torch.uint8).numpy().tobytes() if t.numel() else b""


@dataclass
class Arg:
    dtype: torch.dtype
    dims: list          # upper bounds, logical order
    is_output: bool
    order: list


@dataclass
class Case:
    name: str
    atol: float = 1e-5
    rtol: float = 1e-5
    values: list = field(default_factory=list)
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=lambda: [ConstantDataOffset(0, 0, None)])
    region: bytearray = field(default_factory=bytearray)
    args: list = field(default_factory=list)
    calls: list = field(default_factory=list)   # lists of inputs; empty: one random call at the bounds

    def constant(self, data: bytes):
        self.region += b"\0" * (-len(self.region) % 16)
        self.constants.append(ConstantDataOffset(len(self.region), len(data), None))
        self.region += data
        return len(self.constants) - 1

    def value(self, dt, dims, q=None, const=0, ext=NONE, flags=0):
        v = XNNTensorValue(dt, len(dims), list(dims), const, ext, flags, len(self.values))
        self.values.append(XValue(XNNQuantizedTensorValue(v, q) if q else v))
        return len(self.values) - 1

    def arg(self, dt, dims, is_output, q, order, torch_type=None):
        order = order or list(range(len(dims)))
        self.args.append(Arg(torch_type or TORCH[dt], list(dims), is_output, order))
        return self.value(dt, [dims[i] for i in order], q, ext=len(self.args) - 1, flags=2 if is_output else 1)

    def inp(self, dims, dt=FP32, q=None, order=None):
        return self.arg(dt, dims, False, q, order)

    def out(self, dims, dt=FP32, q=None, order=None, torch_type=None):
        return self.arg(dt, dims, True, q, order, torch_type)

    def const(self, t, dt=FP32, q=None, dims=None):
        return self.value(dt, dims or list(t.shape), q, const=self.constant(raw(t)))

    def node(self, union, lo=None, hi=None):
        mm = None
        if lo is not None or hi is not None:
            mm = OutputMinMax("-inf" if lo is None else lo, "inf" if hi is None else hi)
        self.nodes.append(XNode(union, 0, mm))

    def payload(self):
        g = XNNGraph("0", self.nodes, self.values, len(self.args), [], [], self.constants)
        return serialize_xnnpack_binary(g, bytes(self.region))

    def program(self, payload):
        values, at = [], 0
        for a in self.args:
            n = torch.Size(a.dims).numel() * torch.empty(0, dtype=a.dtype).element_size()
            alloc = S.AllocationDetails(1, at, 0)
            at += (n + 127) // 64 * 64
            values.append(S.EValue(S.Tensor(ScalarType(CODE[a.dtype]), 0, a.dims, bytes(a.order), False, 0, 0, alloc,
                                            S.TensorShapeDynamism.DYNAMIC_BOUND)))
        ids = list(range(len(self.args)))
        plan = S.ExecutionPlan("forward", S.ContainerMetadata("", ""), values, [i for i in ids if not self.args[i].is_output],
                               [i for i in ids if self.args[i].is_output],
                               [S.Chain([], [], [S.Instruction(S.DelegateCall(0, ids))], None)], [],
                               [S.BackendDelegate("XnnpackBackend", S.BackendDelegateDataReference(S.DataLocation.INLINE, 0), [])],
                               [0, at + 64])
        p = S.Program(0, [plan], [S.Buffer(b"")], [S.BackendDelegateInlineData(payload)], [], S.SubsegmentOffsets(0, []))
        return bytes(serialize_pte_binary(PTEFile(p)))


CASES = []
gen = torch.Generator().manual_seed(7)


def case(name, **kw):
    c = Case(name, **kw)
    CASES.append(c)
    return c


def randn(*shape, dtype=torch.float32):
    return torch.randn(*shape, generator=gen).to(dtype)


def randi(lo, hi, *shape, dtype=torch.int8):
    return torch.randint(lo, hi, shape, generator=gen).to(dtype)


def PT(scale, zp=0):
    return PerTensorQuant(scale, zp)


def PC(c, scales, dim=0):
    return PerChannelQuant([], dim, c.constant(raw(scales)), scales.numel())


U1 = {XNNSigmoid: "sigmoid", XNNFloor: "floor", XNNSquareRoot: "sqrt", XNNCeiling: "ceil", XNNHardswish: "hardswish", XNNNegate: "neg",
      XNNSquare: "square", XNNAbs: "abs", XNNReciprocalSquareRoot: "rsqrt", XNNLog: "log", XNNGelu: "gelu", XNNTanh: "tanh", XNNExp: "exp",
      XNNSin: "sin", XNNCos: "cos", XNNCopy: "copy"}
POSITIVE = {"sqrt", "rsqrt", "log"}


def unaries():
    for cls, name in U1.items():
        c = case(f"{name}-f32", rtol=3e-5)
        x = c.inp([3, 37])
        c.node(cls(x, c.out([3, 37]), 0))
        t = randn(3, 37) * 3
        c.calls = [[t.abs() + 0.01 if name in POSITIVE else t]]
        c = case(f"{name}-f16", atol=2e-3, rtol=2e-3)
        x = c.inp([2, 9], FP16)
        c.node(cls(x, c.out([2, 9], FP16), 0))
        t = randn(2, 9)
        c.calls = [[(t.abs() + 0.1 if name in POSITIVE else t).half()]]
    for name, node in (("leaky", lambda a, b: XNNLeakyReLU(0.1, a, b, 0)), ("elu", lambda a, b: XNNELU(0.7, a, b, 0))):
        c = case(f"{name}-f32")
        c.node(node(c.inp([5, 11]), c.out([5, 11])))
    c = case("clamp-f32")
    c.node(XNNClamp(c.inp([5, 11]), c.out([5, 11]), 0), -0.5, 0.75)
    c = case("relu-f16", atol=0)
    c.node(XNNClamp(c.inp([5, 11], FP16), c.out([5, 11], FP16), 0), 0.0, None)
    for dt in (QINT8, QUINT8):
        c = case(f"clamp-{dt.name[13:]}", atol=0)
        q = PT(0.05, 3)
        c.node(XNNClamp(c.inp([5, 11], dt, q), c.out([5, 11], dt, q), 0), 0.0, 2.0)
    for cls in (XNNSigmoid, XNNTanh, XNNHardswish, XNNGelu, XNNNegate, XNNAbs):
        c = case(f"{U1[cls]}-qint8", atol=1)
        c.node(cls(c.inp([5, 40], QINT8, PT(0.05, 3)), c.out([5, 40], QINT8, PT(0.04, -2)), 0))


B2 = {XNNAdd: "add", XNNSubtract: "sub", XNNMultiply: "mul", XNNDiv: "div", XNNMinimum: "min", XNNMaximum: "max", XNNPReLU: "prelu"}


def binaries():
    shapes = [([4, 6], [4, 6]), ([4, 6], [6]), ([4, 1], [1, 6]), ([2, 3, 4, 5], [3, 1, 5]), ([7], [2, 3, 7]),
              ([2, 1, 4, 1, 3], [1, 3, 1, 5, 1]),
              ([2, 3, 4], [1]), ([1], [1])]
    for cls, name in B2.items():
        for i, (a, b) in enumerate(shapes):
            if i > 3 and cls is not XNNAdd:
                continue
            o = list(torch.broadcast_shapes(a, b))
            if cls is XNNPReLU:
                if i != 1:
                    continue
                c = case(f"prelu-{i}")
                c.node(cls(c.inp(a), c.const(randn(*b)), c.out(o), 0))
                continue
            c = case(f"{name}-{i}")
            c.node(cls(c.inp(a), c.inp(b), c.out(o), 0))
        if cls is XNNPReLU:
            continue
        c = case(f"{name}-f16", atol=2e-3, rtol=2e-3)
        c.node(cls(c.inp([3, 8], FP16), c.inp([8], FP16), c.out([3, 8], FP16), 0))
    c = case("add-clamped")
    c.node(XNNAdd(c.inp([4, 6]), c.const(randn(4, 6)), c.out([4, 6]), 0), -0.5, 0.5)
    for dt in (QINT8, QUINT8):
        for cls in (XNNAdd, XNNSubtract, XNNMultiply):
            for j, (sa, sb, so) in enumerate(((0.05, 0.02, 0.06), (0.5, 0.013, 0.9))):
                c = case(f"{B2[cls]}-{dt.name[13:]}-{j}", atol=0)
                c.node(cls(c.inp([4, 33], dt, PT(sa, 5)), c.inp([33], dt, PT(sb, 7)), c.out([4, 33], dt, PT(so, 1)), 0),
                       None if j else -2.0, None if j else 3.0)
    # Internal values: chains, in place, dead results, a value read twice, a reshape that shares memory.
    c = case("chain")
    x = c.inp([4, 6])
    a, b, d, e, f = (c.value(FP32, [4, 6]) for _ in range(5))
    g = c.value(FP32, [2, 12])
    o, o2 = c.out([4, 6]), c.out([2, 12])
    c.node(XNNTanh(x, a, 0))
    c.node(XNNSquare(a, b, 0))
    c.node(XNNMultiply(a, b, d, 0))
    c.node(XNNAdd(d, d, e, 0))
    c.node(XNNAbs(b, f, 0))
    c.node(XNNStaticReshape(2, [2, 12], e, g, 0))
    c.node(XNNAdd(e, x, o, 0))
    c.node(XNNNegate(g, o2, 0))


def fully_connected():
    for bias in (False, True):
        for turned in (0, 1):
            for m in (1, 3, 9):
                c = case(f"fc-f32-b{int(bias)}-t{turned}-m{m}")
                x = c.inp([m, 19])
                w = c.const(randn(*((19, 13) if turned else (13, 19))))
                b = c.const(randn(13)) if bias else NONE
                c.node(XNNFullyConnected(x, w, b, c.out([m, 13]), turned), -1.0 if bias else None)
    c = case("fc-f32-batch-dynamic")
    c.node(XNNFullyConnected(c.inp([2, 8, 24]), c.const(randn(17, 24)), c.const(randn(17)), c.out([2, 8, 17]), 0))
    c.calls = [[randn(2, 8, 24)], [randn(2, 3, 24)], [randn(1, 1, 24)], [randn(2, 8, 24)]]
    c = case("fc-f32-f16-weights", atol=2e-3, rtol=2e-3)
    c.node(XNNFullyConnected(c.inp([3, 24]), c.const(randn(9, 24, dtype=torch.float16), FP16), c.const(randn(9)), c.out([3, 9]), 0))
    c = case("fc-f16", atol=1e-2, rtol=5e-3)
    c.node(XNNFullyConnected(c.inp([3, 24], FP16), c.const(randn(9, 24, dtype=torch.float16), FP16), c.const(randn(9)), c.out([3, 9], FP16),
                             0))
    c = case("fc-f16-f32-weights", atol=1e-2, rtol=5e-3)
    c.node(XNNFullyConnected(c.inp([3, 24], FP16), c.const(randn(9, 24)), c.const(randn(9)), c.out([3, 9], FP16), 0))
    c = case("fc-bf16", atol=2e-2, rtol=1e-2)
    c.node(XNNFullyConnected(c.inp([3, 24], BF16), c.const(randn(9, 24, dtype=torch.bfloat16), BF16), c.const(randn(9)),
                             c.out([3, 9], FP32), 0))
    c = case("fc-bf16-bf16", atol=2e-2, rtol=1e-2)
    c.node(XNNFullyConnected(c.inp([3, 24], BF16), c.const(randn(9, 24, dtype=torch.bfloat16), BF16), c.const(randn(9)),
                             c.out([3, 9], BF16), 0))
    for kind in ("qcint8", "qcint4", "qbint4"):
        for m in (1, 2, 5):
            for k, n, bias in ((64, 12, True), (96, 7, False)):
                out = FP16 if m == 2 and n == 7 else FP32
                c = case(f"fc-qd8-{kind}-m{m}-k{k}", atol=2e-2 if out == FP16 else 2e-5, rtol=2e-3 if out == FP16 else 1e-5)
                x = c.inp([m, k], out)
                q = c.value(QDINT8, [m, k], PerTokenDynamicQuant(1))
                if kind == "qcint8":
                    w = c.const(randi(-127, 128, n, k), QCINT8, PC(c, torch.rand(n, generator=gen) * 0.02 + 0.001))
                elif kind == "qcint4":
                    w = c.const(randi(0, 256, n, k // 2, dtype=torch.uint8), QCINT4, PC(c, torch.rand(n, generator=gen) * 0.2 + 0.01),
                                [n, k])
                else:
                    s = (torch.rand(n, k // 32, generator=gen) * 0.2 + 0.01).bfloat16()
                    w = c.const(randi(0, 256, n, k // 2, dtype=torch.uint8), QBINT4,
                                PerChannelGroupQuant([], 0, 32, None, c.constant(raw(s)), s.numel()), [n, k])
                b = c.const(randn(n)) if bias else NONE
                c.node(XNNConvert(x, q, 0))
                c.node(XNNFullyConnected(q, w, b, c.out([m, n], out), 0), None if bias else -3.0, None if bias else 2.0)
    c = case("fc-qd8-qbint4-g64-f32-scales", atol=2e-5)
    x, q = c.inp([2, 128]), None
    q = c.value(QDINT8, [2, 128], PerTokenDynamicQuant(1))
    w = c.const(randi(0, 256, 6, 64, dtype=torch.uint8), QBINT4,
                PerChannelGroupQuant([0.01 * (i + 1) for i in range(12)], 0, 64, None, 0, 12), [6, 128])
    c.node(XNNConvert(x, q, 0))
    c.node(XNNFullyConnected(q, w, NONE, c.out([2, 6]), 0))
    c = case("fc-qd8-qcint8-turned", atol=2e-5)
    x = c.inp([3, 32])
    q = c.value(QDINT8, [3, 32], PerTokenDynamicQuant(1))
    w = c.const(randi(-127, 128, 32, 10), QCINT8, PC(c, torch.rand(10, generator=gen) * 0.02 + 0.001, 1))
    c.node(XNNConvert(x, q, 0))
    c.node(XNNFullyConnected(q, w, c.const(randn(10)), c.out([3, 10]), 1))
    c = case("qd8-edge-rows", atol=2e-5)
    x = c.inp([6, 32])
    q = c.value(QDINT8, [6, 32], PerTokenDynamicQuant(1))
    w = c.const(randi(-127, 128, 4, 32), QCINT8, PC(c, torch.tensor([0.01, 0.02, 0.03, 0.04])))
    c.node(XNNConvert(x, q, 0))
    c.node(XNNFullyConnected(q, w, NONE, c.out([6, 4]), 0))
    t = randn(6, 32)
    t[0] = 0
    t[1] = t[1].abs()
    t[2] = -t[2].abs()
    t[3] = 5.0
    t[4] *= 1e-6
    t[5] *= 1e4
    c.calls = [[t]]
    for wq in ("qcint8", "qint8", "qcint4"):
        for bias in (True, False):
            if wq == "qcint4" and bias:
                continue
            c = case(f"fc-static-{wq}-b{int(bias)}", atol=0)
            x = c.inp([5, 40], QINT8, PT(0.03, 4))
            s = torch.rand(11, generator=gen) * 0.01 + 0.002
            if wq == "qcint8":
                w = c.const(randi(-127, 128, 11, 40), QCINT8, PC(c, s))
                b = c.const(randi(-500, 500, 11, dtype=torch.int32), QCINT32, PC(c, s * 0.03)) if bias else NONE
            elif wq == "qcint4":
                w = c.const(randi(0, 256, 11, 20, dtype=torch.uint8), QCINT4, PC(c, s * 8), [11, 40])
                b = NONE
            else:
                w = c.const(randi(-127, 128, 11, 40), QINT8, PT(0.006, 0))
                b = c.const(randi(-500, 500, 11, dtype=torch.int32), QINT32, PT(0.006 * 0.03, 0)) if bias else NONE
            c.node(XNNFullyConnected(x, w, b, c.out([5, 11], QINT8, PT(0.05, -3)), 0), -3.0 if bias else None, 4.0 if bias else None)
    c = case("fc-static-quint8", atol=0)
    w = c.const(randi(0, 256, 11, 40, dtype=torch.uint8), QUINT8, PT(0.006, 120))
    b = c.const(randi(-500, 500, 11, dtype=torch.int32), QINT32, PT(0.006 * 0.03, 0))
    c.node(XNNFullyConnected(c.inp([5, 40], QUINT8, PT(0.03, 130)), w, b, c.out([5, 11], QUINT8, PT(0.05, 127)), 0))
    c = case("fc-f32-qcint8", atol=1e-4)
    c.node(XNNFullyConnected(c.inp([3, 32]), c.const(randi(-127, 128, 5, 32), QCINT8, PC(c, torch.rand(5, generator=gen) * 0.02 + 0.001)),
                             NONE, c.out([3, 5]), 0))
    c = case("fc-f32-qcint4", atol=1e-4)
    w = c.const(randi(0, 256, 5, 16, dtype=torch.uint8), QCINT4, PC(c, torch.rand(5, generator=gen) * 0.02 + 0.001), [5, 32])
    c.node(XNNFullyConnected(c.inp([3, 32]), w, NONE, c.out([3, 5]), 0))


def converts():
    for a, b in ((FP32, FP16), (FP16, FP32), (FP32, BF16), (BF16, FP32), (FP32, QINT8), (QINT8, FP32), (FP32, QUINT8), (QUINT8, FP32),
                 (QINT8, QINT8),
                 (QUINT8, QUINT8), (FP16, QINT8), (QINT8, FP16)):
        c = case(f"convert-{a.name[13:]}-{b.name[13:]}", atol=1 if a == QINT8 and b == QINT8 else 1e-7)
        qa, qb = (PT(0.031, 3) if a in (QINT8, QUINT8) else None), (PT(0.022, 9) if b in (QINT8, QUINT8) else None)
        c.node(XNNConvert(c.inp([4, 50], a, qa), c.out([4, 50], b, qb), 0))


def moves():
    for dims, perm in (([2, 3], [1, 0]), ([2, 3, 4], [0, 2, 1]), ([2, 3, 4, 5], [0, 3, 1, 2]), ([2, 3, 4, 5], [3, 2, 1, 0]),
                       ([1, 5, 1, 4], [2, 3, 0, 1]),
                       ([2, 3, 2, 2, 3, 2], [5, 0, 3, 2, 4, 1])):
        c = case("transpose-" + "".join(map(str, perm)), atol=0)
        c.node(XNNStaticTranspose(len(dims), perm, c.inp(dims), c.out([dims[p] for p in perm]), 0))
    for dt, q in ((FP16, None), (QINT8, PT(0.1, 2))):
        c = case(f"transpose-{dt.name[13:]}", atol=0)
        c.node(XNNStaticTranspose(3, [2, 0, 1], c.inp([2, 3, 4], dt, q), c.out([4, 2, 3], dt, q), 0))
    c = case("reshape", atol=0)
    c.node(XNNStaticReshape(3, [0, 3, 4], c.inp([5, 12]), c.out([5, 3, 4]), 0))
    c.calls = [[randn(5, 12)], [randn(2, 12)]]
    c = case("reshape-fixed", atol=0)
    c.node(XNNStaticReshape(2, [15, 4], c.inp([5, 12]), c.out([15, 4]), 0))
    c = case("slice", atol=0)
    c.node(XNNStaticSlice(3, [1, 0, 2], [2, 4, 3], c.inp([3, 4, 6]), c.out([2, 4, 3]), 0))
    c = case("slice-rest", atol=0)
    c.node(XNNStaticSlice(2, [0, 2], [0, 3], c.inp([3, 6]), c.out([3, 3]), 0))
    c = case("slice-rest-offset", atol=0)
    c.node(XNNStaticSlice(2, [1, 2], [0, 3], c.inp([3, 6]), c.out([2, 3]), 0))
    c = case("pad", atol=0)
    c.node(XNNStaticConstantPad([0, 1, 2], [3, 0, 1], 1.5, c.inp([2, 3, 4]), c.out([5, 4, 7]), 0))
    c = case("pad-f16", atol=0)
    c.node(XNNStaticConstantPad([1, 1], [0, 2], -1.5, c.inp([2, 3], FP16), c.out([3, 6], FP16), 0))
    c = case("pad-qint8", atol=0)
    c.node(XNNStaticConstantPad([1, 1], [0, 2], -1.5, c.inp([2, 3], QINT8, PT(0.1, 3)), c.out([3, 6], QINT8, PT(0.1, 3)), 0))
    for axis in (0, 1, 2, -1):
        for k, cls in ((2, XNNConcatenate2), (3, XNNConcatenate3), (4, XNNConcatenate4), (5, XNNConcatenate5)):
            if axis != 1 and k not in (2, 5):
                continue
            c = case(f"cat{k}-axis{axis}", atol=0)
            sizes = [[2, 3, 4] for _ in range(k)]
            for i in range(k):
                sizes[i][axis] = i + 1
            o = [2, 3, 4]
            o[axis] = k * (k + 1) // 2
            ids = [c.inp(s) for s in sizes]
            ids += [NONE] * (5 - k)
            c.node(cls(axis & NONE, ids[0], ids[1], ids[2], ids[3], c.out(o), 0, ids[4]))
    c = case("cat2-qint8", atol=0)
    q = PT(0.1, 3)
    c.node(XNNConcatenate2(1, c.inp([2, 3], QINT8, q), c.inp([2, 4], QINT8, q), NONE, NONE, c.out([2, 7], QINT8, q), 0, NONE))
    for dims in ([5, 7], [2, 3, 4, 33]):
        c = case(f"softmax-{len(dims)}d")
        c.node(XNNSoftmax(c.inp(dims), c.out(dims), 0))
    c = case("softmax-f16", atol=2e-3, rtol=2e-3)
    c.node(XNNSoftmax(c.inp([4, 9], FP16), c.out([4, 9], FP16), 0))
    for a, b, flag in (([4, 5], [5, 6], 0), ([3, 4, 5], [3, 5, 6], 0), ([2, 3, 7, 40], [2, 3, 9, 40], 1), ([2, 1, 4, 5], [1, 3, 5, 6], 0),
                       ([3, 4, 5], [5, 6], 0)):
        o = list(torch.broadcast_shapes(a[:-2], b[:-2])) + [a[-2], b[-2] if flag else b[-1]]
        c = case(f"bmm-{len(a)}d-{len(b)}d-{flag}-{a[-1]}")
        c.node(XNNBatchMatrixMultiply(c.inp(a), c.inp(b), c.out(o), flag))
    c = case("bmm-f16", atol=2e-2, rtol=5e-3)
    c.node(XNNBatchMatrixMultiply(c.inp([2, 4, 8], FP16), c.inp([2, 8, 5], FP16), c.out([2, 4, 5], FP16), 0))
    c = case("bmm-const-b")
    c.node(XNNBatchMatrixMultiply(c.inp([3, 4, 8]), c.const(randn(3, 8, 5)), c.out([3, 4, 5]), 0))
    c = case("dim-order", atol=0)
    c.node(XNNAbs(c.inp([2, 3, 4, 5], order=[0, 2, 3, 1]), c.out([2, 3, 4, 5], order=[0, 2, 3, 1]), 0))


def conv(cls, c, pads, k, s, d, gi, go, g, adj, i, w, b, o, flags=0):
    return cls(pads[0], pads[1], pads[2], pads[3], k[0], k[1], s[0], s[1], d[0], d[1], gi, go, g, adj[0], adj[1], i, w, b, o, flags)


def osize(i, p, k, s, d):
    return (i + p - (k - 1) * d - 1) // s + 1


def images():
    grid = [("3x3", (1, 1, 1, 1), (3, 3), (1, 1), (1, 1), 6, 10, 1), ("stride", (0, 1, 1, 0), (3, 3), (2, 2), (1, 1), 6, 9, 1),
            ("dilated", (2, 2, 2, 2), (3, 3), (1, 1), (2, 2), 4, 7, 1), ("1x1", (0, 0, 0, 0), (1, 1), (1, 1), (1, 1), 16, 33, 1),
            ("1x1s2", (0, 0, 0, 0), (1, 1), (2, 2), (1, 1), 16, 5, 1), ("grouped", (1, 1, 1, 1), (3, 3), (1, 1), (1, 1), 4, 6, 3),
            ("5x2", (2, 0, 1, 1), (5, 2), (2, 1), (1, 1), 3, 8, 1)]
    n, h, w = 2, 9, 8
    for name, p, k, s, d, gi, go, g in grid:
        o = [n, osize(h, p[0] + p[2], k[0], s[0], d[0]), osize(w, p[1] + p[3], k[1], s[1], d[1]), go * g]
        c = case(f"conv-{name}", atol=2e-5)
        c.node(conv(XNNConv2d, c, p, k, s, d, gi, go, g, (0, 0), c.inp([n, h, w, gi * g]), c.const(randn(go * g, *k, gi)),
                    c.const(randn(go * g)), c.out(o)), -2.0, 6.0)
        c = case(f"conv-static-{name}", atol=0)
        sc = torch.rand(go * g, generator=gen) * 0.01 + 0.002
        wq = c.const(randi(-127, 128, go * g, *k, gi), QCINT8, PC(c, sc))
        bq = c.const(randi(-500, 500, go * g, dtype=torch.int32), QCINT32, PC(c, sc * 0.03))
        c.node(conv(XNNConv2d, c, p, k, s, d, gi, go, g, (0, 0), c.inp([n, h, w, gi * g], QINT8, PT(0.03, 4)), wq, bq,
                    c.out(o, QINT8, PT(0.1, -3))), -5.0, 4.0)
        c = case(f"conv-qd8-{name}", atol=5e-5)
        x = c.inp([n, h, w, gi * g])
        q = c.value(QDINT8, [n, h, w, gi * g], PerTokenDynamicQuant(3))
        c.node(XNNConvert(x, q, 0))
        wq = c.const(randi(-127, 128, go * g, *k, gi), QCINT8, PC(c, sc))
        c.node(conv(XNNConv2d, c, p, k, s, d, gi, go, g, (0, 0), q, wq, c.const(randn(go * g)), c.out(o)))
    c = case("conv-qd8-1x1-grouped", atol=5e-5)
    x, q = c.inp([n, h, w, 8]), c.value(QDINT8, [n, h, w, 8], PerTokenDynamicQuant(3))
    c.node(XNNConvert(x, q, 0))
    c.node(conv(XNNConv2d, c, (0, 0, 0, 0), (1, 1), (1, 1), (1, 1), 4, 3, 2, (0, 0), q,
                c.const(randi(-127, 128, 6, 1, 1, 4), QCINT8, PC(c, torch.full((6,), 0.01))), NONE, c.out([n, h, w, 6])))
    c = case("conv-nobias-same", atol=2e-5)
    c.node(conv(XNNConv2d, c, (0, 0, 0, 0), (3, 4), (2, 2), (1, 1), 3, 4, 1, (0, 0), c.inp([n, h, w, 3]), c.const(randn(4, 3, 4, 3)), NONE,
                c.out([n, 5, 4, 4]), 4))
    c = case("conv-f16", atol=3e-2, rtol=1e-2)
    c.node(conv(XNNConv2d, c, (1, 1, 1, 1), (3, 3), (1, 1), (1, 1), 5, 4, 1, (0, 0), c.inp([1, 5, 6, 5], FP16), c.const(randn(4, 3, 3, 5)),
                c.const(randn(4)), c.out([1, 5, 6, 4], FP16)))
    c = case("conv-quint8", atol=0)
    c.node(conv(XNNConv2d, c, (1, 1, 1, 1), (3, 3), (1, 1), (1, 1), 5, 4, 1, (0, 0), c.inp([1, 5, 6, 5], QUINT8, PT(0.03, 120)),
                c.const(randi(0, 256, 4, 3, 3, 5, dtype=torch.uint8), QUINT8, PT(0.01, 130)),
                c.const(randi(-500, 500, 4, dtype=torch.int32), QINT32, PT(0.0003, 0)), c.out([1, 5, 6, 4], QUINT8, PT(0.1, 128))))
    c = case("conv-dynamic", atol=2e-5)
    c.node(conv(XNNConv2d, c, (1, 1, 1, 1), (3, 3), (2, 2), (1, 1), 3, 5, 1, (0, 0), c.inp([2, 10, 10, 3]), c.const(randn(5, 3, 3, 3)),
                c.const(randn(5)), c.out([2, 5, 5, 5])))
    c.calls = [[randn(1, 10, 10, 3)], [randn(2, 7, 4, 3)], [randn(2, 10, 10, 3)]]
    c = case("conv-nchw", atol=2e-5)
    x, t, u = c.inp([1, 3, 6, 7]), c.value(FP32, [1, 6, 7, 3]), c.value(FP32, [1, 6, 7, 4])
    c.node(XNNStaticTranspose(4, [0, 2, 3, 1], x, t, 0))
    c.node(conv(XNNConv2d, c, (1, 1, 1, 1), (3, 3), (1, 1), (1, 1), 3, 4, 1, (0, 0), t, c.const(randn(4, 3, 3, 3)), c.const(randn(4)), u))
    c.node(XNNStaticTranspose(4, [0, 3, 1, 2], u, c.out([1, 4, 6, 7]), 0))
    for name, k, s, d, mult, ch in (("3x3", (3, 3), (1, 1), (1, 1), 1, 10), ("s2", (3, 3), (2, 2), (1, 1), 1, 5),
                                    ("mult", (3, 2), (1, 1), (1, 1), 2, 4), ("dil", (3, 3), (1, 1), (2, 2), 1, 6)):
        p = (1, 1, 1, 1)
        o = [n, osize(h, 2, k[0], s[0], d[0]), osize(w, 2, k[1], s[1], d[1]), ch * mult]
        c = case(f"dw-{name}", atol=2e-5)
        c.node(conv(XNNDepthwiseConv2d, c, p, k, s, d, 1, mult, ch, (0, 0), c.inp([n, h, w, ch]), c.const(randn(1, *k, ch * mult)),
                    c.const(randn(ch * mult)), c.out(o)), -3.0, 3.0)
        c = case(f"dw-static-{name}", atol=0)
        sc = torch.rand(ch * mult, generator=gen) * 0.01 + 0.002
        wq = c.const(randi(-127, 128, 1, *k, ch * mult), QCINT8, PC(c, sc, 3))
        bq = c.const(randi(-500, 500, ch * mult, dtype=torch.int32), QCINT32, PC(c, sc * 0.03))
        c.node(conv(XNNDepthwiseConv2d, c, p, k, s, d, 1, mult, ch, (0, 0), c.inp([n, h, w, ch], QINT8, PT(0.03, 4)), wq, bq,
                    c.out(o, QINT8, PT(0.02, -3))))
    for name, k, s, d, gi, go, g, adj, p in (("2x2s2", (2, 2), (2, 2), (1, 1), 4, 5, 1, (0, 0), (0, 0, 0, 0)),
                                             ("3x3s2", (3, 3), (2, 2), (1, 1), 3, 6, 1, (1, 1), (1, 1, 1, 1)),
                                             ("dil", (3, 3), (1, 1), (2, 2), 3, 4, 1, (0, 0), (1, 0, 0, 1)),
                                             ("grouped", (4, 4), (2, 2), (1, 1), 3, 2, 3, (0, 0), (1, 1, 1, 1))):
        o = [n, (5 - 1) * s[0] + adj[0] + (k[0] - 1) * d[0] + 1 - p[0] - p[2],
             (6 - 1) * s[1] + adj[1] + (k[1] - 1) * d[1] + 1 - p[1] - p[3], go * g]
        c = case(f"deconv-{name}", atol=2e-5)
        c.node(conv(XNNConvTranspose2d, c, p, k, s, d, gi, go, g, adj, c.inp([n, 5, 6, gi * g]), c.const(randn(go * g, *k, gi)),
                    c.const(randn(go * g)), c.out(o)))
        c = case(f"deconv-static-{name}", atol=0)
        wq = c.const(randi(-127, 128, go * g, *k, gi), QINT8, PT(0.008, 0))
        bq = c.const(randi(-500, 500, go * g, dtype=torch.int32), QINT32, PT(0.00024, 0))
        c.node(conv(XNNConvTranspose2d, c, p, k, s, d, gi, go, g, adj, c.inp([n, 5, 6, gi * g], QINT8, PT(0.03, 4)), wq, bq,
                    c.out(o, QINT8, PT(0.1, -3))))
    for name, p, k, s in (("2x2", (0, 0, 0, 0), (2, 2), (2, 2)), ("3x3p", (1, 1, 1, 1), (3, 3), (2, 2)),
                          ("3x2", (0, 1, 1, 0), (3, 2), (1, 1))):
        o = [n, osize(h, p[0] + p[2], k[0], s[0], 1), osize(w, p[1] + p[3], k[1], s[1], 1), 5]
        c = case(f"avgpool-{name}")
        c.node(XNNAvgPooling2d(*p, *k, *s, 1, 1, c.inp([n, h, w, 5]), c.out(o), 0x40))
        c = case(f"maxpool-{name}", atol=0)
        c.node(XNNMaxPooling2d(*p, *k, *s, 1, 1, c.inp([n, h, w, 5]), c.out(o), 0x40), -0.5, 1.5)
    c = case("maxpool-dilated", atol=0)
    c.node(XNNMaxPooling2d(1, 1, 1, 1, 2, 3, 1, 1, 2, 2, c.inp([n, h, w, 5]), c.out([n, osize(h, 2, 2, 1, 2), osize(w, 2, 3, 1, 2), 5]),
                           0x40))
    c = case("maxpool-qint8", atol=0)
    c.node(XNNMaxPooling2d(0, 0, 0, 0, 2, 2, 2, 2, 1, 1, c.inp([n, 8, 8, 5], QINT8, PT(0.1, 3)), c.out([n, 4, 4, 5], QINT8, PT(0.1, 3)),
                           0x40))
    c = case("maxpool-f16", atol=0)
    c.node(XNNMaxPooling2d(0, 0, 0, 0, 2, 2, 2, 2, 1, 1, c.inp([n, 8, 8, 5], FP16), c.out([n, 4, 4, 5], FP16), 0x40))
    c = case("argmaxpool", atol=0)
    c.node(XNNArgMaxPooling2d(0, 0, 0, 0, 3, 2, c.inp([n, 9, 8, 5]), c.out([n, 3, 4, 5]),
                              c.out([n, 3, 4, 5], INT32, torch_type=torch.int64), 0))
    for flags in (0x40, 0):
        c = case(f"gavg-{flags}")
        c.node(XNNGlobalAvgPooling2d(c.inp([n, 7, 5, 6]), c.out([n, 1, 1, 6] if flags else [n, 6]), flags))
    c = case("gavg-qint8", atol=1)
    c.node(XNNGlobalAvgPooling2d(c.inp([n, 7, 5, 6], QINT8, PT(0.03, 4)), c.out([n, 1, 1, 6], QINT8, PT(0.01, -3)), 0x40))
    c = case("gavg-f16", atol=2e-3, rtol=2e-3)
    c.node(XNNGlobalAvgPooling2d(c.inp([n, 7, 5, 6], FP16), c.out([n, 1, 1, 6], FP16), 0x40))
    for oh, ow, flags in ((14, 10, 0), (14, 10, 8), (3, 2, 0), (3, 2, 8), (1, 1, 8), (9, 7, 4)):
        c = case(f"resize-{oh}x{ow}-{flags}")
        c.node(XNNStaticResizeBilinear2D(oh, ow, c.inp([n, 7, 5, 3]), c.out([n, oh, ow, 3]), flags))


def denormals():
    """Products that are zero only where denormal numbers are."""
    n = 100
    c = case("denormals", atol=0, rtol=1e-6)
    tiny, huge = [c.inp([n]) for _ in range(2)], c.inp([n])
    product = c.value(FP32, [n])
    c.node(XNNMultiply(*tiny, product, 0))
    c.node(XNNMultiply(product, huge, c.out([n]), 0))
    c.calls = [[torch.full([n], 1e-20), torch.full([n], 1e-20), torch.full([n], 1e30)],
               [torch.full([n], 1e-18), torch.full([n], 1e-18), torch.full([n], 1e30)]]


def sample(a, sizes):
    if a.dtype in (torch.int8, torch.uint8):
        info = torch.iinfo(a.dtype)
        return randi(info.min, info.max + 1, *sizes, dtype=a.dtype)
    return randn(*sizes, dtype=a.dtype)


def in_memory(t, order):
    return raw(t.permute(order).contiguous())


def arranged(t, order):
    """The same tensor, laid out by dim_order."""
    if order == sorted(order):
        return t.contiguous()
    return t.contiguous(memory_format=torch.channels_last)


def main():
    unaries()
    binaries()
    fully_connected()
    converts()
    moves()
    images()
    denormals()
    only = sys.argv[2:]
    out, kept = bytearray(), 0
    for c in CASES:
        if only and c.name not in only:
            continue
        rec = in_child(record, c)
        if rec is None:
            print("refused:", c.name, flush=True)
            continue
        out += rec
        kept += 1
    with open(sys.argv[1], "wb") as f:
        f.write(b"XNC1" + struct.pack("<I", kept) + out)
    print(f"{kept} cases, {len(out)} bytes")


def record(c):
    payload = c.payload()
    program = c.program(payload)   # the runtime does not copy it
    m = _load_for_executorch_from_buffer(program)
    inputs = [a for a in c.args if not a.is_output]
    calls = c.calls or [[sample(a, a.dims) for a in inputs]]
    name = c.name.encode()
    out = struct.pack("<I", len(name)) + name + struct.pack("<I", len(payload)) + payload
    out += struct.pack("<ffII", c.atol, c.rtol, len(c.args), len(calls))
    for a in c.args:
        out += struct.pack(f"<III{len(a.dims)}I{len(a.dims)}I", CODE[a.dtype], int(a.is_output), len(a.dims), *a.dims, *a.order)
    for call in calls:
        got = [t.clone() for t in m.run_method("forward", tuple(arranged(t, a.order) for t, a in zip(call, inputs)))]
        ins, outs = iter(call), iter(got)
        for a in c.args:
            t = next(outs) if a.is_output else next(ins)
            out += struct.pack(f"<{t.dim()}I", *t.shape) + in_memory(t, a.order)
    return out


def in_child(fn, c):
    """fn(c) in a forked process, None when it fails or crashes: the official runtime does not check everything."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            data = fn(c)
            with os.fdopen(write, "wb") as f:
                f.write(b"y" + data)
            os._exit(0)
        except Exception as e:
            print(c.name, str(e).splitlines()[0][:150], flush=True)
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        data = f.read()
    os.waitpid(pid, 0)
    return data[1:] if data[:1] == b"y" else None


if __name__ == "__main__":
    main()
