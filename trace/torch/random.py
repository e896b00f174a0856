"""torch.random: random values are recorded, not drawn."""
import contextlib

from torch._modes import get_rng_state, initial_seed, manual_seed, seed, set_rng_state  # noqa: F401
from torch._types import Generator

default_generator = Generator()


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True, device_type="cuda"):
    yield
