"""safetensors for the tracer: reads the header of a file and gives its tensors as leaves of the graph; the bytes stay where they are.

In: a .safetensors file (8-byte little-endian header length, JSON header, data). Out: keys, shapes, dtypes, metadata, lazy tensors.
The header is checked as strictly as the data will be read later: lengths, offsets without overlap or gap, sizes that match the shapes.
"""
import json
import os

__version__ = "0.8.0"
_MAX_HEADER = 100_000_000  # bytes, the limit of the format's own library

# Name in a header -> (torch name, bits per element).
_DTYPES = {
    "BOOL": ("bool", 8), "U8": ("uint8", 8), "I8": ("int8", 8), "I16": ("int16", 16), "U16": ("uint16", 16), "F16": ("float16", 16),
    "BF16": ("bfloat16", 16), "I32": ("int32", 32), "U32": ("uint32", 32), "F32": ("float32", 32), "F64": ("float64", 64),
    "I64": ("int64", 64), "U64": ("uint64", 64), "C64": ("complex64", 64), "F8_E4M3": ("float8_e4m3fn", 8), "F8_E5M2": ("float8_e5m2", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8), "F4": ("float4_e2m1fn_x2", 4),
}

# Paths in the graph are relative to this folder; the driver sets it to the model's.
root = None
# Weights that several tensors hold together (etch_trace/prequantized.py), or None. They appear in the file that has the first of them,
# their parts in none.
packing = None


class SafetensorError(Exception):
    pass


class TensorSpec:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: writing safetensors is not the tracer's work")


def serialize(*args, **kwargs):
    raise NotImplementedError("etch: writing safetensors is not the tracer's work")


serialize_file = serialize


def deserialize(data):
    raise NotImplementedError("etch: weights are read from files, not from bytes in memory")


def _unique(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the name {key!r} occurs twice")
        out[key] = value
    return out


def read_header(path):
    """(metadata, {name: (dtype name, shape, begin, end)}); begin and end count from the start of the data."""
    try:
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            head = f.read(8)
            if len(head) < 8:
                raise SafetensorError(f"{path}: too short for a safetensors file ({size} bytes)")
            length = int.from_bytes(head, "little")
            if length > _MAX_HEADER or length > size - 8:
                raise SafetensorError(f"{path}: header length {length} does not fit the file of {size} bytes")
            raw = f.read(length)
    except OSError as error:
        raise FileNotFoundError(f"{path}: {error.strerror or error}") from None
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError) as error:
        raise SafetensorError(f"{path}: the header is not valid JSON ({error})") from None
    metadata = header.pop("__metadata__", None)
    tensors = {name: _entry(path, name, info) for name, info in header.items()}
    at = 0
    for name, (_, _, begin, end) in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if begin != at:
            raise SafetensorError(f"{path}: tensor {name!r} begins at byte {begin} of the data, {at} expected (overlap or gap)")
        at = end
    if at != size - 8 - length:
        raise SafetensorError(f"{path}: the header describes {at} bytes of data, the file has {size - 8 - length}")
    return metadata, tensors


def dtype_of(name):
    """torch.dtype of a name in a header; None for those that etch does not have."""
    import torch

    kind = getattr(torch, _DTYPES[name][0], None)
    return kind if isinstance(kind, torch.dtype) else None


def _entry(path, name, info):
    try:
        dtype, shape, (begin, end) = info["dtype"], list(info["shape"]), info["data_offsets"]
        whole = all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (*shape, begin, end))
        if not whole or not isinstance(dtype, str):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise SafetensorError(f"{path}: tensor {name!r} has a malformed header entry") from None
    if dtype not in _DTYPES:
        raise SafetensorError(f"{path}: tensor {name!r} has the unknown dtype {dtype!r}")
    bits = _DTYPES[dtype][1]
    for n in shape:
        bits *= n
    if end < begin or bits % 8 or bits // 8 != end - begin:
        raise SafetensorError(f"{path}: tensor {name!r} of shape {shape} and dtype {dtype} does not fill its {end - begin} bytes")
    return dtype, shape, begin, end


class _Slice:
    """What get_slice gives: shape and dtype now, a leaf (indexed) when subscripted."""

    def __init__(self, owner, name):
        self._owner, self._name = owner, name

    def get_shape(self):
        packed = self._owner._packed.get(self._name)
        return packing.shape(packed) if packed else list(self._owner._tensors[self._name][1])

    def get_dtype(self):
        return "F32" if self._name in self._owner._packed else self._owner._tensors[self._name][0]

    def __getitem__(self, key):
        tensor = self._owner.get_tensor(self._name)
        return tensor if key is Ellipsis or key == slice(None) else tensor[key]


class safe_open:
    def __init__(self, filename, framework="pt", device="cpu", **kwargs):
        self._path = os.fspath(filename)
        self._metadata, self._tensors = read_header(self._path)
        self._file = self._path if root is None else os.path.relpath(self._path, root)
        self._packed, parts = packing.weights(self._tensors) if packing else ({}, ())
        self._names = [name for name in self._tensors if name not in parts] + list(self._packed)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def metadata(self):
        return self._metadata

    def keys(self):
        return sorted(self._names)

    def offset_keys(self):
        return sorted(self._names, key=lambda k: self._tensors[self._packed[k] + ".qweight" if k in self._packed else k][2:])

    def get_slice(self, name):
        self._need(name)
        return _Slice(self, name)

    def get_tensor(self, name):
        from torch import _C

        if name in self._packed:
            return packing.tensor(self._packed[name])
        dtype, shape, _, _ = self._need(name)
        kind = dtype_of(dtype)
        if kind is None:
            raise NotImplementedError(f"{self._file}: tensor {name!r} has dtype {dtype}, which etch does not read yet")
        return _C.file_tensor(self._file, name, kind, shape)

    def _need(self, name):
        if name not in self._tensors and name not in self._packed:
            raise SafetensorError(f"{self._path} does not contain tensor {name}")
        return self._tensors.get(name)
