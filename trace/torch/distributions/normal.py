"""torch.distributions.normal."""
from torch.distributions import Normal  # noqa: F401
