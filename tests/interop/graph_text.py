"""torch.export -> graph text and safetensors: inputs for `etch lower` that do not depend on etch's tracer or passes.

write(module, args, dynamic_shapes, folder) exports, decomposes to core ATen and writes folder/graph.txt and folder/model.safetensors.
Python numbers in tensor slots become .Scalar overloads, as the passes would do. State buffers that the module mutates stay buffers.
"""
import os

import torch
from torch.export.graph_signature import InputKind, OutputKind

DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64", torch.int32: "i32",
          torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool"}


def dim(d):
    if isinstance(d, int):
        return str(d)
    return str(d.node.expr).replace("//", " // ")


def type_of(t):
    return f"{DTYPES[t.dtype]}[{', '.join(dim(d) for d in t.shape)}]"


def data(t):
    raw = t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
    return f'data : {type_of(t)} hex "{raw.hex()}"'


class Writer:
    def __init__(self):
        self.lines, self.ids, self.n = [], {}, 0

    def define(self, key, text):
        self.ids[key] = f"%{self.n}"
        self.n += 1
        self.lines.append(f"{self.ids[key]} = {text}")

    def value(self, a, is_dtype=False):
        if isinstance(a, torch.fx.Node):
            v = a.meta["val"]
            return dim(v) if isinstance(v, (int, torch.SymInt)) else self.ids[a]
        if isinstance(a, (list, tuple)):
            return "[" + ", ".join(self.value(x) for x in a) + "]"
        if a is None:
            return "None"
        if isinstance(a, bool):
            return "true" if a else "false"
        if isinstance(a, torch.SymInt):
            return dim(a)
        if isinstance(a, float):
            return repr(a) if "n" not in repr(a) else str(a)
        if isinstance(a, str):
            return a if a.startswith("%") else f'"{a}"'
        if isinstance(a, torch.dtype):
            return DTYPES[a]
        return str(a)

    def call(self, node):
        op = node.target
        schema = op._schema
        name = op.name()
        params = {p.name: p for p in schema.arguments}
        bound = dict(zip((p.name for p in schema.arguments if not p.kwarg_only), node.args)) | dict(node.kwargs)
        second = schema.arguments[1] if len(schema.arguments) > 1 else None
        wanted = second is not None and str(second.type) == "Tensor"
        if wanted and not isinstance(bound.get(second.name), (torch.fx.Node, torch.Tensor, list)):
            name = name.replace(".Tensor", ".Scalar")
        for p in schema.arguments:  # a number as first operand: 0-d data of the result's type
            if str(p.type) == "Tensor" and isinstance(bound.get(p.name), (int, float)) and p is not second:
                key = (node, p.name)
                self.define(key, data(torch.tensor(bound[p.name], dtype=node.meta["val"].dtype)))
                bound[p.name] = self.ids[key]
        args = [self.value(bound[p.name]) for p in schema.arguments if not p.kwarg_only and p.name in bound]
        args += [f"{k}={self.value(bound[k])}" for k, p in params.items()
                 if p.kwarg_only and k in bound and bound[k] is not None and k not in ("device", "layout", "pin_memory", "memory_format")]
        val = node.meta["val"]
        vals = val if isinstance(val, (list, tuple)) else [val]
        outs = []
        for i, _ in enumerate(vals):
            self.ids[(node, i)] = f"%{self.n}"
            outs.append(f"%{self.n}")
            self.n += 1
        self.ids[node] = outs[0]
        types = ", ".join(type_of(v) if isinstance(v, torch.Tensor) else f"int {dim(v)}" for v in vals)
        self.lines.append(f"{', '.join(outs)} = {name}({', '.join(args)}) : {types}")


def write(module, args, folder, dynamic_shapes=None, kwargs=None, metas=()):
    from safetensors.torch import save_file
    with torch.no_grad():
        ep = torch.export.export(module.eval(), args, kwargs=kwargs, dynamic_shapes=dynamic_shapes, strict=False)
    ep = ep.run_decompositions()
    sig = ep.graph_signature
    w = Writer()
    state = {**ep.state_dict, **ep.constants}
    mutated = {v: k for k, v in sig.buffers_to_mutate.items()}
    specs = {s.arg.name: s for s in sig.input_specs}
    for node in ep.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind == InputKind.USER_INPUT:
                w.define(node, f'input "{node.name}" : {type_of(node.meta["val"])}')
            elif spec.target in mutated:
                t = state[spec.target]
                if t.count_nonzero() == 0:
                    w.define(node, f'buffer "{spec.target}" : {type_of(t)} init zeros')
                else:
                    w.define(("init", node), data(t))
                    w.define(node, f'buffer "{spec.target}" : {type_of(t)} init {w.ids[("init", node)]}')
            elif spec.kind == InputKind.PARAMETER:
                w.define(node, f'file "model.safetensors" "{spec.target}" : {type_of(node.meta["val"])} fqn "{spec.target}"')
            else:
                w.define(node, data(state[spec.target]))
        elif node.op == "call_function" and node.target.__name__ == "getitem":
            w.ids[node] = w.ids[(node.args[0], node.args[1])]
        elif node.op == "call_function" and isinstance(node.meta.get("val"), (int, torch.SymInt)):
            if "_local_scalar_dense" in str(node.target):
                w.call(node)
        elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload) and node.meta.get("val") is not None:
            w.call(node)
        elif node.op == "output":
            for spec, a in zip(sig.output_specs, node.args[0]):
                if spec.kind == OutputKind.BUFFER_MUTATION:
                    buffer = next(n for n in ep.graph.nodes if n.op == "placeholder" and specs[n.name].target == spec.target)
                    w.lines.append(f"mutate {w.ids[buffer]} = {w.ids[a]}")
            for i, (spec, a) in enumerate(zip(sig.output_specs, node.args[0])):
                if spec.kind == OutputKind.USER_OUTPUT:
                    w.lines.append(f'return "out{i}" {w.ids[a]}')
    head = ["etch-graph 1"]
    for sym, r in ep.range_constraints.items():
        hint = ep.graph_module.meta.get("hint", {}).get(sym)
        lo, hi = int(r.lower), int(r.upper)
        head.append(f"sym {sym} in [{lo}, {hi}] example {hint or min(max(lo, 4), hi)}")
    head += [f'meta "{k}" = {v}' for k, v in metas] + ['method "forward"']
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "graph.txt"), "w") as f:
        f.write("\n".join(head + w.lines + ["end", ""]))
    params = {k: v.detach().contiguous().clone() for k, v in ep.state_dict.items() if isinstance(v, torch.Tensor)}
    save_file(params, os.path.join(folder, "model.safetensors"))
    return ep
