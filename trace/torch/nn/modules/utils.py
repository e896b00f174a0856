"""Tuples of sizes, under the name that model libraries import."""
from torch.nn._sizes import _ntuple, _pair, _quadruple, _reverse_repeat_tuple, _single, _triple  # noqa: F401
