"""torch.fx._pytree: registrations are kept and unused."""
SUPPORTED_NODES = {}


def register_pytree_flatten_spec(cls, flatten_fn_spec, flatten_fn_exact_match_spec=None):
    SUPPORTED_NODES[cls] = flatten_fn_spec


def tree_flatten_spec(pytree, spec, exact_structural_match=False):
    raise NotImplementedError("etch: torch.fx._pytree.tree_flatten_spec is not available")
