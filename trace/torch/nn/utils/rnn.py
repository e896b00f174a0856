"""torch.nn.utils.rnn: padding of lists of sequences."""
import torch


class PackedSequence:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: packed sequences cannot be traced")


def pack_padded_sequence(*args, **kwargs):
    raise NotImplementedError("etch: packed sequences cannot be traced")


pad_packed_sequence = pack_padded_sequence


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    longest = max(s.shape[0] for s in sequences)
    rows = []
    for s in sequences:
        missing = longest - s.shape[0]
        ends = (0, missing) if padding_side == "right" else (missing, 0)
        rows.append(torch.nn.functional.pad(s, [0, 0] * (s.dim() - 1) + list(ends), value=padding_value))
    return torch.stack(rows, 0 if batch_first else 1)
