"""torch.func: vmap, and functional_call; derivatives are not available."""
from torch._vmap import vmap  # noqa: F401


def functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """Calls `module` with some of its tensors replaced for the call."""
    saved = []
    try:
        for name, value in parameters_and_buffers.items():
            path, _, leaf = name.rpartition(".")
            owner = module.get_submodule(path)
            registry = owner._parameters if leaf in owner._parameters else owner._buffers
            saved.append((registry, leaf, registry[leaf]))
            registry[leaf] = value
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for registry, leaf, value in reversed(saved):
            registry[leaf] = value


def _missing(*args, **kwargs):
    raise NotImplementedError("etch traces inference: derivatives (torch.func.grad, jvp, vjp) are not available")


grad = vjp = jvp = jacrev = jacfwd = hessian = _missing
