"""torch.cpu: the device that traces, as PyTorch's device modules describe one."""


def is_available():
    return True


def device_count():
    return 1


def is_initialized():
    return True


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
    return "cpu"
