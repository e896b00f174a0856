"""torch.utils._python_dispatch: no dispatch modes."""
import contextlib


class TorchDispatchMode(contextlib.AbstractContextManager):
    def __exit__(self, *exc):
        return None


def is_traceable_wrapper_subclass(t):
    return False
