"""torch.amp: autocast is disabled; entering it enabled is refused because it would change the numbers silently."""
import contextlib


class autocast(contextlib.ContextDecorator):
    def __init__(self, device_type=None, dtype=None, enabled=True, cache_enabled=None):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            raise NotImplementedError("etch: torch.autocast cannot be traced; export with --dtype instead")
        return self

    def __exit__(self, *exc):
        return None


def custom_fwd(fwd=None, *, device_type=None, cast_inputs=None):
    return (lambda f: f) if fwd is None else fwd


def custom_bwd(bwd=None, *, device_type=None):
    return (lambda f: f) if bwd is None else bwd


def is_autocast_available(device_type):
    return True


class GradScaler:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch traces inference: GradScaler is not available")
