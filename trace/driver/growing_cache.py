"""A static key-value cache that shows the model only its filled part, for models that are not written for padded caches.

In: keys and values [1, H, S, D] of one call, `past` (the first position of the call, a symbol read from cache_position). Out: all keys and
values up to now, [1, H, past + S, D], as an ordinary growing cache gives them; the storage is [1, H, max_cache_len, D] and persists between
calls.
A model class of transformers says by `_can_compile_fullgraph` whether a padded static cache is safe for it.
"""
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from etch_trace import assumptions


class FilledLayer(CacheLayerMixin):
    def __init__(self, max_cache_len):
        super().__init__()
        self.max_cache_len = max_cache_len
        self.past = 0
        self.is_sliding = False

    def lazy_initialization(self, key_states, value_states=None):
        value_states = key_states if value_states is None else value_states
        self.dtype, self.device = key_states.dtype, key_states.device
        batch, heads = key_states.shape[:2]
        self.keys = torch.zeros((batch, heads, self.max_cache_len, key_states.shape[-1]), dtype=self.dtype)
        self.values = torch.zeros((batch, heads, self.max_cache_len, value_states.shape[-1]), dtype=self.dtype)
        self.is_initialized = True

    def update(self, key_states, value_states, *args, **kwargs):
        length = key_states.shape[-2]
        position = torch.arange(length) + self.past
        self.keys.index_copy_(2, position, key_states)
        self.values.index_copy_(2, position, value_states)
        filled = self.past + length
        return self.keys.narrow(2, 0, filled), self.values.narrow(2, 0, filled)

    def get_mask_sizes(self, query_length):
        return self.past + query_length, 0

    def get_seq_length(self, *args):
        return self.past

    def get_max_length(self):
        return self.max_cache_len

    get_max_cache_shape = get_max_length


class GrowingCacheModule(torch.nn.Module):
    """forward(input_ids or inputs_embeds, cache_position) -> logits, with the buffers key_cache_<i> and value_cache_<i>."""

    def __init__(self, model, layers, max_cache_len):
        super().__init__()
        self.model = model
        self.max_cache_len = max_cache_len
        self.cache = Cache(layers=[FilledLayer(max_cache_len) for _ in range(layers)])

    def initialize(self, shapes):
        """shapes: (heads, key width, value width) of each layer."""
        for i, (layer, (heads, width, value_width)) in enumerate(zip(self.cache.layers, shapes)):
            layer.lazy_initialization(torch.zeros((1, heads, 0, width), dtype=self.model.dtype),
                                      torch.zeros((1, heads, 0, value_width), dtype=self.model.dtype))
            self.register_buffer(f"key_cache_{i}", layer.keys, persistent=False)
            self.register_buffer(f"value_cache_{i}", layer.values, persistent=False)

    def forward(self, cache_position, **tokens):
        past = assumptions.start(cache_position, self.max_cache_len)
        for layer in self.cache.layers:
            layer.past = past
        out = self.model(**tokens, past_key_values=self.cache, use_cache=True)
        return out.logits if hasattr(out, "logits") else out.last_hidden_state
