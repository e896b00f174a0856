"""Constant methods of the official exporter: values of the config under the names that runners look up."""


def common(config, generation_config=None, dtype="float32", **more):
    """None values are left out by the caller. head_dim stays a float, as runners find it in official files."""
    head_dim = getattr(config, "head_dim", None)
    hidden, heads = getattr(config, "hidden_size", None), getattr(config, "num_attention_heads", None)
    if not isinstance(head_dim, int) and isinstance(hidden, int) and isinstance(heads, int) and heads:
        head_dim = hidden / heads
    values = {
        "get_dtype": 5 if dtype == "float16" else 6,
        "get_bos_id": getattr(config, "bos_token_id", None),
        "get_eos_id": getattr(config, "eos_token_id", None),
        "get_head_dim": float(head_dim) if isinstance(head_dim, (int, float)) else None,
        "get_n_kv_heads": getattr(config, "num_key_value_heads", None),
        "get_n_layers": getattr(config, "num_hidden_layers", None),
        "get_vocab_size": getattr(config, "vocab_size", None),
        "get_max_batch_size": 1,
        "get_max_seq_len": getattr(config, "max_position_embeddings", None),
        "use_kv_cache": getattr(generation_config, "use_cache", None),
        "sliding_window": getattr(config, "sliding_window", None),
        "decoder_start_token_id": getattr(config, "decoder_start_token_id", None),
        "use_sdpa_with_kv_cache": False,
        "enable_dynamic_shape": True,
        **more,
    }
    return {name: value for name, value in values.items() if storable(value)}


def storable(value):
    if isinstance(value, (bool, int, float, str)):
        return True
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(v, (int, float)) for v in value)


def eos_ids(config, generation_config):
    """All end-of-sequence ids: those of the generation config first."""
    ids = []
    for source in (generation_config, config):
        value = getattr(source, "eos_token_id", None)
        for v in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(v, int) and v not in ids:
                ids.append(v)
    return ids or None
