"""Writes tests/tiny_golden.json: the greedy text of the shipped example in PyTorch (float32)."""
import json
import os

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
model = AutoModelForCausalLM.from_pretrained(os.path.join(root, "models", "tiny"), dtype=torch.float32).eval()
tok = AutoTokenizer.from_pretrained(os.path.join(root, "models", "tiny"))
prompt, n = "In the beginning", 80
ids = tok(prompt, return_tensors="pt").input_ids
out = model.generate(ids, max_new_tokens=n, do_sample=False)[0]
text = tok.decode(out, skip_special_tokens=True)
margins = torch.topk(model(out[None]).logits[0, ids.shape[1] - 1:-1], 2).values
json.dump({"prompt": prompt, "new_tokens": n, "text": text, "smallest_margin": (margins[:, 0] - margins[:, 1]).min().item()},
          open(os.path.join(root, "tests", "tiny_golden.json"), "w"), indent=1)
print(text)
