"""torch.optim: classes for annotations and subclassing; nothing is trained."""
from torch.optim import lr_scheduler  # noqa: F401


class Optimizer:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch traces inference: torch.optim is not available")


class SGD(Optimizer):
    pass


class Adam(Optimizer):
    pass


class AdamW(Optimizer):
    pass


class RMSprop(Optimizer):
    pass


class Adagrad(Optimizer):
    pass


class Adafactor(Optimizer):
    pass
