"""Checkpoints that hold their weights as integers, made with numpy: GPTQ and AWQ words, GGUF files. For tests and goldens.

Matrices are [rows, columns] as a linear layer's weight; scales and zero points are [rows, groups].
"""
import struct

import numpy as np

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # integer i of a word, from the low bits up, is column AWQ_ORDER[i] of eight


def _words(lines, bits):
    """[.., p] integers -> [..] words, the first integer in the low bits."""
    out = np.zeros(lines.shape[:-1], np.uint32)
    for i in range(lines.shape[-1]):
        out |= lines[..., i].astype(np.uint32) << np.uint32(bits * i)
    return out.view(np.int32)


def pack_gptq(q, zeros, bits=4, checkpoint_format="gptq"):
    """qweight i32[columns * bits / 32, rows], qzeros i32[groups, rows * bits / 32]. The first format stores zero points less one."""
    per = 32 // bits
    z = (zeros - 1) & ((1 << bits) - 1) if checkpoint_format == "gptq" else zeros
    return _words(q.T.reshape(-1, per, q.shape[0]).transpose(0, 2, 1), bits), _words(z.T.reshape(z.shape[1], -1, per), bits)


def pack_awq(q, zeros):
    """qweight i32[columns, rows / 8], qzeros i32[groups, rows / 8]."""
    order = list(AWQ_ORDER)
    return tuple(_words(x.T.reshape(x.shape[1], -1, 8)[..., order], 4) for x in (q, zeros))
