"""Generation past the sliding window and up to the last cache slot, token by token against PyTorch eager with the model's own cache; one
step more is an error.

Every export takes chunks of 5, so that the second chunk of the prompt straddles the window of 6, then single tokens up to the cache's 24
slots. float32, the default of `etch verify` (1e-4 of the largest logit; seen: 4e-6) in both runtimes. A flag that a model cannot take must
be refused by name and reason.
"""
import os
import subprocess

import pytest
import torch
import transformers as T
from safetensors.torch import save_file

from official import Official

WINDOW, CHUNK, SLOTS = 6, 5, 24
BASE = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=128,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
SLIDING = dict(sliding_window=WINDOW)
KINDS = ["sliding_attention", "full_attention"]
MODELS = {
    "mistral": ("Mistral", dict(BASE, **SLIDING)),
    "qwen2": ("Qwen2", dict(BASE, **SLIDING, use_sliding_window=True, max_window_layers=1, num_hidden_layers=3)),
    "phi3": ("Phi3", dict(BASE, **SLIDING)),
    "starcoder2": ("Starcoder2", dict(BASE, **SLIDING)),
    "smollm3": ("SmolLM3", dict(BASE, **SLIDING, use_sliding_window=True, layer_types=KINDS)),
    "gemma2": ("Gemma2", dict(BASE, **SLIDING, head_dim=16, query_pre_attn_scalar=16)),
    "gemma3": ("Gemma3", dict(BASE, **SLIDING, head_dim=16, query_pre_attn_scalar=16, layer_types=KINDS)),
    "gpt_oss": ("GptOss", dict(BASE, **SLIDING, head_dim=16, num_local_experts=4, num_experts_per_tok=2, layer_types=KINDS)),
    "llama": ("Llama", dict(BASE, num_key_value_heads=1)),
    "bloom": ("Bloom", dict(hidden_size=64, n_layer=2, n_head=4, vocab_size=128)),
    "mpt": ("Mpt", dict(d_model=64, n_layers=2, n_heads=4, vocab_size=128, max_seq_len=64)),
}
SDPA, CACHE = "--use_custom_sdpa", "--use_custom_kv_cache"
FLAGS = {"plain": [], "sdpa": [SDPA], "cache": [CACHE], "both": [SDPA, CACHE]}


def make(name):
    kind, kwargs = MODELS[name]
    config = getattr(T, f"{kind}TextConfig", None) or getattr(T, f"{kind}Config")
    torch.manual_seed(0)
    model = getattr(T, f"{kind}ForCausalLM")(config(**kwargs)).eval()
    with torch.no_grad():
        for p in model.parameters():   # initial weights of 0.02 give logits in which attention hardly shows
            if p.dim() > 1:
                p.mul_(8)
    return model


def chunks(n):
    """Starts and lengths: two chunks, then single tokens."""
    return [(0, CHUNK), (CHUNK, CHUNK)] + [(at, 1) for at in range(2 * CHUNK, n)]


def eager(model, ids):
    """Logits of every chunk with the model's own growing cache."""
    cache, record, outs = T.DynamicCache(config=model.config), {}, []
    with torch.no_grad():
        for k, (at, n) in enumerate(chunks(SLOTS)):
            part = ids[:, at:at + n].contiguous()
            logits = model(part, past_key_values=cache, use_cache=True).logits
            record |= {f"s{k}.forward.in0": part, f"s{k}.forward.in1": torch.arange(at, at + n), f"s{k}.forward.out0": logits.contiguous()}
            outs.append(logits)
    return record, outs


# What each model refuses, by the words of the refusal; everything else must be computed.
NO_INTERFACE = "its attention does not go through transformers' attention interface"
REFUSED = {
    ("gemma2", "sdpa"): "soft-capped attention logits", ("gemma2", "both"): "soft-capped attention logits",
    ("gpt_oss", "sdpa"): "attention sinks", ("gpt_oss", "both"): "attention sinks",
    ("bloom", "sdpa"): NO_INTERFACE, ("bloom", "both"): NO_INTERFACE, ("mpt", "sdpa"): NO_INTERFACE,
    ("mpt", "cache"): "its attention reads the filled part of the cache only", ("mpt", "both"): "the filled part of the cache only",
}


@pytest.mark.parametrize("name", list(MODELS))
def test_up_to_the_last_slot(name, etch, tmp_path):
    model = make(name)
    model.save_pretrained(tmp_path / "model")
    ids = torch.randint(3, 128, (1, SLOTS))
    record, wants = eager(model, ids)
    save_file(record, tmp_path / "io.safetensors")
    for kind, flags in FLAGS.items():
        args = ["export", "--model", tmp_path / "model", "--recipe", "xnnpack", "--max_seq_len", SLOTS, "--prefill_chunk", CHUNK, *flags,
                "-o", tmp_path / kind]
        if (name, kind) in REFUSED:
            error = failing(*args)
            assert flags[0] in error or flags[-1] in error, error
            assert "cannot be applied to this model" in error and REFUSED[name, kind] in error, error
            continue
        etch(*args)
        pte = tmp_path / kind / "model.pte"
        etch("verify", pte, tmp_path / "io.safetensors")
        program = Official(pte)
        for (at, n), want in zip(chunks(SLOTS), wants):
            got = program("forward", [ids[:, at:at + n].contiguous(), torch.arange(at, at + n)])[0]
            assert (got - want).abs().max() < 1e-4 * want.abs().max(), (kind, at)
        with pytest.raises(RuntimeError):
            program("forward", [ids[:, :1].contiguous(), torch.tensor([SLOTS])])
        save_file({"in0": ids[:, :2].contiguous(), "in1": torch.tensor([SLOTS - 1, SLOTS])}, tmp_path / "beyond.safetensors")
        error = failing("run", pte, "--inputs", tmp_path / "beyond.safetensors")
        assert f"with a cache of {SLOTS} positions" in error and str(SLOTS) in error, error


def failing(*args):
    build = os.environ.get("ETCH_BUILD", os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                                                      "build"))
    r = subprocess.run([os.path.join(build, "etch"), *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert r.returncode == 1, (args, r.returncode, r.stdout[-500:], r.stderr[-500:])
    return r.stderr
