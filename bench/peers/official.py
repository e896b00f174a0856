"""Times a decoder on the official runtime through its Python binding, the only way to its custom operators (sdpa_with_kv_cache needs
PyTorch).

    python official.py FILE.pte THREADS STEPS RUNS PROMPT...

Prints one JSON object: load and binding overhead in milliseconds, tokens a second of each prefill and of decoding, anonymous memory.
"""
import json
import sys
import time

import torch
import executorch.extension.llm.custom_ops.custom_ops  # noqa: F401
import executorch.kernels.quantized  # noqa: F401
from executorch.extension.pybindings import portable_lib as rt


def anonymous_kib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon:"))


def main():
    path, threads, steps, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rt._unsafe_reset_threadpool(threads)
    before = anonymous_kib()
    begin = time.perf_counter()
    m = rt._load_for_executorch(path)
    call = lambda pos, n: m.run_method("forward", (torch.full((1, n), 1), torch.arange(pos, pos + n)))  # noqa: E731
    call(0, 1)
    out = {"load_to_first_token_ms": 1e3 * (time.perf_counter() - begin)}
    begin = time.perf_counter()
    for _ in range(1000):
        m.run_method("get_vocab_size", ())
    out["binding_ms"] = time.perf_counter() - begin
    out["prefill"] = {}
    for n in map(int, sys.argv[5:]):
        best = []
        for _ in range(runs):
            begin = time.perf_counter()
            call(0, n)
            best.append(n / (time.perf_counter() - begin))
        out["prefill"][n] = sorted(best)[len(best) // 2]
    begin = time.perf_counter()
    for i in range(steps):
        call(i, 1)
    out["decode"] = steps / (time.perf_counter() - begin)
    out["anonymous_mib"] = (anonymous_kib() - before) / 1024
    print(json.dumps(out))


main()
