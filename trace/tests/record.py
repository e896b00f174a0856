"""Writes golden.json: the cases of cases.py under PyTorch. Run with a Python that has PyTorch 2.13."""
import json
import os

import torch
from cases import CASES


def plain(x):
    if isinstance(x, (list, tuple)):
        return [plain(y) for y in x]
    if isinstance(x, torch.Tensor):
        return {"dtype": str(x.dtype), "shape": list(x.shape), "data": x.tolist()}
    return x


if __name__ == "__main__":
    golden = {}
    for name, code in CASES.items():
        scope = {"torch": torch}
        exec(code, scope)
        golden[name] = plain(scope["out"])
    with open(os.path.join(os.path.dirname(__file__), "golden.json"), "w") as f:
        f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()) + "\n}\n")
