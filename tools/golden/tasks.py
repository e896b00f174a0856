"""Writes tests/guide/NAME/{config.json, tensors.json, golden.safetensors}: tiny models of the tasks beside text generation, and what
PyTorch eager says of them in the naming of `etch verify`. docs/EXPORTING.md's commands run on these folders. Needs
tools/requirements-official.txt.

Encoder-decoder models get tokenizer.json and generate.json, too: what transformers' greedy generation makes of texts, or of the features in
golden.safetensors.

    python tools/golden/tasks.py [NAME ...]
"""
import json
import os
import sys
import tempfile

import tokenizers
import torch
import transformers as T
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))
import weights  # noqa: E402

G = torch.Generator()
VISION = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8, num_labels=5)


def image(model):
    x = torch.randn(1, 3, model.config.image_size, model.config.image_size, generator=G)
    return [("forward", [x], [model(x).logits])]


def seq2seq(model):
    """The runner's loop: encode, then a token a step, the sampler's token going in again."""
    audio = model.main_input_name == "input_features"
    x = torch.randn(1, model.config.num_mel_bins, 2 * model.config.max_source_positions,
                    generator=G) if audio else torch.randint(3, 256, (1, 7), generator=G)
    states = model.get_encoder()(x).last_hidden_state
    calls, ids = [("encoder", [x], [states])], torch.tensor([[model.config.decoder_start_token_id]])
    for i in range(4):
        logits = model(**{model.main_input_name: x}, decoder_input_ids=ids).logits[:, -1:]
        token = logits.argmax(-1)
        calls += [("text_decoder", [ids[:, i:], states, torch.tensor([i])], [logits]), ("sampler", [logits], [token])]
        ids = torch.cat([ids, token], 1)
    return calls


def pieces():
    """Unigram pieces as in sentencepiece models: a text begins with a space, </s> ends it; words, letters, and what no text has."""
    words = ["translate", "English", "to", "German", ":", "the", "house", "is", "summarize", "a", "in"]
    letters = [chr(c) for c in range(33, 127)]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    vocab += [("\u2581" + w, -3.0 - i / 8) for i, w in enumerate(words)] + [(c, -6.0 - i / 64) for i, c in enumerate(letters)]
    vocab += [(f"\u2581{i}", -9.0) for i in range(256 - len(vocab) - 2)] + [("<extra_1>", 0.0), ("<extra_0>", 0.0)]
    t = tokenizers.Tokenizer(tokenizers.models.Unigram(vocab, unk_id=2))
    cut = tokenizers.pre_tokenizers
    t.pre_tokenizer = cut.Sequence([cut.WhitespaceSplit(), cut.Metaspace()])
    t.decoder = tokenizers.decoders.Metaspace()
    t.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    t.add_special_tokens(["<pad>", "</s>", "<unk>", "<extra_1>", "<extra_0>"])
    return t


def letters():
    """A letter is a token, as in multimodal_configs.py; special tokens begin a text and end it."""
    special = ["<pad>", "<s>", "<|end|>", "<|begin|>", "<|en|>", "<|write|>"]
    vocab = [*special, "\u010a", "\u0120", *map(chr, range(33, 127))]
    vocab += [f"\u0120{i}" for i in range(256 - len(vocab))]
    t = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={token: i for i, token in enumerate(vocab)}, merges=[]))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.post_processor = tokenizers.processors.TemplateProcessing(single="<|begin|> $A <|end|>",
                                                                special_tokens=[("<|begin|>", 3), ("<|end|>", 2)])
    t.add_special_tokens(special)
    return t


PROMPTS = ["translate English to German, is a house", "summarize, German house", "the house: to the German"]
NEW = 12


