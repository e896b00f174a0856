"""Splits the payloads of rt/testdata/xnn_cases.bin into seed files: xnn_seeds.py CASES.bin FOLDER."""
import struct
import sys

data, at = open(sys.argv[1], "rb").read(), 8
ELEM = {0: 1, 1: 1, 3: 4, 4: 8, 5: 2, 6: 4, 15: 2}


def u32():
    global at
    at += 4
    return struct.unpack_from("<I", data, at - 4)[0]


for _ in range(struct.unpack_from("<I", data, 4)[0]):
    n = u32()
    name, at = data[at:at + n].decode(), at + n
    n = u32()
    with open(f"{sys.argv[2]}/{name}", "wb") as f:
        f.write(data[at:at + n])
    at += n + 8
    n_args, n_calls = u32(), u32()
    args = []
    for _ in range(n_args):
        code, _, rank = u32(), u32(), u32()
        at += 8 * rank
        args.append((code, rank))
    for _ in range(n_calls):
        for code, rank in args:
            size = ELEM[code]
            for _ in range(rank):
                size *= u32()
            at += size
