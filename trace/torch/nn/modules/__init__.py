"""Layer classes, one file a kind, all re-exported here and in torch.nn."""
from torch.nn.modules import module  # noqa: F401  (torch.nn.modules.module is named by model libraries)
from torch.nn.modules.activation import *  # noqa: F403
from torch.nn.modules.activation import MultiheadAttention  # noqa: F401
from torch.nn.modules.batchnorm import *  # noqa: F403
from torch.nn.modules.container import *  # noqa: F403
from torch.nn.modules.conv import *  # noqa: F403
from torch.nn.modules.dropout import *  # noqa: F403
from torch.nn.modules.linear import *  # noqa: F403
from torch.nn.modules.loss import *  # noqa: F403
from torch.nn.modules.misc import *  # noqa: F403
from torch.nn.modules.module import Module  # noqa: F401
from torch.nn.modules.normalization import *  # noqa: F403
from torch.nn.modules.padding import *  # noqa: F403
from torch.nn.modules.pooling import *  # noqa: F403
from torch.nn.modules.rnn import *  # noqa: F403
from torch.nn.modules.sparse import *  # noqa: F403
from torch.nn.modules.transformer import (  # noqa: F401
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [_name for _name, _value in list(globals().items()) if isinstance(_value, type) and not _name.startswith("_")]