def generated(model, tokenizer, calls):
    """Greedy generation: of texts, or of the encoder's input in `calls`; with a penalty, and with a beginning that is forced. Of the first
    `far` ids none was chosen by less than 0.03."""
    audio, cases = model.main_input_name == "input_features", []
    for prompt in [None] if audio else PROMPTS:
        x = calls[0][1][0] if audio else torch.tensor([tokenizer.encode(prompt).ids])
        start = model.config.decoder_start_token_id
        for penalty, begin in ((1.0, [start]), (1.3, [start]), (1.3, [start, 4, 5])):
            # GenerationMixin's, also where a class has a generation of its own around it.
            out = T.GenerationMixin.generate(model, **{model.main_input_name: x}, do_sample=False, max_new_tokens=NEW,
                                             repetition_penalty=penalty, decoder_input_ids=torch.tensor([begin]),
                                             output_scores=True, return_dict_in_generate=True)
            top = torch.stack(out.scores)[:, 0].topk(2).values
            margins, ids = (top[:, 0] - top[:, 1]).tolist(), out.sequences[0].tolist()
            assert min(margins) > 1e-3, (prompt, penalty, begin, margins)  # else another summation order may choose the other
            near = next((i for i, margin in enumerate(margins) if margin < 0.03), len(margins))
            cases.append({"prompt": prompt, "repetition_penalty": penalty, "begin": begin, "ids": ids, "far": len(begin) + near,
                          "text": tokenizer.decode(ids[len(begin):], skip_special_tokens=True)})
    return cases


def masked(model):
    calls = []
    for length, real in ((8, 8), (1, 1), (5, 3)):
        ids, mask = torch.randint(3, 256, (1, length), generator=G), (torch.arange(length) < real).long()[None]
        calls.append(("forward", [ids, mask], [model(ids, mask).logits]))
    return calls


# name: config, auto class, calls
TABLE = {
    "t5": (lambda: T.T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, vocab_size=256, decoder_start_token_id=0),
           T.AutoModelForSeq2SeqLM, seq2seq),
    "whisper": (lambda: T.WhisperConfig(d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                                        decoder_attention_heads=2, encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=256, num_mel_bins=16,
                                        max_source_positions=32, max_target_positions=32, pad_token_id=0, bos_token_id=1, eos_token_id=2,
                                        decoder_start_token_id=3, suppress_tokens=None, begin_suppress_tokens=None),
                T.AutoModelForSpeechSeq2Seq, seq2seq),
    "bert": (lambda: T.BertConfig(vocab_size=256, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
                                  max_position_embeddings=64),
             T.AutoModelForMaskedLM, masked),
    "vit": (lambda: T.ViTConfig(**VISION), T.AutoModelForImageClassification, image),
    "dit": (lambda: T.BeitConfig(**VISION, use_absolute_position_embeddings=True, out_indices=[0, 1, 2]), T.AutoModelForImageClassification,
            image),
    "mobilevit": (lambda: T.MobileViTConfig(image_size=64, hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 48],
                                            num_labels=5, num_attention_heads=2), T.AutoModelForImageClassification, image),
}


TOKENIZERS = {"t5": pieces, "whisper": letters}


def write_generated(name, folder, model, calls):
    tokenizer = TOKENIZERS[name]()
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    with open(os.path.join(folder, "generate.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(case) for case in generated(model, tokenizer, calls)) + "\n]\n")


def write(name):
    make, auto, record = TABLE[name]
    folder = os.path.join(weights.GUIDE, name)
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, torch.no_grad():
        auto.from_config(make()).save_pretrained(tmp)
        shapes = {k: list(v.shape) for k, v in sorted(load_file(os.path.join(tmp, "model.safetensors")).items())}
        with open(os.path.join(tmp, "config.json")) as f, open(os.path.join(folder, "config.json"), "w") as g:
            json.dump(json.load(f), g, indent=2, sort_keys=True)
            g.write("\n")
        with open(os.path.join(folder, "tensors.json"), "w") as f:
            f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(s)}" for k, s in shapes.items()) + "\n}\n")
        weights.write_model(name, tmp, weights.GUIDE)
        G.manual_seed(7)
        model = auto.from_pretrained(tmp, dtype=torch.float32, attn_implementation="eager").eval()
        calls = record(model)
        if name in TOKENIZERS:
            write_generated(name, folder, model, calls)
    out = {}
    for step, (method, ins, outs) in enumerate(calls):
        out.update({f"s{step}.{method}.{kind}{i}": t.clone().contiguous() for kind, ts in (("in", ins), ("out", outs)) for i,
                    t in enumerate(ts)})
    save_file(out, os.path.join(folder, "golden.safetensors"))
    print(name, sum(t.numel() for t in out.values()), "values", flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or TABLE:
        write(each)
