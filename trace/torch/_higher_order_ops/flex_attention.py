"""Flex attention as an operator: not available."""
from torch._higher_order_ops import flex_attention  # noqa: F401
