"""--use_custom_sdpa and --use_custom_kv_cache: attention as llama::custom_sdpa, cache writes as llama::update_cache.

Both go through transformers' public interfaces (attention, mask and cache-layer classes), so no model is named here. What an interface call
asks for and the operator cannot do (soft-capped logits, attention sinks, dropout) falls back to the library's own attention and is noted; a
model that does not use the interfaces at all is refused by `check`.
"""
from etch_trace import assumptions
from etch_trace.report import TraceError

NAME = "etch_attention"  # without "sdpa": the library would ask whether the model may use torch's own


class Session:
    """The position of the running call, shared by masks, caches and attention of one traced program."""

    def __init__(self, sdpa, kv_cache, length, chunk):
        self.sdpa, self.kv_cache = sdpa, kv_cache
        self.length, self.chunk = length, chunk  # cache slots; tokens of one call at most
        self.start = self.positions = None
        self.all_rings = False  # no layer has a slot for every position
        self.attentions = self.updates = 0
        self.fallbacks = {}

    def begin_trial(self):
        """A call of one token at position 0, of which only the shapes matter."""
        import torch

        self.start, self.positions = 0, torch.arange(1)
        self.attentions = self.updates = 0
        self.fallbacks = {}

    def begin(self, cache_position):
        import torch

        # A ring takes any position. Where no cache has a slot for each, looking positions up in a table makes one beyond the length an
        # error.
        self.positions = torch.arange(self.length)[cache_position] if self.all_rings else cache_position
        self.start = assumptions.start(cache_position, self.length)

    def end(self):
        """Methods without a cache (encoders) see the whole of what they attend to: they start at position 0."""
        self.start = self.positions = None


def _positions_of_ring(session, slots):
    """The position that each ring slot holds once the call's tokens are written: [slots]; negative where nothing was written yet."""
    import torch

    last = session.positions[-1]
    return last - torch.remainder(last - torch.arange(slots), slots)


def _mask(session):
    from transformers.masking_utils import causal_mask_function, sdpa_mask

    def mask(batch_size, q_length, kv_length, q_offset=0, kv_offset=0, mask_function=causal_mask_function, attention_mask=None, **kwargs):
        import torch

        if isinstance(kv_length, _Ring):
            kv = _positions_of_ring(session, int(kv_length))
            q = session.positions
            rows, columns = q[None, None, :, None], kv[None, None, None, :]
            zero = torch.zeros((1, 1, 1, 1), dtype=torch.int64)
            return mask_function(zero, zero, rows, columns) & (columns >= 0)
        if mask_function is causal_mask_function and attention_mask is None:
            return None  # the operator masks by position itself
        kwargs["allow_is_causal_skip"] = False
        return sdpa_mask(batch_size=batch_size, q_length=q_length, kv_length=kv_length, q_offset=q_offset, kv_offset=kv_offset,
                         mask_function=mask_function, attention_mask=attention_mask, **kwargs)

    return mask


def _additive(mask, dtype):
    """[1, 1, S, Skv] boolean or additive -> the operator's [S, Skv] float32 additive mask."""
    import torch

    mask = mask[0, 0]
    if mask.dtype == torch.bool:
        return torch.where(mask, torch.zeros((), dtype=torch.float32), torch.full((), torch.finfo(torch.float32).min))
    return mask.to(torch.float32)


def _attention(session):
    def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, is_causal=None, **kwargs):
        import torch

        reason = _cannot(module, query, key, attention_mask, dropout, kwargs)
        if reason:
            session.fallbacks[reason] = session.fallbacks.get(reason, 0) + 1
            return _ordinary(session, module, query, key, value, attention_mask, scaling, dropout, kwargs)
        session.attentions += 1
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal) and attention_mask is None
        q, k, v = (t.transpose(1, 2) for t in (query, key, value))
        mask = None if attention_mask is None else _additive(attention_mask, query.dtype)
        kind = query.dtype
        if kind != torch.float32:  # the operator's float16 and bfloat16 paths round between its steps
            q, k, v = (t.to(torch.float32) for t in (q, k, v))
        start = session.start if causal and session.start is not None else 0
        out = torch.ops.llama.custom_sdpa(q, k, v, start, mask, 0.0, causal, scaling)
        return out.to(kind), None

    return attention


def _cannot(module, query, key, mask, dropout, kwargs):
    if kwargs.get("softcap") is not None:
        return "soft-capped attention logits"
    if kwargs.get("s_aux") is not None:
        return "attention sinks"
    if dropout:
        return "attention dropout"
    if any(type(t.shape[0]) is not int or t.shape[0] != 1 for t in (query, key)):
        return "a batch of more than one"
    if mask is not None and mask.shape[1] != 1:
        return "a mask for each head"
    return None


def _ordinary(session, module, query, key, value, mask, scaling, dropout, kwargs):
    """The model's own eager attention (it knows what the operator does not), with the mask that was left out for the operator."""
    import sys

    import torch
    from transformers.masking_utils import causal_mask_function

    if mask is None and getattr(module, "is_causal", True):
        q = torch.arange(query.shape[2]) if session.positions is None else session.positions
        mask = causal_mask_function(0, 0, q[None, None, :, None], torch.arange(key.shape[2])[None, None, None, :])
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.where(mask, torch.zeros((), dtype=query.dtype), torch.full((), torch.finfo(query.dtype).min, dtype=query.dtype))
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    if eager is None:
        raise TraceError(f"--use_custom_sdpa: {type(module).__name__} asks for what llama::custom_sdpa cannot do, and has no eager form",
                         kind="unsupported")
    return eager(module, query, key, value, mask, scaling=scaling, dropout=dropout, **kwargs)


