"""torch.distributed._functional_collectives: not available."""


def _missing(*args, **kwargs):
    raise NotImplementedError("etch: torch.distributed is not available")


wait_tensor = all_reduce = all_gather_tensor = all_to_all_single = all_to_all_single_autograd = reduce_scatter_tensor = _missing
