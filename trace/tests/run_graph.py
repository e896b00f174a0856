"""Runs a traced graph with PyTorch, node by node, and compares it with the model that was traced.

Usage: python run_graph.py GRAPH.txt MODEL_FOLDER [more pairs]. Needs PyTorch and transformers (the oracle); checks tracing alone, without
lowering and runtime. Text generation: prefill of 8 tokens, then three single tokens, state carried in the graph's buffers.
"""
import os
import re
import sys

import torch
from safetensors import safe_open

DTYPES = {"u8": "uint8", "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64", "f16": "float16", "f32": "float32", "f64": "float64",
          "c64": "complex64", "bool": "bool", "bf16": "bfloat16"}
NAMES = {k: getattr(torch, v) for k, v in DTYPES.items()} | {"true": True, "false": False, "inf": float("inf"), "nan": float("nan"), "max": max, "min": min}


def _split(line):
    """'%1, %2 = aten::x.y(args) : types ...' -> ids, op, args, types."""
    left, right = line.split(" = ", 1)
    op, rest = right.split("(", 1)
    depth, quoted, i = 1, False, 0
    while depth:
        c = rest[i]
        if quoted:
            i += c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        else:
            depth += (c in "([") - (c in ")]")
        i += 1
    return [int(x) for x in re.findall(r"%(\d+)", left)], op, rest[: i - 1], rest[i:]


def _value(args):
    out, quoted = "", False
    for part in re.split(r'("(?:\\.|[^"])*")', args):
        out += part if part.startswith('"') else re.sub(r"%(\d+)", r"v[\1]", part)
    return out


def _type(text):
    dtype, sizes = re.match(r"\s*(?:: )?(\w+)\[(.*?)\]", text).groups()
    return NAMES[dtype], sizes


class Method:
    def __init__(self, lines, folder):
        self.lines, self.folder, self.state, self.constants = lines, folder, {}, {}

    def _leaf(self, index, text, feeds, scope):
        kind, rest = text.split(" ", 1)
        if kind == "input":
            name = re.match(r'"([^"]*)"', rest).group(1)
            value = feeds[name]
            sizes = _type(rest.split(" : ", 1)[1])[1]
            for expression, size in zip(filter(None, sizes.split(", ")), value.shape):
                if expression.isidentifier():
                    scope[expression] = size
            return value
        if kind == "file":
            file, key = re.findall(r'"([^"]*)"', rest)[:2]
            with safe_open(os.path.join(self.folder, file), "pt") as f:
                return f.get_tensor(key)
        if kind == "data":
            dtype, sizes = _type(rest)
            raw = bytes.fromhex(re.search(r'hex "([0-9a-f]*)"', rest).group(1))
            shape = [int(x) for x in sizes.split(", ") if x]
            return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape) if raw else torch.zeros(shape, dtype=dtype)
        if kind == "buffer":
            if index not in self.state:
                dtype, sizes = _type(rest.split(" : ", 1)[1])
                init = re.search(r"init (zeros|%(\d+))", rest)
                self.state[index] = torch.zeros([int(x) for x in sizes.split(", ") if x], dtype=dtype) if init.group(1) == "zeros" else scope["v"][int(init.group(2))]
            return self.state[index]
        raise ValueError(text)

    def __call__(self, **feeds):
        v, scope, outputs, writes = {}, dict(NAMES), {}, {}
        scope["v"] = v
        for line in self.lines:
            if line.startswith("mutate"):
                buffer, value = map(int, re.findall(r"%(\d+)", line))
                writes[buffer] = v[value]
            elif line.startswith("return"):
                outputs[re.match(r'return "([^"]*)"', line).group(1)] = v[int(re.search(r"%(\d+)$", line).group(1))]
            elif re.match(r"%\d+ = (input|file|data|buffer) ", line):
                index = int(re.match(r"%(\d+)", line).group(1))
                v[index] = self._leaf(index, line.split(" = ", 1)[1], feeds, scope)
            else:
                ids, op, args, types = _split(line)
                namespace, name = op.split("::")
                base, _, overload = name.partition(".")
                if op == "aten::view":  # values of a graph are row-major, PyTorch's need not be
                    base = "reshape"
                fn = getattr(getattr(getattr(torch.ops, namespace), base), overload or "default")
                result = eval(f"f({_value(args)})", scope | {"f": fn})
                symbol = re.match(r"\s*: int (u\d+)", types)
                if symbol:
                    scope[symbol.group(1)] = result
                for i, x in zip(ids, result if isinstance(result, (tuple, list)) else [result]):
                    v[i] = x
                for i, part in zip(ids, re.findall(r"(\w+)\[(.*?)\]", types.split(" @ ")[0])):
                    sizes = [eval(x, scope) for x in part[1].split(", ") if x]
                    assert list(v[i].shape) == sizes and v[i].dtype == NAMES[part[0]], f"{line}\n  PyTorch gives {v[i].dtype} {list(v[i].shape)}, expected {sizes}"
        self.state.update(writes)
        return outputs


def load(path, folder):
    methods, name = {}, None
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith('method "'):
            name = line[8:-1]
            methods[name] = []
        elif line == "end":
            name = None
        elif name is not None:
            methods[name].append(line)
    return {k: Method(v, folder) for k, v in methods.items()}


@torch.no_grad()
def compare(path, folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    forward = load(path, folder)["forward"]
    ids = torch.randint(3, 200, (1, 11), generator=torch.Generator().manual_seed(7))
    want = model(input_ids=ids).logits
    worst, at = 0.0, 0
    for n in (8, 1, 1, 1):
        got = forward(input_ids=ids[:, at : at + n], cache_position=torch.arange(at, at + n))["logits"]
        worst = max(worst, (got - want[:, at + n - got.shape[1] : at + n]).abs().max().item())
        at += n
    return worst


def main():
    failed = 0
    for path, folder in zip(sys.argv[1::2], sys.argv[2::2]):
        try:
            worst = compare(path, folder)
        except Exception as error:
            print(f"{os.path.basename(folder)}: {error}")
            worst = float("inf")
        ok = worst < 1e-4
        failed += not ok
        print(f"{'ok' if ok else 'FAILED'} {os.path.basename(folder)} largest difference {worst:.2e}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
