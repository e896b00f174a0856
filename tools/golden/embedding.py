"""Writes tests/embedding/NAME/*: a tiny text embedding model as its makers publish it (the base model's weights under the causal model's
config, and sentence-transformers' modules.json), with PyTorch results of both uses. Needs tools/requirements-official.txt.

generate.safetensors: text-generation, 8 tokens of prefill and three steps. golden.safetensors: feature-extraction, a text and a padded one.
"""
import json
import os
import sys
import tempfile

import torch
import transformers as T
from safetensors.torch import load_file, save_file

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests")
sys.path.insert(0, TESTS)
import weights  # noqa: E402

CONFIG = T.Qwen3Config(vocab_size=256, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                       num_key_value_heads=2, head_dim=32, max_position_embeddings=128, tie_word_embeddings=True,
                       architectures=["Qwen3ForCausalLM"])
MODULES = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
           {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
           {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
POOLING = {"word_embedding_dimension": 64, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
           "pooling_mode_max_tokens": False,
           "pooling_mode_lasttoken": True, "include_prompt": True}


def dump(value, *path):
    os.makedirs(os.path.dirname(os.path.join(*path)), exist_ok=True)
    with open(os.path.join(*path), "w") as f:
        json.dump(value, f, indent=2, sort_keys=True)
        f.write("\n")


def generate(folder):
    model = T.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids, out, cache = torch.randint(0, 256, (1, 11), generator=torch.Generator().manual_seed(7)), {}, None
    for step, (a, b) in enumerate([(0, 8), (8, 9), (9, 10), (10, 11)]):
        r = model(input_ids=ids[:, a:b], past_key_values=cache, use_cache=True)
        cache = r.past_key_values
        out.update({f"s{step}.forward.in0": ids[:, a:b].clone(), f"s{step}.forward.in1": torch.arange(a, b),
                    f"s{step}.forward.out0": r.logits})
    return out


def embed(folder):
    model = T.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    out = {}
    for step, (length, real) in enumerate([(7, 7), (6, 4)]):
        ids = torch.randint(0, 256, (1, length), generator=torch.Generator().manual_seed(step))
        mask = (torch.arange(length) < real).long()[None]
        states = model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        vector = torch.nn.functional.normalize(states[:, real - 1], dim=-1)
        alone = model(input_ids=ids[:, :real], use_cache=False).last_hidden_state[:, -1]
        assert (vector - torch.nn.functional.normalize(alone, dim=-1)).abs().max() < 1e-5
        out.update({f"s{step}.forward.in0": ids, f"s{step}.forward.in1": mask, f"s{step}.forward.out0": states,
                    f"s{step}.forward.out1": vector})
    return out


def main(name="qwen3_embedding"):
    folder = os.path.join(weights.EMBEDDING, name)
    with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
        T.Qwen3Model(CONFIG).save_pretrained(tmp)
        shapes = {k: list(v.shape) for k, v in sorted(load_file(os.path.join(tmp, "model.safetensors")).items())}
        with open(os.path.join(tmp, "config.json")) as f:
            config = json.load(f)
        dump({**config, "architectures": ["Qwen3ForCausalLM"]}, folder, "config.json")
        dump(MODULES, folder, "modules.json")
        dump(POOLING, folder, "1_Pooling", "config.json")
        dump(shapes, folder, "tensors.json")
        weights.write_model(name, tmp, weights.EMBEDDING)
        save_file(generate(tmp), os.path.join(folder, "generate.safetensors"))
        save_file(embed(tmp), os.path.join(folder, "golden.safetensors"))


main()
