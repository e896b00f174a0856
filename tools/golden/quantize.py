"""Writes kern/quantize/testdata/quantize.txt: what torchao (0.18, the official exporter's quantizer) makes of seeded rows.

A case: `bits group rule n k`, then for each row its k floats, k integers and k/group scales, one row of numbers a line (floats as C99 hex).
"""
import os

import torch
from torchao.quantization.quant_primitives import MappingType
from torchao.quantization.quantize_.workflows.intx.intx_unpacked_to_int8_tensor import IntxUnpackedToInt8Tensor
from torchao.quantization.quantize_.workflows.intx.intx_choose_qparams_algorithm import IntxChooseQParamsAlgorithm as Rule

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "kern", "quantize", "testdata", "quantize.txt")
os.makedirs(os.path.dirname(out), exist_ok=True)
g = torch.Generator().manual_seed(0)
lines = []
for bits, group, n, k in [(4, 32, 4, 128), (4, 0, 3, 70), (8, 0, 3, 96), (8, 32, 2, 64), (4, 64, 2, 128)]:
    w = torch.randn(n, k, generator=g) * torch.rand(n, 1, generator=g)
    w[0, 0] *= 6
    w[-1, : min(group or k, k)] = 0
    for rule in (Rule.HQQ_SCALE_ONLY, Rule.AFFINE):
        t = IntxUnpackedToInt8Tensor.from_hp(w, (1, group or k), torch.int4 if bits == 4 else torch.int8,
                                             mapping_type=MappingType.SYMMETRIC, intx_choose_qparams_algorithm=rule)
        assert not t.zero_point.any()
        lines.append(f"{bits} {group} {'hqq' if rule is Rule.HQQ_SCALE_ONLY else 'minmax'} {n} {k}")
        for r in range(n):
            lines.append(" ".join(float(x).hex() for x in w[r]))
            lines.append(" ".join(str(int(x)) for x in t.qdata[r]))
            lines.append(" ".join(float(x).hex() for x in t.scale.reshape(n, -1)[r]))
open(out, "w").write("\n".join(lines) + "\n")
