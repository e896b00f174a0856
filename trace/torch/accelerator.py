"""torch.accelerator: there is none."""


def is_available():
    return False


def current_accelerator(check_available=False):
    return None


def device_count():
    return 0


def current_device_index():
    raise RuntimeError("etch traces on the CPU: there is no accelerator")


def synchronize(device=None):
    return None
