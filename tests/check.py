"""`etch check` says before an export what the export will say: size of the file, planned memory, delegates; and why a model does not
export.

    python tests/check.py BUILD [NAME_PART ...]
"""
import json
import os
import shutil

import weights
from odd_model import odd_model
from harness import ROOT, TINY, etch, main, ok, refused, test

# Tied and untied embeddings, folded norms, sliding windows; every scheme; every type.
CASES = [
    ("gemma", ["--recipe", "portable"]),
    ("gpt2", ["--recipe", "portable", "--dtype", "float16"]),
    ("llama", ["--dtype", "bfloat16"]),
    ("gemma3", ["--use_custom_sdpa", "--use_custom_kv_cache", "--qembedding", "4w"]),
    ("qwen2", ["--use_custom_sdpa", "--use_custom_kv_cache", "--qlinear", "8da4w", "--qembedding", "8w"]),
    ("smollm3", ["--qlinear", "4w"]),
]


def config_only(name, tmp):
    folder = os.path.join(tmp, "config")
    os.makedirs(folder)
    shutil.copy(os.path.join(ROOT, "tests", "families", name, "config.json"), folder)
    return folder


def size_test(name, flags):
    def run(tmp):
        flags_all = ["--max_seq_len", "64", *flags]
        out = os.path.join(tmp, "out")
        ok("export", "--model", weights.write_model(name, os.path.join(tmp, "model")), "-o", out, *flags_all)
        with open(os.path.join(out, "report.json")) as f:
            report = json.load(f)
        got = json.loads(ok("check", "--model", config_only(name, tmp), "--json", *flags_all).stdout)
        want, program = report["program"], got["program"]
        assert got["exports"] and got["from"] == "config", got
        for key in want:
            if key not in ("bytes", "constant_bytes", "named_bytes"):
                assert program[key] == want[key], f"{key}: {program[key]}, the export has {want[key]}"
        # Equal small constants (the norms of a fresh model) are stored once by an export that has folded them; without weights nobody
        # knows.
        real = os.path.getsize(os.path.join(out, "model.pte"))
        assert abs(program["bytes"] - real) <= 0.01 * real, f"{program['bytes']} bytes, the file has {real}"
        peak = max(report["peak_rss_bytes"].values())
        assert abs(got["export_peak_bytes"] - peak) <= 0.25 * peak, f"peak {got['export_peak_bytes']}, the export had {peak}"
        nodes = sum(row["count"] for row in got["operators"] if row["runs"] == "xnnpack")
        assert nodes == want["delegated_nodes"], (nodes, want["delegated_nodes"])
        assert all(row["why"] for row in got["operators"] if row["runs"] == "portable")
    run.__name__ = f"size_of_{name}_{'_'.join(f.strip('-') for f in flags if f.startswith('--'))}"
    test(run)


for case in CASES:
    size_test(*case)


@test
def text_form_of_weights_config_and_lone_file(tmp):
    """Three ways to name the same model; the tables say what runs where."""
    lone = os.path.join(tmp, "any name.json")
    shutil.copy(os.path.join(TINY, "config.json"), lone)
    folder = os.path.join(tmp, "folder")
    os.makedirs(folder)
    shutil.copy(lone, os.path.join(folder, "config.json"))
    said = []
    for model, source in ((TINY, "weights"), (folder, "config"), (lone, "config")):
        r = ok("check", "--model", model, env={"TMPDIR": tmp})
        first, *rest = r.stdout.splitlines()
        assert first.startswith(f"{model} exports") and f"sizes from the {source}" in first, first
        assert any("aten::embedding" in line and "XNNPACK has no such operator" in line and ".py:" in line for line in rest), r.stdout
        said.append([line for line in rest if not line.startswith("export ")])
    assert said[0] == said[1] == said[2], said
    assert not [n for n in os.listdir(tmp) if n.startswith("etch-")], "a scratch folder was left"


@test
def what_export_refuses_check_refuses(tmp):
    refused("check", "--model", TINY, "--qlinear", "5w", code=2, says=["5w"])
    refused("check", "--model", TINY, "--qlinear", "8da4w", "--recipe", "portable", code=2, says=["--recipe xnnpack"])
    refused("check", "--model", os.path.join(tmp, "nothing"), says=["no such"])
    text = os.path.join(tmp, "text.json")
    with open(text, "w") as f:
        f.write("not json")
    refused("check", "--model", text, says=["config.json cannot be read"])
    r = etch("check", "--model", TINY, "--task", "fill-mask", "--json")
    told = json.loads(r.stdout)
    assert r.returncode == 1 and told["exports"] is False and "fill-mask" in told["reason"], (r.returncode, told)


@test
def all_missing_operators_are_named(tmp):
    """What the tracer lacks, what the runtime lacks, and a failure behind a guess."""
    for name, body, ops, says in (
        ("tracer", "torch.erfcx_like(F.wobble(out.logits).mystery(2))", ["aten::wobble", "aten::mystery", "aten::erfcx_like"],
         ["these 3 operators are missing"]),
        ("runtime", "torch.lgamma(torch.digamma(out.logits))", ["aten::digamma", "aten::lgamma"], ["cannot be lowered"]),
        ("guessed", "torch.halve_it(out.logits).reshape(1, -1, 100)", ["aten::halve_it"],
         ["this operator is missing", "sizes after the first are guesses"]),
    ):
        r = refused("check", "--model", odd_model(os.path.join(tmp, name), body), "--trust_remote_code", "--json",
                    says=[*ops, *says, "odd.py:"])
        told = json.loads(r.stdout)
        assert {m["op"] for m in told["missing"]} == set(ops) and all("odd.py:" in m["where"] for m in told["missing"]), told
        assert not told["exports"] and "Traceback" not in r.stderr, r.stderr


main()
