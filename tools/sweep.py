"""Exports tiny models of many architectures of transformers, runs them, compares with PyTorch eager, and groups what fails by cause.

    .venv-official/bin/python tools/sweep.py TASK [MODEL_TYPE ...] [--recipe R] [--official] [--json FILE] [--keep DIR]

Without model types: every one that transformers' auto class of the task knows. For finding what is missing; the tests are in tests/interop.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "interop"), os.path.join(ROOT, "tests")]
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")

import architectures  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers.models.auto import modeling_auto  # noqa: E402

ETCH = os.path.join(os.environ.get("ETCH_BUILD", os.path.join(ROOT, "build")), "etch")
MAPPING = {"text-generation": "CAUSAL_LM", "fill-mask": "MASKED_LM", "image-classification": "IMAGE_CLASSIFICATION",
           "object-detection": "OBJECT_DETECTION",
           "text2text-generation": "SEQ_TO_SEQ_CAUSAL_LM", "automatic-speech-recognition": "SPEECH_SEQ_2_SEQ",
           "ctc": "CTC", "text-classification": "SEQUENCE_CLASSIFICATION", "token-classification": "TOKEN_CLASSIFICATION",
           "audio-classification": "AUDIO_CLASSIFICATION", "image-segmentation": "SEMANTIC_SEGMENTATION"}


def kinds(task):
    return list(getattr(modeling_auto, f"MODEL_FOR_{MAPPING[task]}_MAPPING_NAMES"))


def run(*args):
    r = subprocess.run([ETCH, *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    return r.returncode, r.stdout, r.stderr


def difference(path, calls):
    from official import Official

    program, worst = Official(path), 0.0
    for method, ins, outs in calls:
        for got, want in zip(program(method, ins), outs, strict=True):
            worst = max(worst, ((got - want).abs() / (1 + want.abs())).max().item())
    return worst


def one(kind, task, folder, recipe, official):
    """{"stage", "message"} of the first thing that fails, or {"stage": "ok", "difference"}."""
    try:
        model = architectures.tiny(kind, task)
        calls = architectures.cases(model, task)
    except Exception as error:
        return dict(stage="eager", message=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    if not all(torch.isfinite(o).all() for _, _, outs in calls for o in outs):
        return dict(stage="eager", message="the result is not finite")
    model.save_pretrained(folder)
    model = architectures.stored(folder, task)
    calls = architectures.cases(model, task)
    start = time.time()
    image = task in ("object-detection", "image-classification", "image-segmentation")
    flags = ("--max_seq_len", 64) if task == "text-generation" else ("--image_size", architectures.IMAGE) if image else ()
    try:
        code, out, err = run("export", "--model", folder, "--task", architectures.NAMED.get(task, task), "--recipe", recipe, *flags, "-o",
                             os.path.join(folder, "out"))
        if code:
            return dict(stage="export", code=code, message=err.strip().splitlines()[0] if err.strip() else "", more=err[-1500:])
        took = time.time() - start
        pte = os.path.join(folder, "out", "model.pte")
        if "one token a call" in err:
            calls = architectures.cases(model, task, single=True)
        save_file(architectures.recorded(calls), os.path.join(folder, "io.safetensors"))
        code, out, err = run("verify", pte, os.path.join(folder, "io.safetensors"))
    except subprocess.TimeoutExpired:
        return dict(stage="timeout", message="more than 120 s")
    if code:
        return dict(stage="verify", code=code, message=(err or out).strip().splitlines()[0], more=(out + err)[-1500:])
    if official:
        worst = difference(pte, calls)
        if worst > 1e-4:
            return dict(stage="official", message=f"differs by {worst:.1e}")
    return dict(stage="ok", seconds=round(took, 1), message=out.strip().splitlines()[-1] if out.strip() else "")


def _late(*_):
    raise TimeoutError("more than 150 s")


def main():
    signal.signal(signal.SIGALRM, _late)
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("task")
    p.add_argument("kinds", nargs="*")
    p.add_argument("--recipe", default="portable")
    p.add_argument("--official", action="store_true")
    p.add_argument("--json")
    p.add_argument("--keep")
    a = p.parse_intermixed_args()
    results = {}
    for kind in a.kinds or kinds(a.task):
        with tempfile.TemporaryDirectory() as tmp:
            folder = os.path.join(a.keep, kind) if a.keep else tmp
            os.makedirs(folder, exist_ok=True)
            signal.alarm(150)
            try:
                results[kind] = one(kind, a.task, folder, a.recipe, a.official)
            except Exception as error:
                results[kind] = dict(stage="sweep", message=f"{type(error).__name__}: {error}")
            signal.alarm(0)
        r = results[kind]
        print(f"{kind:28} {r['stage']:8} {r['message'][:200]}", flush=True)
        if a.json:
            with open(a.json, "w") as f:
                json.dump(results, f, indent=1)
    by = {}
    for kind, r in results.items():
        by.setdefault(r["stage"], []).append(kind)
    print({stage: len(names) for stage, names in by.items()})


if __name__ == "__main__":
    main()
