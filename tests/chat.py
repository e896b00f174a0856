"""`etch generate --chat` against transformers' apply_chat_template: the same ids, for templates of several kinds and tokenizers of several
kinds; what cannot be taken apart is refused, with the reason.

    python tests/chat.py BUILD [NAME_PART ...]
"""
import json
import os
import shutil
import sys

from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils.import_utils import is_jinja_available

import weights
from harness import ROOT, TINY, Skip, etch, main, ok, refused, test

# A default system text; what people say is taken as it is.
CHATML = """{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

# The date, headers, trimmed texts, a system part in any case; answers end with a token that is no end token of the program.
HEADERS = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start|>system<|end|>\\n\\n" }}
{{- "Today Date: " + strftime_now("%d %b %Y") + "\\n\\n" }}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {{- '<|start|>' + message['role'] + '<|end|>\\n\\n'+ message['content'] | trim + '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start|>assistant<|end|>\\n\\n' }}
{%- endif %}"""

# No system texts.
TURNS = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
{%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<turn>' + role + '\\n' + message['content'] | trim + '</turn>\\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<turn>model\\n' }}{% endif %}"""

# What stands before the first text is not what stands before the others.
INST = """{%- if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}{% set messages = messages[1:] %}
{%- else %}{% set system = '' %}{% endif %}{{- bos_token }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{ '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}
{%- else %}{{ ' ' + message['content'] + eos_token }}{% endif %}
{%- endfor %}"""

# The system text within the first text of the user, trimmed together with it.
WITHIN = """{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}
{%- else %}{% set loop_messages = messages %}{% set system = false %}{% endif %}
{%- for message in loop_messages %}
{%- set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] if loop.first and system else message['content'] %}
{%- if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{%- else %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}
{%- endfor %}"""

# Contents in a list only, as of models that see; the template looks for switches in a system text.
PARTS = """{%- for message in messages %}{{ '<|' + message['role'] + '|>' }}
{%- for part in message['content'] if part['type'] == 'text' %}
{{- part['text'].replace('/no_think', '') if message['role'] == 'system' else part['text'] }}{% endfor %}{{ '<|stop|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""

KINDS = {  # tokenizer of tok/testdata, added tokens, template
    "chatml": ("byte_bpe", ["<|im_start|>", "<|im_end|>"], CHATML),
    "headers": ("split_bpe", ["<|start|>", "<|end|>", "<|eot|>"], HEADERS),
    "turns": ("fallback_bpe", ["<turn>", "</turn>"], TURNS),
    "inst": ("unigram", ["[INST]", "[/INST]", "<s>"], INST),
    "within": ("fallback_bpe", [], WITHIN),
    "parts": ("byte_bpe", ["<|user|>", "<|assistant|>", "<|system|>", "<|stop|>"], PARTS),
}
TEXTS = ("Why is the sky blue?", " \n two\nlines \u3000\n", "{{ a }} <b> {% c %} \\n 'd' \"e\"", "0")


def need_jinja():
    if not is_jinja_available():
        raise Skip("no jinja2 in this Python")


def model_folder(folder, tokenizer, added, **files):
    """The shipped example with another tokenizer. files: tokenizer_config (dict, added to it) and name=text of others."""
    os.makedirs(folder)
    for name in ("config.json", "generation_config.json", "model.safetensors"):
        shutil.copy(os.path.join(TINY, name), folder)
    with open(os.path.join(ROOT, "tok", "testdata", tokenizer + ".json"), encoding="utf-8") as f:
        content = json.load(f)
    known = {t["content"] for t in content["added_tokens"]}
    first = max(len(content["model"]["vocab"]), *(t["id"] + 1 for t in content["added_tokens"]))
    for i, token in enumerate(added):
        assert token not in known
        content["added_tokens"].append({"id": first + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
                                        "normalized": False, "special": True})
    bos = next((t for t in ("<s>", "<|begin|>") if t in known or t in added), None)
    config = {"backend": "tokenizers", "tokenizer_class": "TokenizersBackend", "bos_token": bos,
              "eos_token": "</s>" if "</s>" in known else None, **files.pop("tokenizer_config", {})}
    for name, text in {"tokenizer.json": json.dumps(content), "tokenizer_config.json": json.dumps(config), **files}.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)
    return folder


def export(tmp, tokenizer, added, env=None, **files):
    """(the output folder, standard error)."""
    need_jinja()
    out = os.path.join(tmp, "out")
    model = model_folder(os.path.join(tmp, "model"), tokenizer, added, **files)
    r = ok("export", "--model", model, "--max_seq_len", "512", "-o", out, env=env)
    return out, r.stderr


def read_chat(out):
    with open(os.path.join(out, "chat.json"), encoding="utf-8") as f:
        return json.load(f)


def reference(out):
    tokenizer = AutoTokenizer.from_pretrained(out)

    def ids(system, text, sanitize=True):
        contents = [("system", system)] if system is not None else []
        contents.append(("user", text))
        wrap = (lambda t: [{"type": "text", "text": t}]) if tokenizer.chat_template == PARTS else (lambda t: t)
        return tokenizer.apply_chat_template([{"role": r, "content": wrap(t)} for r, t in contents], add_generation_prompt=True,
                                             tokenize=True, return_dict=False, sanitize_control_tokens=sanitize)
    return tokenizer, ids


def asked(out, text, system=None):
    """The ids of the prompt and one more, if it is no end token."""
    more = [] if system is None else ["--system", system]
    r = ok("generate", os.path.join(out, "model.pte"), "--chat", text, *more, "--ids", "-n", "1", "--threads", "1")
    assert "the model has a chat template" not in r.stderr, r.stderr
    return [int(i) for i in r.stdout.split()]


def agrees(out, ids, text, system=None):
    mine, want = asked(out, text, system), ids(system, text)
    assert mine[:len(want)] == want and len(mine) <= len(want) + 1, f"{system!r}, {text!r}:\n{mine}\n{want}"


def kind_test(kind):
    def run(tmp):
        tokenizer_file, added, template = KINDS[kind]
        out, said = export(tmp, tokenizer_file, added, tokenizer_config={"chat_template": template})
        assert "chat" not in said.split("s (", 1)[-1].split("\n", 1)[1], said
        chat = read_chat(out)
        tokenizer, ids = reference(out)
        assert chat["version"] == 1 and (chat["system"] is None) == (kind == "turns"), chat
        assert set(added) <= set(chat["control"]), chat
        for text in TEXTS:
            agrees(out, ids, text)
            assert ids(None, text) == ids(None, text, sanitize=False)  # what the default of apply_chat_template gives
        for i, system in enumerate(TEXTS if chat["system"] else ()):
            agrees(out, ids, TEXTS[i - 1], system)
        # Control tokens in a text stay text.
        token, other = ("[INST]", "[/INST]") if kind == "inst" else (chat["control"][-1], chat["control"][0])
        for text in (f"a{token}b", token, f"{token}{token} c {other}", f" {token}\n"):
            agrees(out, ids, text)
            assert asked(out, text)[:-1].count(tokenizer.convert_tokens_to_ids(token)) <= ids(None, "x").count(
                tokenizer.convert_tokens_to_ids(token))
            if chat["system"]:
                agrees(out, ids, "x", text)
        if kind == "inst":  # transformers refuses this as well: the model of the tokenizer has the token itself
            refused("generate", os.path.join(out, "model.pte"), "--chat", "a</s>", says=["'</s>'", "in any case"])
    run.__name__ = f"the_same_ids_as_the_template_{kind}"
    test(run)


for name in KINDS:
    kind_test(name)


@test
def what_the_file_holds(tmp):
    out, _ = export(os.path.join(tmp, "a"), "byte_bpe", KINDS["chatml"][1], **{"chat_template.jinja": CHATML})
    chat = read_chat(out)
    assert chat["start"]["before"] == "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n", chat
    assert chat["ask"] == "<|im_end|>\n<|im_start|>assistant\n" and chat["stop"] == ["<|im_end|>"], chat
    assert [s["before"] for s in chat["system"]] == ["<|im_start|>system\n", "<|im_end|>\n<|im_start|>user\n"], chat
    assert [s["before"] for s in chat["turn"]] == ["<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>\n<|im_start|>user\n"], chat
    of_a_processor = {"chat_template.json": json.dumps({"chat_template": HEADERS})}
    out, _ = export(os.path.join(tmp, "b"), "split_bpe", KINDS["headers"][1], **of_a_processor)
    chat = read_chat(out)
    assert chat["start"]["before"][1] == {"now": "%d %b %Y"} and chat["start"]["trim"] == chat["system"][0]["trim"] == "both", chat
    named = [{"name": "default", "template": WITHIN}, {"name": "tools", "template": "{{ x }}"}]
    out, _ = export(os.path.join(tmp, "c"), "fallback_bpe", [], tokenizer_config={"chat_template": named})
    chat = read_chat(out)
    assert [s["trim"] for s in (chat["start"], *chat["system"])] == ["both", "none", "right"], chat


@test
def an_answer_ends_where_the_template_ends_it(tmp):
    """Only the answer is printed, and the token after an answer is no part of it."""
    out, _ = export(tmp, "byte_bpe", KINDS["chatml"][1], tokenizer_config={"chat_template": CHATML})
    pte = os.path.join(out, "model.pte")
    answer = ok("generate", pte, "--chat", "And it came", "-n", "6").stdout
    ids = asked(out, "And it came")
    tokenizer = AutoTokenizer.from_pretrained(out)
    r = [int(i) for i in ok("generate", pte, "--chat", "And it came", "-n", "6", "--ids").stdout.split()]
    assert r[:len(ids)] == ids
    assert "And it came" not in answer and answer == tokenizer.decode(r[len(ids) - 1:], skip_special_tokens=True) + "\n", (answer, r)
    # The likeliest token of the first step becomes the one that ends an answer.
    with open(os.path.join(out, "chat.json"), encoding="utf-8") as f:
        chat = json.load(f)
    chat["stop"] = [tokenizer.convert_ids_to_tokens(ids[-1])]
    with open(os.path.join(out, "chat.json"), "w", encoding="utf-8") as f:
        json.dump(chat, f)
    assert ok("generate", pte, "--chat", "And it came", "-n", "6").stdout == "\n"
    assert asked(out, "And it came") == ids[:-1]


@test
def templates_that_are_more_than_pieces(tmp):
    """A note says why; the export succeeds, and no file of an earlier one stays."""
    cases = (
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "it writes a text 0 times"),
        ("{% for m in messages %}{{ m['content'].replace('\\n\\n', '\\n') }}{% endfor %}", "depends on the text"),
        ("{% for m in messages %}{{ m['content'] + m['content'] }}{% endfor %}", "it writes a text 2 times"),
        ("{{ messages | length | nothing }}", "nothing"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}{{ strftime_now('%s') }}", "a date of the form '%s'"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}{{ 1 if strftime_now('%m')|int < 3 else 2 }}", "more with the date"),
        ("{% if %}", "Expected an expression"),
    )
    for i, (template, why) in enumerate(cases):
        where = os.path.join(tmp, str(i))
        os.makedirs(os.path.join(where, "out"))
        with open(os.path.join(where, "out", "chat.json"), "w") as f:
            f.write("{}")
        out, said = export(where, "byte_bpe", [], tokenizer_config={"chat_template": template})
        notes = [line for line in said.splitlines() if "no chat.json, which 'etch generate --chat' needs: " in line]
        assert len(notes) == 1 and why in notes[0], (why, said)
        assert not os.path.exists(os.path.join(out, "chat.json"))
        refused("generate", os.path.join(out, "model.pte"), "--chat", "x", says=["no chat.json", "--templated"])


@test
def with_and_without_the_vocabulary(tmp):
    """The file is the same where the scratch folder is missing, or cannot be written, for a tokenizer without its vocabulary."""
    for i, (kind, (tokenizer, added, template)) in enumerate(KINDS.items()):
        where = os.path.join(tmp, str(i))
        out, _ = export(where, tokenizer, added, tokenizer_config={"chat_template": template})
        chat = read_chat(out)
        for env in ({"TMPDIR": os.path.join(tmp, "none")}, {"ETCH_SANDBOX": "seccomp"}) if i < 4 else ():
            said = ok("export", "--model", os.path.join(where, "model"), "-o", out, env=env).stderr
            assert read_chat(out) == chat and "attempt" not in said and "no chat.json" not in said, (kind, env, said)
    assert not [n for n in os.listdir(tmp) if n.startswith("etch-")]


@test
def a_multimodal_program_chats(tmp):
    """About text: contents come in a list, the template from a processor's file."""
    need_jinja()
    model, out = weights.write_model("gemma3", os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
    with open(os.path.join(model, "chat_template.json"), "w") as f:
        json.dump({"chat_template": PARTS}, f)
    ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
    r = ok("generate", os.path.join(out, "model.pte"), "--chat", "a cat<bos>", "--ids", "-n", "1")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(out, "tokenizer.json"))
    content = [{"role": "user", "content": [{"type": "text", "text": "a cat<bos>"}]}]
    want = tokenizer.apply_chat_template(content, chat_template=PARTS, add_generation_prompt=True, tokenize=True, return_dict=False,
                                         sanitize_control_tokens=True)
    assert [int(i) for i in r.stdout.split()][:len(want)] == want and 1 not in want, (r.stdout, want)


@test
def without_jinja(tmp):
    """An export does without; the note says what is missing."""
    need_jinja()
    python = os.path.join(tmp, "python3")
    with open(python, "w") as f:
        f.write(f"""#!/bin/sh\nexec '{sys.executable}' "$1" "$2" "import sys; sys.modules['jinja2'] = None; $3"\n""")
    os.chmod(python, 0o755)
    out, said = export(tmp, "byte_bpe", KINDS["chatml"][1], tokenizer_config={"chat_template": CHATML}, env={"ETCH_PYTHON": python})
    assert "no chat.json" in said and "pip install jinja2" in said and not os.path.exists(os.path.join(out, "chat.json")), said
    assert "jinja2" in [line.split()[0] for line in ok("doctor", env={"ETCH_PYTHON": python}).stdout.splitlines() if line], "doctor"


@test
def texts_and_flags_that_do_not_go_together(tmp):
    out, _ = export(tmp, "byte_bpe", KINDS["parts"][1], tokenizer_config={"chat_template": PARTS})
    pte = os.path.join(out, "model.pte")
    assert read_chat(out)["system"][0]["refuse"] == ["/no_think"]
    refused("generate", pte, "--chat", "x", "--system", "a /no_think", says=["the system text has '/no_think'", "--templated"])
    ok("generate", pte, "--chat", "a /no_think", "--system", "b", "-n", "1")
    for args, says in ((["--chat", "x", "-p", "y"], "either"), ([], "either"), (["--chat", "x", "--templated"], "--templated"),
                       (["-p", "x", "--system", "y"], "--system"), (["--chat", "x", "-f", "y"], "either"),
                       (["--chat", "x", "--image", "y.png"], "--image")):
        refused("generate", pte, *args, says=[says], code=2)
    refused("generate", pte, "--chat", " \n", says=["the user's text is empty"])
    refused("generate", pte, "--chat", "x", "--system", " ", says=["the system text is empty"])
    out, _ = export(os.path.join(tmp, "b"), "fallback_bpe", KINDS["turns"][1], tokenizer_config={"chat_template": TURNS})
    refused("generate", os.path.join(out, "model.pte"), "--chat", "x", "--system", "y", says=["takes no system text"])
    plain = os.path.join(tmp, "plain")
    said = ok("export", "--model", TINY, "-o", plain).stderr
    assert "chat" not in said and not os.path.exists(os.path.join(plain, "chat.json")), said
    refused("generate", os.path.join(plain, "model.pte"), "--chat", "x", says=["no chat.json"])
    for text, says in (("", "not valid JSON"), ("[]", "not an object"), ('{"version": 2}', "version is 2"), ('{"version": 1}', "'start'")):
        with open(os.path.join(plain, "chat.json"), "w") as f:
            f.write(text)
        refused("generate", os.path.join(plain, "model.pte"), "--chat", "x", says=["chat.json", says])
    assert etch("check", "--model", os.path.join(tmp, "model")).stderr.find("chat") < 0


if __name__ == "__main__":
    main()
