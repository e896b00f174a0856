"""Names of torch.nn.attention.flex_attention; the attention itself is not available."""

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest:
    pass


class BlockMask:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: flex attention is not available; use attn_implementation='sdpa' or 'eager'")


def create_block_mask(*args, **kwargs):
    raise NotImplementedError("etch: flex attention is not available; use attn_implementation='sdpa' or 'eager'")


flex_attention = create_block_mask
