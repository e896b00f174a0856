"""Marks of torch._dynamo under their defining module's name."""
from torch._dynamo import allow_in_graph, disable, mark_dynamic, mark_static, mark_static_address  # noqa: F401