class _Ring(int):
    """A number of cache slots that are used as a ring."""


def layer_class():
    from transformers.cache_utils import StaticLayer

    class CustomLayer(StaticLayer):
        """[1, slots, heads, head_dim] caches written by llama::update_cache, or by indices when the slots are a ring."""

        def __init__(self, session, slots, ring):
            super().__init__(max_cache_len=slots)
            self.session, self.ring = session, ring
            self.is_sliding = ring  # masks are sized by the first layer of each kind

        def lazy_initialization(self, key_states, value_states=None):
            import torch

            value_states = key_states if value_states is None else value_states
            self.dtype, self.device = key_states.dtype, key_states.device
            self.batch_size, self.num_heads = key_states.shape[:2]
            self.k_head_dim, self.v_head_dim = key_states.shape[-1], value_states.shape[-1]
            shape = (self.batch_size, self.max_cache_len, self.num_heads)
            self.keys = torch.zeros((*shape, self.k_head_dim), dtype=self.dtype)
            self.values = torch.zeros((*shape, self.v_head_dim), dtype=self.dtype)
            self.is_initialized = True

        def update(self, key_states, value_states, *args, **kwargs):
            self.session.updates += 1
            for cache, new in ((self.keys, key_states), (self.values, value_states)):
                cache.copy_(self._write(cache, new.transpose(1, 2)))
            self.cumulative_length.add_(key_states.shape[-2])
            return self.keys.transpose(1, 2), self.values.transpose(1, 2)

        def _write(self, cache, new):
            import torch

            if not self.ring:
                return torch.ops.etch.update_cache(new, cache, self.session.start)
            slots = torch.remainder(self.session.positions, self.max_cache_len)[None]
            return torch.ops.etch.update_cache_with_indices(new, cache, self.session.start, slots)

        def get_mask_sizes(self, query_length):
            return (_Ring(self.max_cache_len) if self.ring else self.max_cache_len), 0

    return CustomLayer


def ring_window(config):
    """The widest sliding window of the model's cache layers, None when it has none."""
    from transformers.cache_utils import StaticCache, StaticSlidingWindowLayer

    positions = getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 20
    layers = StaticCache(max_cache_len=positions, config=config).layers
    windows = [layer.max_cache_len for layer in layers if isinstance(layer, StaticSlidingWindowLayer)]
    return max(windows) if windows else None


def use_attention(model, session):
    """Makes the attention and mask functions known to transformers and the model's choice."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(NAME, _attention(session))
    AttentionMaskInterface.register(NAME, _mask(session))
    try:
        model.set_attn_implementation(NAME)
    except (ValueError, NotImplementedError):
        raise TraceError("--use_custom_sdpa cannot be applied to this model: its attention does not go through transformers' attention "
                         "interface", kind="unsupported") from None


def replace_cache(wrapper, model, session):
    """Puts custom layers into the exportable module's static cache, under the names that it gave its own."""
    from transformers.cache_utils import StaticCache, StaticLayer, StaticSlidingWindowLayer
    from transformers.integrations.executorch import get_head_shapes

    config = model.config.get_text_config()
    kinds = StaticCache(max_cache_len=session.length, config=config).layers
    make = layer_class()
    cache = getattr(wrapper, "static_cache", None) or wrapper.cache
    if not all(isinstance(layer, StaticLayer) for layer in cache.layers):
        raise TraceError("--use_custom_kv_cache cannot be applied to this model: its attention reads the filled part of the cache only",
                         kind="unsupported")
    for i, old in enumerate(cache.layers):
        if old.max_cache_len == 0:
            continue
        slots, ring = session.length, False
        if session.sdpa and isinstance(kinds[i], StaticSlidingWindowLayer):
            window = min(kinds[i].max_cache_len, session.length)
            slots = min(session.length, window - 1 + session.chunk)
            ring = slots < session.length
        cache.layers[i] = make(session, slots, ring)
    session.all_rings = all(layer.ring for layer in cache.layers if layer.max_cache_len)
    cache.early_initialization(1, *get_head_shapes(config), model.dtype, model.device)
    for i, layer in enumerate(cache.layers):
        wrapper.register_buffer(f"key_cache_{i}", layer.keys, persistent=False)
        wrapper.register_buffer(f"value_cache_{i}", layer.values, persistent=False)
        wrapper.register_buffer(f"cumulative_length_{i}", layer.cumulative_length, persistent=False)


def check(session):
    """After the trace: a flag that changed nothing is refused, what fell back is told."""
    from etch_trace import report

    if session.sdpa and not session.attentions:
        why = "; ".join(session.fallbacks) or "its attention does not go through transformers' attention interface"
        raise TraceError(f"--use_custom_sdpa cannot be applied to this model: {why}", kind="unsupported")
    if session.kv_cache and not session.updates:
        raise TraceError("--use_custom_kv_cache cannot be applied to this model: it does not use transformers' cache layers",
                         kind="unsupported")
    for reason, n in session.fallbacks.items():
        report.note(f"{n} attention layers keep the library's own attention: {reason} is not in llama::custom_sdpa")
