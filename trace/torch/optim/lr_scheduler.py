"""torch.optim.lr_scheduler: names."""


class LRScheduler:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch traces inference: torch.optim is not available")


_LRScheduler = LRScheduler


class LambdaLR(LRScheduler):
    pass


class ReduceLROnPlateau(LRScheduler):
    pass


class StepLR(LRScheduler):
    pass
