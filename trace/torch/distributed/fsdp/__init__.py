"""Names of torch.distributed.fsdp; no module is ever one of them."""


class FullyShardedDataParallel:
    pass


class FSDPModule:
    pass


class CPUOffloadPolicy:
    pass


class MixedPrecisionPolicy:
    pass
