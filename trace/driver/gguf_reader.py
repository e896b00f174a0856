"""The metadata and the tensor table of a GGUF file. In: a path (the exporter has checked the layout: st/gguf.h). Out: values by key,
tensors by name.

Reader has the fields that transformers reads of the gguf package's class of the same job, but makes no object for each of a vocabulary's
strings until it is asked for them.
"""
import mmap
import struct

from etch_trace.report import TraceError

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_PLAIN = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64", 28: "float64", 30: "bfloat16"}  # no blocks


class _Value:
    """One pair: `types` as the format numbers them, data = indices into `parts`, each part a sequence of numbers or the bytes of a
    string."""

    def __init__(self, name, types, parts):
        self.name, self.types, self.parts = name, types, parts
        self.data = range(len(parts))


class Tensor:
    """`shape` in torch's order; the stored rows of blocks are bytes."""

    def __init__(self, name, shape, type_):
        self.name, self.shape, self.tensor_type = name, shape, type_
        self.data = self

    def leaf(self, file):
        """The stored tensor: elements of its type, or u8 [.., bytes of a row]."""
        import gguf
        import torch
        from torch import _C

        if self.tensor_type in _PLAIN:
            return _C.file_tensor(file, self.name, getattr(torch, _PLAIN[self.tensor_type]), list(self.shape))
        values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(self.tensor_type)]
        return _C.file_tensor(file, self.name, torch.uint8, [*self.shape[:-1], self.shape[-1] // values * size])

    def block(self):
        """Name of the block type, or None for plain elements."""
        import gguf

        return None if self.tensor_type in _PLAIN else gguf.GGMLQuantizationType(self.tensor_type).name


class Reader:
    def __init__(self, path):
        try:
            with open(path, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as self._bytes:
                self._read()
        except OSError as error:
            raise TraceError(f"{path}: {error.strerror or error}", kind="not_found") from None
        except (struct.error, ValueError, IndexError, OverflowError) as error:
            raise TraceError(f"{path}: the GGUF header is damaged ({error})") from None
        del self._bytes

    def _read(self):
        magic, _, n_tensors, n_pairs = self._take("4sIQQ", 0)
        if magic != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        self._at = 24
        self.fields = {}
        for _ in range(n_pairs):
            name = self._string().decode()
            self.fields[name] = self._pair(name, self._number("I"))
        self.tensors = [self._tensor() for _ in range(n_tensors)]

    def _take(self, form, at):
        return struct.unpack_from("<" + form, self._bytes, at)

    def _number(self, form):
        value = self._take(form, self._at)[0]
        self._at += struct.calcsize("<" + form)
        return value

    def _string(self):
        size = self._number("Q")
        begin, self._at = self._at, self._at + size
        if self._at > len(self._bytes):
            raise ValueError("a string ends after the file")
        return self._bytes[begin:self._at]

    def _pair(self, name, type_):
        if type_ == _STRING:
            return _Value(name, [type_], [self._string()])
        if type_ != _ARRAY:
            return _Value(name, [type_], [[self._number(_FORMATS[type_])]])
        inner, count = self._number("I"), self._number("Q")
        if inner == _STRING:
            return _Value(name, [_ARRAY, inner], [self._string() for _ in range(count)])
        if inner == _ARRAY:
            raise ValueError(f"{name}: arrays within arrays")
        width = struct.calcsize(_FORMATS[inner])
        if count > (len(self._bytes) - self._at) // width:
            raise ValueError(f"{name}: an array ends after the file")
        values = self._take(f"{count}{_FORMATS[inner]}", self._at)
        self._at += width * count
        return _Value(name, [_ARRAY, inner], [[v] for v in values])

    def _tensor(self):
        name = self._string().decode()
        rank = self._number("I")
        if rank > 16:
            raise ValueError(f"tensor {name} has {rank} dimensions")
        sizes = tuple(self._number("Q") for _ in range(rank))
        type_, _ = self._number("I"), self._number("Q")
        return Tensor(name, sizes[::-1], type_)
