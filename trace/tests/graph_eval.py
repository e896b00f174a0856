"""Evaluates graph text with PyTorch: an independent reading of what the tracer wrote. Needs PyTorch and safetensors.

    program = Program(text, model_folder); outputs = program.run("forward", {"input_ids": ..., ...})

State (buffers) persists between runs. Every value's dtype and shape is compared with the type printed in the text.
"""
import os
import re

import torch
from safetensors import safe_open

DTYPES = {"u8": torch.uint8, "i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "f16": torch.float16,
          "f32": torch.float32, "f64": torch.float64, "bool": torch.bool, "bf16": torch.bfloat16, "c64": torch.complex64}
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|%(\d+)|[A-Za-z_][A-Za-z_0-9]*')
TYPE = re.compile(r"(\w+)\[([^\]]*)\]")
LINE = re.compile(r"^((?:%\d+(?:, )?)+) = (\S+?)\((.*)\) : (.*)$")


def python_of(text):
    """Arguments as a Python expression: %3 -> v[3], f32 -> dtypes["f32"], true -> True."""

    def word(m):
        w = m.group(0)
        if w[0] == '"':
            return w
        if w[0] == "%":
            return f"v[{m.group(1)}]"
        if w in ("true", "false"):
            return w.capitalize()
        if w in DTYPES and not text[m.end():m.end() + 1] == "=":
            return f'dtypes["{w}"]'
        if w in ("inf", "nan"):
            return f'float("{w}")'
        return w

    return WORD.sub(word, text)


def cut_call(text):
    """Splits "op(args) : types ..." at the parenthesis that closes the call."""
    depth, quoted = 0, False
    for i, c in enumerate(text):
        if c == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted and c == "(":
            depth += 1
        elif not quoted and c == ")":
            depth -= 1
            if depth == 0:
                return text[:i + 1], text[i + 1:]
    raise ValueError(text)


def overload(name):
    if name == "aten::view":  # values of the graph are row-major: contiguous() leaves no node, and a view of anything is a reshape
        name = "aten::reshape"
    namespace, rest = name.split("::")
    op, _, which = rest.partition(".")
    return getattr(getattr(getattr(torch.ops, namespace), op), which or "default")


class Program:
    def __init__(self, text, folder):
        self.folder, self.files, self.symbols, self.metas, self.methods, self.state = folder, {}, {}, {}, {}, {}
        current = None
        for line in text.splitlines():
            if line.startswith("meta "):
                name, _, value = line[5:].partition(" = ")
                self.metas[eval(name)] = eval(python_of(value), {"dtypes": DTYPES})
            elif line.startswith("sym "):
                name, lo, hi = re.match(r"sym (\w+) in \[(-?\d+), (-?\d+|inf)\]", line).groups()
                self.symbols[name] = (int(lo), hi)
            elif line.startswith("method "):
                current = self.methods[eval(line[7:])] = []
            elif line.startswith(("%", "mutate ", "return ")):
                current.append(line)

    def _file(self, file, key):
        if file not in self.files:
            self.files[file] = safe_open(os.path.join(self.folder, file), "pt")
        return self.files[file].get_tensor(key)

    def _check(self, line, value, printed, env):
        m = TYPE.match(printed.strip())
        if not m or not isinstance(value, torch.Tensor):
            return
        shape = list(eval("[" + m.group(2) + "]", {}, dict(env)))
        if value.dtype != DTYPES[m.group(1)] or list(value.shape) != shape:
            raise AssertionError(f"{line}\n  PyTorch gives {value.dtype} {list(value.shape)}, the text says {m.group(1)} {shape}")

    def run(self, method, inputs):
        v, env, out, writes = {}, {"max": max, "min": min}, {}, {}
        for line in self.methods[method]:
            if line.startswith("mutate "):
                target, source = re.match(r"mutate %(\d+) = %(\d+)", line).groups()
                writes[int(target)] = v[int(source)].clone()
                continue
            if line.startswith("return "):
                for name, value in re.findall(r'"([^"]*)" %(\d+)', line):
                    out[name] = v[int(value)]
                continue
            left, _, right = line.partition(" = ")
            ids = [int(i) for i in re.findall(r"%(\d+)", left)]
            kind = right.split(" ", 1)[0]
            if kind == "input":
                name = re.match(r'input "([^"]*)"', right).group(1)
                v[ids[0]] = inputs[name]
                sizes = TYPE.search(right.split(" : ", 1)[1]).group(2).split(", ")
                for size, actual in zip(sizes, inputs[name].shape):
                    if re.fullmatch(r"[A-Za-z_]\w*", size):
                        env[size] = actual
                self._check(line, v[ids[0]], right.split(" : ", 1)[1], env)
            elif kind == "file":
                file, key = re.match(r'file "([^"]*)" "([^"]*)"', right).groups()
                v[ids[0]] = self._file(file, key)
                self._check(line, v[ids[0]], right.split(" : ", 1)[1], env)
            elif kind == "data":
                m = TYPE.search(right)
                raw = bytes.fromhex(re.search(r'hex "([0-9a-f]*)"', right).group(1))
                shape = eval("[" + m.group(2) + "]")
                v[ids[0]] = (torch.frombuffer(bytearray(raw), dtype=DTYPES[m.group(1)]) if raw
                             else torch.empty(0, dtype=DTYPES[m.group(1)])).reshape(shape)
            elif kind == "buffer":
                name = re.match(r'buffer "([^"]*)"', right).group(1)
                if name not in self.state:
                    m = TYPE.search(right.split(" : ", 1)[1])
                    init = re.search(r"init %(\d+)", right)
                    zeros = torch.zeros(eval("[" + m.group(2) + "]"), dtype=DTYPES[m.group(1)])
                    self.state[name] = v[int(init.group(1))].clone() if init else zeros
                v[ids[0]] = self.state[name]
                env[f"buffer{ids[0]}"] = name
            else:
                call, rest = cut_call(right)
                op, _, args = call.partition("(")
                result = eval(f"f({python_of(args)}", {"f": overload(op), "v": v, "dtypes": DTYPES}, env)
                values = list(result) if isinstance(result, (tuple, list)) else [result]
                symbol = re.search(r": int (\w+)", rest)
                if symbol:
                    env[symbol.group(1)] = int(values[0])
                for i, value, m in zip(ids, values, re.finditer(r"\w+\[[^\]]*\]", rest.split("@")[0])):
                    v[i] = value
                    self._check(line, value, m.group(0), env)
                if symbol:
                    v[ids[0]] = values[0]
        for target, value in writes.items():
            self.state[env[f"buffer{target}"]] = value
        return out
