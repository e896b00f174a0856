"""torch.xpu: not available."""
from torch._absent_device import *  # noqa: F401, F403
