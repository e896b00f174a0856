"""What torch.mps, torch.mtia and torch.xpu say where the device is not available."""


def is_available():
    return False


def device_count():
    return 0


def is_initialized():
    return False


def is_current_stream_capturing():
    return False


def synchronize(device=None):
    return None


def empty_cache():
    return None


def manual_seed(seed):
    return None


def manual_seed_all(seed):
    return None


def current_device():
    return 0
