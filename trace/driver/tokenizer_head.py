"""A tokenizer's folder without the vocabulary: enough for what transformers says of a tokenizer beside ids (its special tokens, its chat
template), without the time and memory that 100,000 tokens and their merges cost.

In: a folder with tokenizer.json. Out: a folder in the scratch folder, in which the model of tokenizer.json knows the added tokens only. The
file is read up to its vocabulary.
"""
import json
import os
import shutil

_FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
          "chat_template.json")
_TEMPLATES = "chat_templates"
_space = json.decoder.WHITESPACE.match
_value = json.JSONDecoder().raw_decode


def _members(text, at, stop):
    """({member: value} of the object at text[at] up to the member `stop`, where that one's value begins)."""
    found, wanted = {}, "{"
    while True:
        at = _space(text, at).end()
        if text[at] != wanted:
            raise ValueError(f"no '{stop}'")
        key, at = _value(text, _space(text, at + 1).end())
        at = _space(text, at).end()
        if text[at] != ":":
            raise ValueError("no value")
        at = _space(text, at + 1).end()
        if key == stop:
            return found, at
        found[key], at = _value(text, at)
        wanted = ","


def _read(path):
    """(the members before the model, those of the model before the vocabulary, whether that is a list)."""
    with open(path, encoding="utf-8") as f:
        text = ""
        while True:
            more = f.read(max(len(text), 1 << 20))
            text += more
            try:
                head, at = _members(text, 0, "model")
                model, at = _members(text, at, "vocab")
                return head, model, text[at] == "["
            except (ValueError, IndexError):
                if not more:
                    raise ValueError("no vocabulary") from None


def _small(path):
    """tokenizer.json with the added tokens alone."""
    head, model, is_list = _read(path)
    tokens = {token["content"]: token["id"] for token in head["added_tokens"]}
    if is_list:
        vocab = [[content, 0.0] for content in tokens] or [["?", 0.0]]
        model["unk_id"] = 0
    else:
        vocab = dict(tokens)
        if isinstance(model.get("unk_token"), str):
            vocab.setdefault(model["unk_token"], max(vocab.values(), default=-1) + 1)
    return {**head, "model": {**model, "vocab": vocab, **({"merges": []} if model.get("type") == "BPE" else {})}}, tokens


def copy(folder, scratch):
    """(the copy, {id: content of an added token}); ValueError, KeyError or OSError where that cannot be."""
    content, tokens = _small(os.path.join(folder, "tokenizer.json"))
    out = os.path.join(scratch, "tokenizer")
    os.makedirs(out)
    for name in _FILES:
        if os.path.isfile(os.path.join(folder, name)):
            shutil.copyfile(os.path.join(folder, name), os.path.join(out, name))
    if os.path.isdir(os.path.join(folder, _TEMPLATES)):
        shutil.copytree(os.path.join(folder, _TEMPLATES), os.path.join(out, _TEMPLATES), copy_function=shutil.copyfile)
    with open(os.path.join(out, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(content, f)
    return out, {i: token for token, i in tokens.items()}
