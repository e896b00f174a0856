"""The cases of facade_cases.py: traced by etch's torch in a child process, evaluated by PyTorch, compared with PyTorch running the snippet.

    python check_facade.py PYTHON_FOLDER ETCH_PYTHON [NAME...]      (PyTorch here; ETCH_PYTHON needs only the standard library)
"""
import json
import os
import subprocess
import sys

from facade_cases import CASES, SETUP

SHAPES = {"x": ("float32", [2, 3, 4]), "y": ("float32", [2, 3, 4]), "p": ("float32", [2, 3, 4]), "q": ("float32", [4, 5]),
          "n": ("int64", [2, 3]), "b": ("bool", [2, 3, 4]), "img": ("float32", [2, 4, 6, 6])}


def child(folder):
    """Runs with etch's torch: one JSON line a case, {"name", "text" or "error"}."""
    sys.path.insert(0, folder)
    import torch
    from torch import _C

    for name in sys.argv[3:]:
        _C.begin()
        _C.method("forward")
        scope = {key: _C.input(key, getattr(torch, dtype), shape) for key, (dtype, shape) in SHAPES.items()}
        try:
            exec(SETUP + CASES[name], scope)
            out = scope["out"]
            for i, t in enumerate(out if isinstance(out, (list, tuple)) else [out]):
                _C.output(f"out{i}", t)
            print(json.dumps({"name": name, "text": _C.finish().decode()}), flush=True)
        except Exception as error:
            print(json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"}), flush=True)


def main():
    import torch
    from graph_eval import Program

    folder, python, names = sys.argv[1], sys.argv[2], sys.argv[3:] or list(CASES)
    run = subprocess.run([python, os.path.abspath(__file__), "--child", folder, *names], capture_output=True, text=True)
    if run.returncode:
        print(run.stderr[-2000:])
    g = torch.Generator().manual_seed(0)
    inputs = {"x": torch.randn(2, 3, 4, generator=g), "y": torch.randn(2, 3, 4, generator=g), "p": torch.rand(2, 3, 4, generator=g) + 0.1,
              "q": torch.randn(4, 5, generator=g), "n": torch.randint(0, 4, (2, 3), generator=g),
              "b": torch.rand(2, 3, 4, generator=g) > 0.4,
              "img": torch.randn(2, 4, 6, 6, generator=g)}
    bad = len(names) - len(run.stdout.splitlines())
    for line in run.stdout.splitlines():
        case = json.loads(line)
        problem = case.get("error")
        if problem is None:
            try:
                with torch.no_grad():
                    ours = list(Program(case["text"], ".").run("forward", inputs).values())
                    scope = {k: v.clone() for k, v in inputs.items()}
                    exec(SETUP + CASES[case["name"]], scope)
                theirs = scope["out"] if isinstance(scope["out"], (list, tuple)) else [scope["out"]]
                for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                    if a.dtype != b.dtype or a.shape != b.shape or not torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True):
                        problem = f"out{i}: {a.dtype} {list(a.shape)} against {b.dtype} {list(b.shape)}"
                        break
            except Exception as error:
                problem = f"{type(error).__name__}: {str(error)[:300]}"
        print(f"{'ok  ' if problem is None else 'FAIL'} {case['name']} {problem or ''}", flush=True)
        bad += problem is not None
    sys.exit(bad > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        folder = sys.argv[2]
        child(folder)
    else:
        main()
