"""dtypes that are named by model libraries and carried by no tensor of ours."""


class _Unsupported:
    """Stands where a torch.dtype is only compared, printed or looked up; using it for a tensor is an error of the core."""

    def __init__(self, name, itemsize, is_floating_point, is_complex=False):
        self.name, self.itemsize = name, itemsize
        self.is_floating_point, self.is_complex, self.is_signed = is_floating_point, is_complex, True

    def __repr__(self):
        return "torch." + self.name

    def __reduce__(self):
        return self.name


def _missing():
    from torch import _C

    table = {name: _Unsupported(name, 1, True) for name in
             ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2")}
    table["complex128"] = _Unsupported("complex128", 16, False, True)
    table["complex32"] = _Unsupported("complex32", 4, False, True)
    for name in ("int1", "int2", "int4", "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "qint8", "quint8", "qint32"):
        table[name] = _Unsupported(name, 1, False)
    return {name: value for name, value in table.items() if not hasattr(_C, name)}


_table = _missing()
globals().update(_table)
_FP8_MAX = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0, "float8_e4m3fnuz": 240.0, "float8_e5m2fnuz": 57344.0,
            "float8_e8m0fnu": 2.0 ** 127,
            "float4_e2m1fn_x2": 6.0}


def finfo(dtype=None):
    """Limits of a floating-point type; of the 8-bit ones only the range."""
    from types import SimpleNamespace

    from torch import _C

    if isinstance(dtype, _Unsupported):
        high = _FP8_MAX[dtype.name]
        return SimpleNamespace(bits=8 * dtype.itemsize, max=high, min=-high, dtype=dtype.name)
    return _C.finfo() if dtype is None else _C.finfo(dtype)


__all__ = [*_table, "finfo"]
