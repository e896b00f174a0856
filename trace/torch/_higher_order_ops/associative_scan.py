"""associative_scan over a static length: Hillis-Steele doubling along `dim`, log2(n) steps of whole-tensor operations."""
import torch
from torch.utils import _pytree


def associative_scan(combine_fn, xs, dim, reverse=False, combine_mode="pointwise"):
    leaves, spec = _pytree.tree_flatten(xs)
    if reverse:
        leaves = [x.flip([dim]) for x in leaves]
    n = leaves[0].shape[dim]
    if not isinstance(n, int):
        raise NotImplementedError("etch: associative_scan over a symbolic length cannot be traced")
    step = 1
    while step < n:
        early = [x.narrow(dim, 0, n - step) for x in leaves]
        late = [x.narrow(dim, step, n - step) for x in leaves]
        joined = combine_fn(_pytree.tree_unflatten(early, spec), _pytree.tree_unflatten(late, spec))
        leaves = [torch.cat([x.narrow(dim, 0, step), y], dim) for x, y in zip(leaves, _pytree.tree_flatten(joined)[0])]
        step *= 2
    if reverse:
        leaves = [x.flip([dim]) for x in leaves]
    return _pytree.tree_unflatten(leaves, spec)
