"""Checkpoints that hold their weights as integers, made with numpy: GPTQ and AWQ words, GGUF files. For tests and goldens.

Matrices are [rows, columns] as a linear layer's weight; scales and zero points are [rows, groups].
"""
import struct

import numpy as np

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # integer i of a word, from the low bits up, is column AWQ_ORDER[i] of eight


def _words(lines, bits):
    """[.., p] integers -> [..] words, the first integer in the low bits."""
    out = np.zeros(lines.shape[:-1], np.uint32)
    for i in range(lines.shape[-1]):
        out |= lines[..., i].astype(np.uint32) << np.uint32(bits * i)
    return out.view(np.int32)


def pack_gptq(q, zeros, bits=4, checkpoint_format="gptq"):
    """qweight i32[columns * bits / 32, rows], qzeros i32[groups, rows * bits / 32]. The first format stores zero points less one."""
    per = 32 // bits
    z = (zeros - 1) & ((1 << bits) - 1) if checkpoint_format == "gptq" else zeros
    return _words(q.T.reshape(-1, per, q.shape[0]).transpose(0, 2, 1), bits), _words(z.T.reshape(z.shape[1], -1, per), bits)


def pack_awq(q, zeros):
    """qweight i32[columns, rows / 8], qzeros i32[groups, rows / 8]."""
    order = list(AWQ_ORDER)
    return tuple(_words(x.T.reshape(x.shape[1], -1, 8)[..., order], 4) for x in (q, zeros))


# ---- GGUF

_PLAIN = {"F32": (0, np.float32), "F16": (1, np.float16), "BF16": (30, np.uint16)}
ALIGNMENT = 32


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    if isinstance(value, list):
        items = [_value(v) for v in value]
        return struct.pack("<I", 9), items[0][0] + struct.pack("<Q", len(items)) + b"".join(data for _, data in items)
    if isinstance(value, bool):
        return struct.pack("<I", 7), struct.pack("<?", value)
    if isinstance(value, int):
        return struct.pack("<I", 4), struct.pack("<I", value)
    if isinstance(value, float):
        return struct.pack("<I", 6), struct.pack("<f", value)
    return struct.pack("<I", 8), _string(value)


