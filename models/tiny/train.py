"""Trains the shipped example model: a small decoder with grouped key/value heads on the King James Bible.

Text: Debian package `bible-kjv` (the translation of 1611; its copyright has expired). Run where PyTorch, transformers and tokenizers are
installed:

    apt-get install bible-kjv && python models/tiny/train.py --out models/tiny

Writes config.json, generation_config.json, model.safetensors (bfloat16, under 4 MB), tokenizer.json and tokenizer_config.json.
The committed files came from this script with the default arguments (torch 2.13, one thread).
"""
import argparse
import math
import re
import subprocess
import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCAB, CONTEXT = 2048, 256


def corpus():
    lines = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], check=True, capture_output=True, text=True).stdout.splitlines()
    verses = [re.sub(r"^\S+ ", "", line) for line in lines]
    return "\n".join(v for v in verses if v)


def train_tokenizer(text):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(text.split("\n"), trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tok, bos_token="<s>", eos_token="</s>")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default="models/tiny")
    ap.add_argument("--steps", type=int, default=1800)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--threads", type=int, default=1)
    args = ap.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    text = corpus()
    tok = train_tokenizer(text)
    ids = torch.tensor(tok.backend_tokenizer.encode(text, add_special_tokens=False).ids)
    print(f"{len(text)} characters, {len(ids)} tokens", flush=True)
    config = LlamaConfig(vocab_size=VOCAB, hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4,
                         num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=0, eos_token_id=1)
    model = LlamaForCausalLM(config)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    opt = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.95), weight_decay=0.05)
    began = time.time()
    for step in range(args.steps):
        rate = 3e-3 * min(1, (step + 1) / 100) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in opt.param_groups:
            group["lr"] = rate
        at = torch.randint(0, len(ids) - CONTEXT, (args.batch,))
        x = torch.stack([ids[i:i + CONTEXT] for i in at])
        x[:, 0] = tok.bos_token_id
        loss = model(x, labels=x).loss
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if step % 50 == 0 or step == args.steps - 1:
            print(f"step {step} loss {loss.item():.3f} {time.time() - began:.0f} s", flush=True)
        if step % 300 == 299 or step == args.steps - 1:
            save(model, tok, args.out)


def save(model, tok, out):
    import copy
    copy.deepcopy(model).to(torch.bfloat16).eval().save_pretrained(out)
    tok.save_pretrained(out)


if __name__ == "__main__":
    main()
