"""Exports one model with etch and with the official exporter, in turn in one run, and prints the ratios.

    python bench/export.py [--model DIR] [--runs N] [--no-official] [--json] [-- FLAGS OF export]

Default model: models/tiny; default flags: the headline command. Each round runs etch, the official exporter, then a plain copy of the
checkpoint. The official exporter lies in .venv-exporter (`make bench-export` installs it). Time is that of the whole command, memory the
sum over its processes (bench/measure.py). Ratios are of the same round: the machine may be busy.

Both files are run by etch on the same tokens where both are decoders; the difference of the logits is printed relative to the largest.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADLINE = ["--task", "text-generation", "--recipe", "xnnpack", "--use_custom_sdpa", "--use_custom_kv_cache", "--qlinear", "8da4w",
            "--qembedding", "8w"]
# The official exporter has no rule of its own for scales and logits: flags that only etch knows are not passed on.
ONLY_ETCH = {"--qparams": 1, "--logits": 1, "--prefill_chunk": 1}


def measured(command, env=None):
    """Seconds and peak memory of all processes of a command."""
    p = subprocess.run([sys.executable, os.path.join(ROOT, "bench/measure.py"), "--json", "--", *command], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, env=env)
    if p.returncode:
        sys.exit(f"{' '.join(command)}\nfailed:\n{p.stderr[-3000:]}")
    return json.loads(p.stdout.strip().splitlines()[-1])


def official_flags(flags):
    out, skip = [], 0
    for f in flags:
        if skip:
            skip -= 1
        elif f in ONLY_ETCH:
            skip = ONLY_ETCH[f]
        else:
            out.append(f)
    return out


def logits(etch, pte, folder):
    """Of eight tokens, as a list of floats; None when the program is no decoder."""
    import numpy as np
    from safetensors.numpy import load_file, save_file
    feed, out = os.path.join(folder, "in.safetensors"), os.path.join(folder, "out.safetensors")
    save_file({"in0": np.arange(1, 9, dtype=np.int64)[None], "in1": np.arange(8, dtype=np.int64)}, feed)
    p = subprocess.run([etch, "run", pte, "--inputs", feed, "--outputs", out], capture_output=True, text=True)
    return load_file(out)["out0"].astype("float64") if p.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=os.path.join(ROOT, "models/tiny"))
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--official", default=os.path.join(ROOT, ".venv-exporter/bin/optimum-cli"))
    parser.add_argument("--no-official", action="store_true", help="etch and the copy only")
    parser.add_argument("--json", action="store_true")
    args, flags = parser.parse_known_args()
    flags = [f for f in flags if f != "--"] or HEADLINE
    etch = os.path.join(args.build, "etch")
    if not args.no_official and not os.path.exists(args.official):
        sys.exit(f"{args.official} does not exist: `make bench-export` installs the official exporter (1.7 GB), --no-official goes without")
    weights = sum(os.path.getsize(os.path.join(args.model, f)) for f in os.listdir(args.model) if f.endswith(".safetensors"))
    rounds = []
    with tempfile.TemporaryDirectory(prefix="etch-bench-") as tmp:
        ours, theirs, copy = (os.path.join(tmp, n) for n in ("ours", "theirs", "copy"))
        env = dict(os.environ, HF_HUB_OFFLINE="1")
        for _ in range(args.runs):
            r = {"etch": measured([etch, "export", "--model", args.model, *flags, "-o", ours, "-q"])}
            with open(os.path.join(ours, "report.json")) as f:
                r["stages"] = json.load(f)["seconds"]
            r["etch_bytes"] = os.path.getsize(os.path.join(ours, "model.pte"))
            if not args.no_official:
                r["official"] = measured([args.official, "export", "executorch", "--model", args.model, *official_flags(flags),
                                          "--output_dir", theirs], env)
                r["official_bytes"] = os.path.getsize(os.path.join(theirs, "model.pte"))
            start = time.monotonic()
            os.makedirs(copy, exist_ok=True)
            for f in os.listdir(args.model):
                if f.endswith(".safetensors"):
                    shutil.copy(os.path.join(args.model, f), copy)
            r["copy_seconds"] = round(time.monotonic() - start, 3)
            rounds.append(r)
        diff = None
        if not args.no_official:
            a, b = logits(etch, os.path.join(ours, "model.pte"), tmp), logits(etch, os.path.join(theirs, "model.pte"), tmp)
            diff = float(abs(a - b).max() / abs(b).max()) if a is not None and b is not None and a.shape == b.shape else None
    if args.json:
        print(json.dumps({"model": args.model, "weights_bytes": weights, "flags": flags, "rounds": rounds, "logits_difference": diff},
                         indent=1))
        return
    print(f"{args.model}: {weights / 1e6:.1f} MB of weights; {' '.join(flags)}")
    for r in rounds:
        e = r["etch"]
        print(f"etch      {e['seconds']:8.2f} s  {e['peak_anon_mib']:7.0f} MiB anonymous  {e['peak_rss_mib']:7.0f} MiB rss  "
              f"{r['etch_bytes'] / 1e6:8.2f} MB file")
        if "official" in r:
            o = r["official"]
            print(f"official  {o['seconds']:8.2f} s  {o['peak_anon_mib']:7.0f} MiB anonymous  {o['peak_rss_mib']:7.0f} MiB rss  "
                  f"{r['official_bytes'] / 1e6:8.2f} MB file")
            print(f"official / etch: time {o['seconds'] / e['seconds']:.1f}, anonymous memory "
                  f"{o['peak_anon_mib'] / e['peak_anon_mib']:.1f}, file {r['official_bytes'] / r['etch_bytes']:.3f}")
        print("stages: " + ", ".join(f"{k} {v:.2f} s" for k,
                                     v in r["stages"].items()) + f"; copying the checkpoint: {r['copy_seconds']:.2f} s"
              + (f"; write / copy {r['stages']['write'] / r['copy_seconds']:.2f}" if weights > 1e8 else ""))
    if diff is not None:
        print(f"logits of 8 tokens, both files in etch's runtime: differ by {diff:.1e} of the largest")


main()
