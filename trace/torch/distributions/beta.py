"""torch.distributions.beta."""
from torch.distributions import Beta  # noqa: F401
