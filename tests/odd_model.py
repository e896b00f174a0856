"""A model whose own code, which lies in its folder, does something with its logits."""
import json
import os

from harness import ROOT

SOURCE = """
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM


class OddConfig(LlamaConfig):
    model_type = "odd"


class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig

    def forward(self, input_ids=None, past_key_values=None, **kwargs):
        out = super().forward(input_ids=input_ids, past_key_values=past_key_values, **kwargs)
        out.logits = BODY
        return out
"""


def odd_model(tmp, body):
    """A model whose own code calls `body` on its logits."""
    os.makedirs(tmp)
    with open(os.path.join(ROOT, "tests", "families", "llama", "config.json")) as f:
        config = json.load(f)
    config.update(model_type="odd", architectures=["OddForCausalLM"],
                  auto_map={"AutoConfig": "odd.OddConfig", "AutoModelForCausalLM": "odd.OddForCausalLM"})
    with open(os.path.join(tmp, "config.json"), "w") as f:
        json.dump(config, f)
    with open(os.path.join(tmp, "odd.py"), "w") as f:
        f.write(SOURCE.replace("BODY", body))
    return tmp
