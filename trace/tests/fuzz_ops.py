"""Calls every row of the table with arguments drawn from its schema: whatever comes back, the interpreter must survive, and every tensor
that comes back must answer for its shape, its strides and, when constant, its content. Meant for a sanitizer build.

Usage: python fuzz_ops.py BUILD/share/etch/python [seed] [calls]
"""
import os
import random
import re
import sys

PACKAGE = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
CALLS = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
sys.path.insert(0, os.path.abspath(PACKAGE))

import torch  # noqa: E402
from torch import _C  # noqa: E402

rng = random.Random(SEED)
_C.method("fuzz")
s0 = _C.symbol("s0", 1, 63, 8)
ODD = [None, "a", torch.float32, [], (0, 1), torch.device("meta"), 10**30, -2**63, [None], slice(None), object(), {}, float("nan"), s0]


def fresh():
    return [torch.zeros(2, 3), torch.arange(4), torch.tensor(2.5), torch.tensor([True, False]), _C.input("x", torch.float32, (1, s0, 4)),
            torch.zeros(0, 3), torch.zeros(1, 2, 3, 4), torch.ones(3, 3).t(), torch.tensor(1)]


pool = fresh()
VALUES = {
    "Tensor": lambda: rng.choice(pool) if rng.random() < 0.9 else rng.choice([1, 2.5, True]),
    "int": lambda: rng.choice([0, 1, -1, 2, 3, s0, s0 - 1, -5, 7, 2**62]),
    "float": lambda: rng.choice([0.0, 1.0, 0.5, float("nan"), 1e30]),
    "bool": lambda: rng.random() < 0.5,
    "Scalar": lambda: rng.choice([0, 1, 2.5, True, -3, s0]),
    "str": lambda: rng.choice(["none", "tanh", "mean", "sum", "floor", "trunc", "constant", "reflect", "ij", "zeros"]),
    "ScalarType": lambda: rng.choice([torch.float32, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.uint8, torch.complex64]),
}


def value(kind):
    if rng.random() < 0.05:
        return rng.choice(ODD)
    if kind.endswith("?"):
        if rng.random() < 0.4:
            return None
        kind = kind[:-1]
    base = kind.split("[")[0].rstrip("?").replace("SymInt", "int")
    make = VALUES.get(base, lambda: None)
    return [make() for _ in range(rng.randint(0, 4))] if "[" in kind else make()


def parameters(schema):
    inner, depth, part = schema[schema.index("(") + 1 : schema.rindex(") ->")], 0, ""
    for c in inner + ",":
        if c == "," and depth == 0:
            if part.strip():
                yield re.sub(r"\(.*?\)", "", part.strip(), count=1) if not part.strip().startswith("*") else "*"
            part = ""
        else:
            depth += (c in "[(") - (c in ")]")
            part += c


def call(name):
    op = _C.op(name if "." in name else name + ".default") or _C.op(name)
    args, kwargs, keyword = [], {}, False
    for p in parameters(op._schema):
        if p == "*":
            keyword = True
            continue
        kind, key = p.split("=")[0].rsplit(" ", 1)
        if "=" in p and rng.random() < 0.5:
            keyword = True
        elif keyword:
            kwargs[key] = value(kind)
        else:
            args.append(value(kind))
    return op(*args, **kwargs)


def main():
    names, done = _C.op_names(), 0
    for i in range(CALLS):
        if i % 500 == 0:
            pool[:] = fresh()
        name = rng.choice(names)
        try:
            result = call(name)
        except SystemError:
            raise
        except Exception as error:
            assert "ETCH_INTERNAL" not in str(error) and "without content" not in str(error), (name, error)
            continue
        done += 1
        for t in result if isinstance(result, (tuple, list)) else [result]:
            if not isinstance(t, torch.Tensor):
                continue
            try:
                repr(t), t.stride(), t.is_contiguous()
                n = t.numel()
                if isinstance(n, int) and 0 < n < 5000:
                    if rng.random() < 0.3:
                        pool[rng.randrange(len(pool))] = t
                    if t._is_constant():
                        t.tolist()
            except (RuntimeError, NotImplementedError):  # sizes beyond int64; content with random parts
                pass
    print(f"{done} of {CALLS} calls recorded a node")


if __name__ == "__main__":
    main()
