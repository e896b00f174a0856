"""The official runtime (executorch 1.5.1) on a .pte, loaded with its full verification."""
import executorch.extension.pybindings.portable_lib as lib
import executorch.extension.llm.custom_ops.custom_ops  # noqa: F401  registers llama::*
import executorch.kernels.quantized  # noqa: F401  registers quantized_decomposed::*


def sums_in_halves():
    """Does its XNNPACK sum products of halves in halves? Where the processor has such instructions (AVX512-FP16)."""
    try:
        with open("/proc/cpuinfo") as f:
            return "avx512_fp16" in f.read()
    except OSError:
        return False


class Official:
    def __init__(self, path):
        self.program = lib._load_program(str(path), program_verification=lib.Verification.InternalConsistency)
        self.loaded = {}

    def __call__(self, method, inputs):
        if method not in self.loaded:
            self.loaded[method] = self.program.load_method(method)
        return [o.clone() if hasattr(o, "clone") else o for o in self.loaded[method].call(list(inputs))]

    def methods(self):
        return {self.program.get_method_name(i) for i in range(self.program.num_methods())}

    def constant(self, name):
        values = self(name, [])
        return values[0] if len(values) == 1 else values


def steps(io):
    """Calls recorded in the naming of `etch verify`: yields (method, inputs, outputs) in step order."""
    calls = {}
    for key in io:
        step, method, slot = key.split(".")
        calls.setdefault((int(step[1:]), method), {})[slot] = io[key]
    for (_, method), slots in sorted(calls.items()):
        ins = [slots[f"in{i}"] for i in range(sum(s.startswith("in") for s in slots))]
        outs = [slots[f"out{i}"] for i in range(sum(s.startswith("out") for s in slots))]
        yield method, ins, outs
