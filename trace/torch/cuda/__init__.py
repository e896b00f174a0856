"""torch.cuda: not available."""
from torch.cuda import amp  # noqa: F401


def is_available():
    return False


def device_count():
    return 0


def is_initialized():
    return False


def is_current_stream_capturing():
    return False


def is_bf16_supported(*args, **kwargs):
    return False


def empty_cache():
    return None


def synchronize(device=None):
    return None


def manual_seed(seed):
    return None


def manual_seed_all(seed):
    return None


class Stream:
    pass


class Event:
    pass


class CUDAGraph:
    pass


class OutOfMemoryError(RuntimeError):
    pass


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch traces on the CPU: torch.cuda.{name} is not available")

    missing.__name__ = name
    return missing
