"""Checkpoints whose config.json says that their weights are quantized: GPTQ and AWQ.

In: `quantization_config`. Out: a Packing, which the tracer's safetensors asks: where a file has X.qweight, X.qzeros and X.scales (and
X.g_idx), the model finds X.weight, an expression over those tensors. transformers is not told of the quantization: it would put modules of
its own into the model, for kernels that are not here.
"""
import json
import os

from etch_trace.report import TraceError

_PARTS = ("qweight", "qzeros", "scales", "g_idx")


def settings(raw):
    """The quantization_config of a config.json, or None."""
    found = raw.get("quantization_config")
    if found is None and isinstance(raw.get("text_config"), dict):
        found = raw["text_config"].get("quantization_config")
    if found is not None and not isinstance(found, dict):
        raise TraceError("config.json: quantization_config is no object")
    return found or None


def strip(config):
    for part in (config, config.get_text_config()):
        if getattr(part, "quantization_config", None) is not None:
            del part.quantization_config


def _bits(quant, allowed):
    bits = quant.get("bits", quant.get("w_bit"))
    if bits not in allowed:
        raise TraceError(f"config.json: quantization_config has {bits} bits; etch reads {' and '.join(map(str, allowed))} of this method",
                         kind="unsupported")
    return bits


def _one_of(quant, keys, allowed, method):
    """The first of `keys` that is set, lower case; an unknown value is refused by name."""
    key, value = next(((k, quant[k]) for k in keys if quant.get(k) is not None), (keys[0], allowed[0]))
    if str(value).lower() not in allowed:
        raise TraceError(f"config.json: quantization_config has {key} '{value}'; etch reads {', '.join(allowed)} of {method}",
                         kind="unsupported")
    return str(value).lower()


def _gptq(quant):
    return _bits(quant, (4, 8)), _one_of(quant, ("checkpoint_format", "format"), ("gptq", "gptq_v2"), "GPTQ")


def _awq(quant):
    _one_of(quant, ("version", "format"), ("gemm",), "AWQ")
    _one_of(quant, ("backend",), ("autoawq", "auto", "auto_awq", "legacy_awq", "gptqmodel"), "AWQ")
    return _bits(quant, (4,)), "awq"


_METHODS = {"gptq": _gptq, "awq": _awq}


def packing(folder, raw):
    """None for an ordinary checkpoint; a method that etch cannot read is refused by name."""
    quant = settings(raw)
    if quant is None:
        return None
    method = str(quant.get("quant_method") or ("bitsandbytes" if any(k.startswith("load_in_") for k in quant) else "unknown")).lower()
    if method not in _METHODS:
        raise TraceError(f"{folder}/config.json: the weights are quantized by the method '{method}', which etch does not read; it reads "
                         f"{', '.join(sorted(_METHODS))}, GGUF files (--gguf_file), and weights that are not quantized", kind="unsupported")
    return Packing(folder, *_METHODS[method](quant))


class Packing:
    """The packed weights of a folder's safetensors files, whichever shard their parts lie in."""

    def __init__(self, folder, bits, form):
        self._bits, self._format = bits, form
        self._where = {}  # tensor name -> (file, dtype name, shape)
        self._folder = folder

    def _files(self):
        if os.path.exists(os.path.join(self._folder, "model.safetensors")):
            return ["model.safetensors"]
        try:
            with open(os.path.join(self._folder, "model.safetensors.index.json"), encoding="utf-8") as f:
                return sorted(set(json.load(f)["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return []  # the library says what is wrong

    def _index(self):
        import safetensors

        for file in self._files():
            _, tensors = safetensors.read_header(os.path.join(self._folder, file))
            self._where.update({name: (file, dtype, shape) for name, (dtype, shape, _, _) in tensors.items()})

    def weights(self, names):
        """(weights that these names stand for: {"X.weight": "X"}, names that are parts of packed weights)."""
        if not self._where:
            self._index()
        packed = {name[:-len(".qweight")] for name in self._where if name.endswith(".qweight")}
        parts = {name for name in names if name.rpartition(".")[2] in _PARTS and name.rpartition(".")[0] in packed}
        return {name[:-len("qweight")] + "weight": name[:-len(".qweight")] for name in parts if name.endswith(".qweight")}, parts

    def _part(self, base, part):
        import safetensors
        from torch import _C

        name = f"{base}.{part}"
        if name not in self._where:
            raise TraceError(f"the checkpoint lacks {name}, which belongs to {base}.qweight")
        file, dtype, shape = self._where[name]
        want = ("F16", "BF16", "F32") if part == "scales" else ("I32",)
        if dtype not in want or len(shape) != (1 if part == "g_idx" else 2):
            raise TraceError(f"{file}: {name} is {dtype} {shape}; a matrix of {' or '.join(want)} was expected")
        return _C.file_tensor(file, name, safetensors.dtype_of(dtype), shape), shape

    def shape(self, base):
        (lines, width), (_, rows) = self._where[f"{base}.qweight"][2], self._where[f"{base}.scales"][2]
        return [rows, lines if self._format == "awq" else lines * 32 // self._bits_of(base, lines)]

    def _bits_of(self, base, lines):
        """Modules may differ from the config; their group index tells."""
        name = f"{base}.g_idx"
        columns = self._where[name][2][0] if name in self._where and len(self._where[name][2]) == 1 else 0
        bits = 32 * lines // columns if columns and self._format != "awq" else self._bits
        if bits not in (4, 8):
            raise TraceError(f"{base}.qweight holds {bits} bits a value; etch reads 4 and 8", kind="unsupported")
        return bits

    def tensor(self, base):
        """X.weight, f32 [rows, columns]."""
        import torch

        (words, (lines, _)), (zeros, _), (scales, _) = (self._part(base, part) for part in _PARTS[:3])
        group_of = self._part(base, "g_idx")[0] if f"{base}.g_idx" in self._where else None
        try:
            return torch.ops.etch.dequantize_columns(words, zeros, scales, group_of, bits=self._bits_of(base, lines), format=self._format)
        except Exception as error:
            raise TraceError(f"the parts of {base}.weight do not fit together: {' '.join(str(error).split())}") from None
