"""Traces decoder-only models and compares the graph, evaluated by PyTorch, with PyTorch's own eager model: a prefill and single-token
steps.

    python check_text_generation.py GRAPH_FOLDER MODEL_FOLDER [NAME...]     (GRAPH_FOLDER/NAME.txt from etch_trace; needs PyTorch)
"""
import sys

import torch
from graph_eval import Program
from transformers import AutoModelForCausalLM


def compare(text, folder, prefill=8, steps=3):
    torch.manual_seed(0)
    program = Program(text, folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    vocab = program.metas["get_vocab_size"]
    ids = torch.randint(0, vocab, (1, prefill + steps), generator=torch.Generator().manual_seed(0))
    worst, past = 0.0, None
    with torch.no_grad():
        at = 0
        for n in [prefill] + [1] * steps:
            chunk = ids[:, at:at + n]
            ours = program.run("forward", {"input_ids": chunk, "cache_position": torch.arange(at, at + n)})
            theirs = model(chunk, past_key_values=past, use_cache=True)
            past = theirs.past_key_values
            worst = max(worst, (next(iter(ours.values())) - theirs.logits).abs().max().item())
            at += n
    return worst


def main():
    graphs, models, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    bad = 0
    for name in names:
        try:
            with open(f"{graphs}/{name}.txt") as f:
                worst = compare(f.read(), f"{models}/{name}")
            ok = worst < 1e-4
            print(f"{'ok  ' if ok else 'FAIL'} {name} {worst:.3g}", flush=True)
        except Exception as error:
            ok = False
            print(f"FAIL {name} {type(error).__name__}: {str(error)[:600]}", flush=True)
        bad += not ok
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
