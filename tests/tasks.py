"""End-to-end tests of tasks with several methods, of their flags, and of task files; no PyTorch needed.

    python tests/tasks.py BUILD [NAME_PART ...]        runs the tests whose name holds one of the parts
"""
import json
import os

import weights
from harness import TINY, main, ok, refused, test

TOL = ("--atol", "1e-4", "--rtol", "1e-4")  # float32 in another summation order; about 1e-5 is seen


# Models with an image or audio encoder: the encoder, the prompt's embeddings, the decoder over both, greedy steps.

def multimodal_test(name):
    def run(tmp):
        model, out = weights.write_model(name, os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
        ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
        ok("verify", os.path.join(out, "model.pte"), weights.golden(name, weights.MULTIMODAL), *TOL)
    run.__name__ = f"multimodal_{name}"
    test(run)


for family in weights.names(weights.MULTIMODAL):
    multimodal_test(family)


@test
def encoder_flags(tmp):
    """--q*_encoder touch the encoder alone, and are refused where they cannot be honoured."""
    model, out = weights.write_model("gemma3", os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
    ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "--qlinear_encoder", "8da8w", "--qembedding_encoder", "4w", "-o", out)
    with open(os.path.join(out, "report.json")) as f:
        schemes = {w["name"]: w["scheme"] for w in json.load(f)["weights"]}
    assert set(schemes.values()) == {"8da8w", "4w"} and not [n for n in schemes if "language_model" in n], schemes
    bad = os.path.join(tmp, "bad")
    for flags, says in ((["--qlinear_encoder", "8da4w"], "no encoder"), (["--qembedding_encoder", "8w"], "no encoder"),
                        (["--qlinear_encoder_group_size", "32"], "without --qlinear_encoder"), (["--qlinear_encoder", "5w"], "--qlinear_encoder: '5w'"),
                        (["--qlinear_encoder", "8da4w", "--qlinear_encoder_group_size", "48"], "--qlinear_encoder_group_size 48"),
                        (["--qlinear_encoder", "8da4w", "--recipe", "portable"], "--qlinear_encoder 8da4w needs --recipe xnnpack")):
        refused("export", "--model", TINY, *flags, "-o", bad, says=[says], code=2, no_file=bad)


main()
