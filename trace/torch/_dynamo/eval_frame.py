"""Named by wrappers that look for compiled modules; there are none."""
from torch._dynamo import OptimizedModule  # noqa: F401
