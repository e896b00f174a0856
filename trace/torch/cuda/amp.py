"""torch.cuda.amp: names only."""
from torch.amp import GradScaler, autocast, custom_bwd, custom_fwd  # noqa: F401
