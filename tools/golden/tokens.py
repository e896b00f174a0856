"""Writes tok/testdata/*.json (small tokenizers of every kind) and tok/testdata/cases.txt: what the tokenizers library says of them.

Run where `tokenizers`, `sentencepiece` and `protobuf` are installed: python tools/golden/tokens.py [NAME ...] (those alone). cases.txt
has a line a case:
FILE <tab> special 0|1 <tab> text as hex <tab> ids <tab> decoded text (special tokens skipped) as hex
"""
import io
import json
import os
import random
import sys
import tempfile

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

here = os.path.join(os.path.dirname(__file__), "..", "..", "tok", "testdata")
TEXT = [
    "In the beginning God created the heaven and the earth. And the earth was without form, and void;",
    "and darkness was upon the face of the deep. 1234 5678, 3.14159! Don't, won't, we've, I'm, they'll",
    "Größe Straße naïve café Ünïcödé ÀÉÎ  double  spaces\n\nnew\tlines   \n",
    "你好，世界。 日本語のテキスト 한국어 텍스트 🙂🙃 emoji 👩‍👩‍👧 — dashes… “quotes”",
    "def f(x):\n    return x ** 2  # comment\n", "ABC abc AbC İstanbul ΣΑΣ", "x", " lead", "trail ", "a" * 70,
]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_bpe():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=420, special_tokens=["<s>", "</s>"], show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def split_bpe():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                               pre_tokenizers.ByteLevel(False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=400, special_tokens=["<|begin|>"], show_progress=False,
                                                    initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_tokens([AddedToken("<think>", normalized=False), AddedToken("  ", normalized=False)])
    return t


def fallback_bpe():
    """SentencePiece style: metaspace by normalizer, no segmentation, byte fallback."""
    base = Tokenizer(models.BPE())
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    base.train_from_iterator(TEXT[:2], trainers.BpeTrainer(vocab_size=150, show_progress=False))
    j = json.loads(base.to_str())
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab.update({f"<0x{b:02X}>": 3 + b for b in range(256)})
    for tok in sorted(j["model"]["vocab"], key=j["model"]["vocab"].get):
        vocab.setdefault(tok, len(vocab))
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in j["model"]["merges"]]
    t = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = base.normalizer
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    random.seed(0)
    t.train_from_iterator(TEXT * 3, trainers.UnigramTrainer(vocab_size=220, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
                                                            show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return t


RULES = {"\ufb01": "fi", "\u2460": "1", "\uff12": "2", "e\u0301": "\u00e9", "\u2026": "...", "\t": " ", "\n": " ", "\r": "", "\u200b": "",
         "o": "0", "o\u0301": "\u00f3", "lea": "LEA", "\u00a0": " ", "\u4f60": "\u597d\u597d",
         "\U0001f469": "w", "\U0001f680": "\U0001f681!"}


def charsmap():
    """Texts that become others by a table of sentencepiece, some of them the beginnings of others; letters are all that is left."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as f:
        for text, to in RULES.items():
            f.write("\t".join(" ".join(f"{ord(c):04X}" for c in part) for part in (text, to)) + "\n")
        f.flush()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXT * 9), model_writer=model, vocab_size=200, minloglevel=2,
                                                 hard_vocab_limit=False, character_coverage=0.98, normalization_rule_tsv=f.name)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    vocab = [("<unk>", 0.0)] + [(c, -1.0 - i) for i, c in enumerate(sorted({"\u2581", *"".join(TEXT), *"".join(RULES.values())} - {" "}))]
    t = Tokenizer(models.Unigram(vocab, unk_id=0))
    t.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Metaspace()
    return t


def wordpiece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=260, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                                          show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def main():
    os.makedirs(here, exist_ok=True)
    cases, names = os.path.join(here, "cases.txt"), sys.argv[1:]
    lines = [line for line in open(cases).read().splitlines() if names and line.split(".json")[0] not in names]
    extra = ["", " ", "Hello, world!", "The [MASK] of France.<s>x</s> <think>ok</think>  two", "unseen: ßđŋ ħ ₤ \U0001F680",
             "\u0301combining e\u0301",
             "ﬁ ligature ① ２", "o\u0301o lea\u00a0\u0301 le\u0301a \u2026\u200d", "tabs\t\tand\r\nCRLF", "9876543210"]
    for make in (byte_bpe, split_bpe, fallback_bpe, unigram, wordpiece, charsmap):
        if names and make.__name__ not in names:
            continue
        t = make()
        t.save(os.path.join(here, make.__name__ + ".json"), pretty=False)
        for text in TEXT + extra:
            for special in (0, 1):
                ids = t.encode(text, add_special_tokens=bool(special)).ids
                back = t.decode(ids, skip_special_tokens=True)
                lines.append("\t".join([make.__name__ + ".json", str(special), text.encode().hex(), " ".join(map(str, ids)),
                                        back.encode().hex()]))
    open(cases, "w").write("\n".join(lines) + "\n")


main()
