"""Sizes of a static cache, learned from the model instead of its config: a trial call with an empty cache shows what each layer stores.

transformers' exportable module gives every layer num_key_value_heads and head_dim of the config. Models that store compressed latents, one
head for all queries, or other sizes in some layers need what they really pass to the cache. A trial call records nodes that nothing uses;
they are dropped.
"""

from etch_trace.report import TraceError

NO_CACHE = ("the model does not keep keys and values between calls, so it cannot generate step by step (an encoder, or a decoder whose "
            "config does "
            "not say is_decoder)")


def of(wrapper):
    """The cache object of transformers' exportable modules."""
    return getattr(wrapper, "static_cache", None) or wrapper.cache


def _trial(wrapper, model, example):
    """Shapes of keys and values by layer, or None when the model does not run on an uninitialised cache."""
    import torch
    from torch import _C
    from transformers.cache_utils import Cache

    layers = [type(layer)(layer.max_cache_len) for layer in of(wrapper).layers]
    _C.method("trial")
    try:
        with torch.compiler.exporting():
            out = model(**example(), past_key_values=Cache(layers=layers), use_cache=True)
    except Exception:
        return None
    finally:
        _C.begin()
    if getattr(out, "past_key_values", layers) is None:
        raise TraceError(NO_CACHE, kind="unsupported")
    return [(tuple(layer.keys.shape), tuple(layer.values.shape)) if layer.is_initialized else None for layer in layers]


def adjust(wrapper, model, example):
    """Replaces cache tensors of another shape than the model stores, under the names that the module gave them. example() gives a call's
    tokens."""
    import torch

    shapes = _trial(wrapper, model, example)
    for i, (layer, shape) in enumerate(zip(of(wrapper).layers, shapes or ())):
        if shape is None or (tuple(layer.keys.shape), tuple(layer.values.shape)) == shape:
            continue
        layer.keys, layer.values = torch.zeros(shape[0], dtype=layer.dtype), torch.zeros(shape[1], dtype=layer.dtype)
        layer.num_heads, layer.k_head_dim, layer.v_head_dim = shape[0][1], shape[0][-1], shape[1][-1]
        wrapper.register_buffer(f"key_cache_{i}", layer.keys, persistent=False)
        wrapper.register_buffer(f"value_cache_{i}", layer.values, persistent=False)
