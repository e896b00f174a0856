"""torch.nn: Module, layers, functional, init."""
from torch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter  # noqa: F401
from torch.nn import init  # noqa: F401
from torch.nn import functional  # noqa: F401
from torch.nn.modules import *  # noqa: F403
from torch.nn.modules import MultiheadAttention, Transformer  # noqa: F401
from torch.nn import attention, modules, parallel, utils  # noqa: F401
from torch.nn.parallel import DataParallel  # noqa: F401