def gguf_header(pairs, tensors):
    """tensors: [(name, shape, type number, offset in the data)]."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, value in pairs.items():
        kind, data = _value(value)
        out += _string(key) + kind + data
    for name, shape, kind, offset in tensors:
        out += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, offset)
    return out + b"\0" * (-len(out) % ALIGNMENT)


def write_gguf(path, pairs, tensors):
    """tensors: {name: (type name, shape, bytes)}."""
    import gguf

    table, at = [], 0
    for name, (kind, shape, data) in tensors.items():
        table.append((name, shape, int(getattr(gguf.GGMLQuantizationType, kind)), at))
        at += len(data) + -len(data) % ALIGNMENT
    with open(path, "wb") as f:
        f.write(gguf_header(pairs, table))
        for _, _, data in tensors.values():
            f.write(data + b"\0" * (-len(data) % ALIGNMENT))


def encode(weight, kind):
    """(bytes, the values that they stand for, f32)."""
    import gguf

    if kind == "BF16":
        bits = np.ascontiguousarray(weight, np.float32).view(np.uint32) >> 16  # cut off: any bits will do for a test
        return bits.astype(np.uint16).tobytes(), (bits << 16).view(np.float32).reshape(weight.shape)
    if kind in _PLAIN:
        stored = np.ascontiguousarray(weight, _PLAIN[kind][1])
        return stored.tobytes(), stored.astype(np.float32)
    number = getattr(gguf.GGMLQuantizationType, kind)
    try:
        raw = gguf.quantize(np.ascontiguousarray(weight, np.float32), number)
    except NotImplementedError:
        raw = _random_blocks(weight, kind)
    return raw.tobytes(), gguf.dequantize(raw, number).reshape(weight.shape)


def _random_blocks(weight, kind):
    """For the types that the gguf package does not make: random integers and scales, about as large as the weight's."""
    import zlib

    import gguf

    values, size = gguf.GGML_QUANT_SIZES[getattr(gguf.GGMLQuantizationType, kind)]
    rng = np.random.default_rng(zlib.crc32(weight.tobytes()))
    raw = rng.integers(0, 256, (*weight.shape[:-1], weight.shape[-1] // values, size), np.uint8)
    spread = np.std(weight)
    d, dmin = {"Q4_K": (spread / 300, spread / 40), "Q5_K": (spread / 600, spread / 40), "Q6_K": (spread / 1300, None)}[kind]
    half = (raw.shape[:-1], np.float16)
    if dmin is None:
        raw[..., 208:210] = np.full(*half[:1], d, half[1])[..., None].view(np.uint8)
    else:
        raw[..., 0:2] = np.full(*half[:1], d, half[1])[..., None].view(np.uint8)
        raw[..., 2:4] = np.full(*half[:1], dmin, half[1])[..., None].view(np.uint8)
    return raw.reshape(*weight.shape[:-1], -1)


def pair_rows(weight, heads):
    """How GGUF files of some architectures order the rows of queries and keys: the two halves of a head interleaved."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def to_gguf(config, weights, path, kind_of, arch, paired=False, norm_offset=0, transposed=()):
    """A model's weights (Hugging Face names) as a GGUF file. kind_of(name) gives the type of each; returns the weights that the file stands
    for. paired, norm_offset, transposed (parts of names): what GGUF files of the architecture do to rows, norms and linear layers."""
    import gguf
    from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[arch.upper()], config.get("num_hidden_layers") or config["n_layer"])
    flat = {**config, **config.get("rope_parameters", {})}
    pairs = {"general.architecture": arch, "tokenizer.ggml.tokens": [f"t{i}" for i in range(config["vocab_size"])]}
    for key, field in GGUF_CONFIG_MAPPING[arch].items():
        if flat.get(field) is not None:
            pairs[f"{arch}.{key}"] = flat[field]
    tensors, stored = {}, {}
    for name, weight in weights.items():
        base, _, suffix = name.rpartition(".")
        heads = {"q_proj": config.get("num_attention_heads"), "k_proj": config.get("num_key_value_heads")}.get(base.rpartition(".")[2])
        moved = pair_rows(weight, heads) if paired and heads else weight + norm_offset if "norm" in name else weight
        turned = weight.ndim == 2 and any(part in name for part in transposed)
        moved = moved.T if turned else moved
        kind = kind_of(name) if weight.ndim > 1 else "F32"
        data, values = encode(moved, kind)
        tensors[f"{names.get_name(base)}.{suffix}"] = (kind, moved.shape, data)
        values = values.T if turned else values
        if paired and heads:
            values = values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        stored[name] = values - norm_offset if "norm" in name else values
    write_gguf(path, pairs, tensors)
    return stored


# ---- GPTQ and AWQ checkpoints

def quantise(weight, bits, group, symmetric):
    """(integers, zero points [rows, groups], scales f16 [rows, groups]) of a matrix."""
    w = weight.reshape(weight.shape[0], -1, group)
    top = (1 << bits) - 1
    if symmetric:
        scales = (np.abs(w).max(-1) / (top / 2)).astype(np.float16)
        zeros = np.full(scales.shape, (top + 1) // 2)
    else:
        low, high = np.minimum(w.min(-1), 0), np.maximum(w.max(-1), 0)
        scales = ((high - low) / top).astype(np.float16)
        zeros = np.clip(np.round(-low / scales.astype(np.float32)), 1, top).astype(np.int64)
    q = np.clip(np.round(w / scales.astype(np.float32)[..., None]) + zeros[..., None], 0, top).astype(np.int64)
    return q.reshape(weight.shape), zeros, scales


def to_packed(weights, linear, method, bits=4, group=32, symmetric=True, checkpoint_format="gptq", act_order=False):
    """(tensors of a GPTQ or AWQ checkpoint, the weights that they stand for). linear(name) says which matrices are packed."""
    rng = np.random.default_rng(7)
    tensors, stored = {}, {}
    for name, weight in weights.items():
        if not linear(name):
            tensors[name] = stored[name] = weight
            continue
        base = name[:-len(".weight")]
        # columns in the order in which they were quantized
        order = rng.permutation(weight.shape[1]) if act_order else np.arange(weight.shape[1])
        q, zeros, scales = quantise(weight[:, order], bits, group, symmetric)
        group_of = np.empty(weight.shape[1], np.int32)
        group_of[order] = np.arange(weight.shape[1]) // group
        q = q[:, np.argsort(order)]
        words, z = pack_awq(q, zeros) if method == "awq" else pack_gptq(q, zeros, bits, checkpoint_format)
        tensors.update({f"{base}.qweight": words, f"{base}.qzeros": z, f"{base}.scales": np.ascontiguousarray(scales.T)})
        if method == "gptq":
            tensors[f"{base}.g_idx"] = group_of
        stored[name] = (q - zeros[:, group_of]).astype(np.float32) * scales[:, group_of].astype(np.float32)
    return tensors, stored


def packed_config(config, method, bits=4, group=32, **more):
    """config.json with the quantization_config that such checkpoints have."""
    quant = {"quant_method": method, "bits": bits, "group_size": group}
    quant.update({"version": "gemm", "zero_point": True} if method == "awq"
                 else {"desc_act": False, "sym": True, "checkpoint_format": "gptq"})
    return {**config, "quantization_config": {**quant, **more}}
