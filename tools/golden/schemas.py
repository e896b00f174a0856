#!/usr/bin/env python3
"""Compares op/ops.def with PyTorch 2.13 and executorch 1.5: every schema is upstream's own, every out name exists there, and the
arguments of the out form are those that etch_op_param_in_out (op/op.h) says. Prints what differs; exit code 1 when anything does.

    python tools/golden/schemas.py
"""
import os
import re
import sys
import warnings

warnings.filterwarnings("ignore")
import torch  # noqa: E402

for module in ("executorch.kernels.quantized", "executorch.extension.llm.custom_ops.custom_ops", "torch.ao.quantization.fx._decomposed",
               "executorch.exir.passes._quant_patterns_and_replacements", "executorch.exir.dialects._ops",
               "executorch.exir.passes.dim_order_ops_registry"):
    try:
        __import__(module)
    except (ImportError, OSError) as e:
        print(f"not loaded: {module}: {e}", file=sys.stderr)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOT_IN_OUT = {"layout", "device", "pin_memory", "generator"}
RAW = {"aten::sym_size.int", "aten::sym_numel", "aten::_local_scalar_dense", "aten::copy_", "aten::index_put_"}

# Shares the out form of arange.start_step; lowering appends the step.
SHARES_OUT = {"aten::arange.start"}


def plain(text):
    text = re.sub(r"\([a-z]!?(?: -> \*)?(?:\|[a-z])?\)", "", text)
    return re.sub(r"-> Tensor qc$", "-> Tensor", text)


def params(text):
    inner = text[text.index("(") + 1:text.rindex(") ->")]
    out = []
    for p in re.split(r", (?![^\[]*\])", inner):
        if p and p != "*":
            out.append(re.split(r"[ =]", re.sub(r"=.*", "", p))[-1])
    return out


def main():
    known = {}
    for s in torch._C._jit_get_all_schemas():
        known.setdefault(str(s).split("(")[0], []).append(str(s))
    bad = n = 0
    for line in open(os.path.join(ROOT, "op/ops.def")):
        m = re.match(r'OP\((\w+), "((?:[^"\\]|\\.)*)", (NULL|"[^"]*"), ', line)
        if not m or m.group(2).startswith("etch::"):
            continue
        n += 1
        schema, out = m.group(2).replace('\\"', '"'), m.group(3).strip('"')
        name = schema.split("(")[0]
        if name not in known:
            print("no such operator upstream:", name)
            bad += 1
            continue
        if not any(plain(s) == plain(schema) for s in known[name]):
            print(f"schema differs:\n  row      {schema}\n  upstream {known[name][0]}")
            bad += 1
        if out == "NULL" or out in RAW:
            continue
        if out not in known:
            print("no such out form upstream:", out)
            bad += 1
            continue
        names = params(plain(schema))
        skip = NOT_IN_OUT | ({"dtype"} if "layout" in names else set())
        want = [p for p in names if p not in skip]
        full = known[out][0]
        got = params(re.sub(r"\([a-z]!\)", "(!)", full))
        outs = len(re.findall(r"Tensor\([a-z]!\)(?:\[\])? \w+", full[full.index("*, "):full.rindex(") ->")]))
        got = got[:len(got) - outs]
        if name not in SHARES_OUT and want != got and not (set(want) ^ set(got)) <= {"shape", "size"}:
            print(f"arguments of {out} differ: row {want}, upstream {got}")
            bad += 1
    print(f"{n} rows, {bad} differences")
    return 1 if bad else 0


sys.exit(main())
