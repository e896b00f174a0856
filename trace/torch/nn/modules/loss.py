"""Losses: constructible, because models name them at import and construction; not traceable, because export has no labels."""
from torch.nn.modules.module import Module


class _Loss(Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        self.reduction = kwargs.get("reduction", "mean")
        self.ignore_index = kwargs.get("ignore_index", -100)

    def forward(self, *args, **kwargs):
        raise NotImplementedError(f"etch traces inference: {type(self).__name__} is not available")


class _WeightedLoss(_Loss):
    pass


class L1Loss(_Loss):
    pass


class NLLLoss(_Loss):
    pass


class MSELoss(_Loss):
    pass


class BCELoss(_Loss):
    pass


class BCEWithLogitsLoss(_Loss):
    pass


class CrossEntropyLoss(_Loss):
    pass


class KLDivLoss(_Loss):
    pass


class SmoothL1Loss(_Loss):
    pass


class HuberLoss(_Loss):
    pass


class CTCLoss(_Loss):
    pass


class CosineEmbeddingLoss(_Loss):
    pass


class MarginRankingLoss(_Loss):
    pass


class TripletMarginLoss(_Loss):
    pass


class GaussianNLLLoss(_Loss):
    pass


class PoissonNLLLoss(_Loss):
    pass


class MultiLabelMarginLoss(_Loss):
    pass


class MultiMarginLoss(_Loss):
    pass


class HingeEmbeddingLoss(_Loss):
    pass
