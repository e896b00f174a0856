"""Attention of nn.functional: scaled_dot_product_attention (one operator) and the multi-head wrapper composed from it."""
import torch

aten = torch.ops.aten


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """query [..., L, E], key and value [..., S, E] -> [..., L, E]."""
    if dropout_p:
        raise NotImplementedError("etch traces inference: attention with dropout is not available")
    return aten.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, scale=scale, enable_gqa=enable_gqa)


def _as_float_mask(mask, dtype):
    """Masks of nn.MultiheadAttention are True where attention is NOT allowed."""
    if mask is None or mask.is_floating_point():
        return mask
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, float("-inf"))


def _project(query, key, value, embed_dim, in_proj_weight, in_proj_bias, separate):
    if separate is not None:
        weights = separate
    else:
        weights = in_proj_weight.chunk(3)
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    return [aten.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]


def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p,
    out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
    average_attn_weights=True, is_causal=False,
):
    """query [L, N, E], key and value [S, N, E] (or without N) -> ([L, N, E], weights [N, L, S] or None)."""
    if bias_k is not None or add_zero_attn or static_k is not None or static_v is not None:
        raise NotImplementedError("etch: MultiheadAttention with bias_kv, zero_attn or static keys cannot be traced")
    if training and dropout_p:
        raise NotImplementedError("etch traces inference: attention with dropout is not available")
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    source = key.shape[0]
    head = width // num_heads
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project(query, key, value, width, in_proj_weight, in_proj_bias, separate)
    q = q.view(length, batch * num_heads, head).transpose(0, 1).view(batch, num_heads, length, head)
    k = k.view(source, batch * num_heads, head).transpose(0, 1).view(batch, num_heads, source, head)
    v = v.view(source, batch * num_heads, head).transpose(0, 1).view(batch, num_heads, source, head)
    mask = _as_float_mask(attn_mask, q.dtype)
    if mask is not None and mask.dim() == 3:
        mask = mask.view(batch, num_heads, length, source) if mask.shape[0] != 1 else mask.unsqueeze(0)
    padding = _as_float_mask(key_padding_mask, q.dtype)
    if padding is not None:
        padding = padding.view(batch, 1, 1, source)
        mask = padding if mask is None else mask + padding
    if need_weights:
        scores = torch.matmul(q * (head ** -0.5), k.transpose(-2, -1))
        if mask is not None:
            scores = scores + mask
        weights = torch.softmax(scores, -1)
        out = torch.matmul(weights, v)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        out = scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal and mask is None)
        weights = None
    out = out.permute(2, 0, 1, 3).reshape(length, batch, width)
    out = aten.linear(out, out_proj_weight, out_proj_bias)
    if not batched:
        out = out.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return out, weights
