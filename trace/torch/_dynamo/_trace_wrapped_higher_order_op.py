"""TransformGetItemToIndex: with a tensor as index, torch.vmap here already indexes by tensor (torch/_vmap.py)."""
import contextlib


class TransformGetItemToIndex(contextlib.AbstractContextManager):
    def __exit__(self, *exc):
        return None
