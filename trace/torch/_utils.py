"""torch._utils: names."""


def _flatten_dense_tensors(tensors):
    import torch

    return torch.cat([t.reshape(-1) for t in tensors])
