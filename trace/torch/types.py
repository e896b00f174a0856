"""torch.types: aliases for annotations."""
from typing import Any, List, Sequence, Tuple, Union

from torch import SymBool, SymFloat, SymInt, Tensor, device, dtype, layout  # noqa: F401

Number = Union[int, float, bool]
_int, _float, _bool, _dtype, _device, _layout = int, float, bool, dtype, device, layout
_size = Union[Tuple[int, ...], List[int]]
_TensorOrTensors = Union[Tensor, Sequence[Tensor]]
Device = Union[device, str, int, None]
IntLikeType = Union[int, SymInt]
FloatLikeType = Union[float, SymFloat]
BoolLikeType = Union[bool, SymBool]
py_sym_types = (SymInt, SymFloat, SymBool)
PySymType = Union[SymInt, SymFloat, SymBool]
FileLike = Any
Storage = Any
