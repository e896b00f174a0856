"""Names only: one process traces one model."""


class DataParallel:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: torch.nn.DataParallel is not available")


class DistributedDataParallel:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: torch.nn.parallel.DistributedDataParallel is not available")
