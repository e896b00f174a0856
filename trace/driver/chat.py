"""A model's chat template, taken apart: the texts that it puts around what people say, for runners without a template engine.

In: a folder whose tokenizer files hold a template. Out: chat.json (docs/EXPORTING.md):

    "start":   SLOT                 before the first text of a user: {"before": TEXT, "trim": none | left | right | both, "refuse": [text]}
    "system":  [SLOT, SLOT] | null  with a system text: before that, and before the user's first
    "ask":     TEXT                 after a user's text: the model answers
    "turn":    [SLOT, SLOT] | null  in a longer conversation: before an answer that was given, and before the user's next text
    "stop":    [token]              ends an answer, beside the end tokens of the program
    "control": [token]              what a text must not become

TEXT is a string, or a list of strings and {"now": FORMAT}, the date as strftime writes it. transformers' own apply_chat_template renders
words that stand nowhere else; the pieces are what lies between them. Then the pieces are put together for other conversations, and what
differs in a byte from the template's own output is refused: a text that holds a constant for which the template looks ("refuse"), a system
text, longer conversations, or the template as a whole.
"""
import datetime
import json
import os
import re
import sys

from etch_trace import custom_code, sandbox, tokenizer_head
from etch_trace.report import describe_short, emit, note

_SYSTEM, _USER, _ANSWER, _NEXT = "Etchsystemword", "Etchuserword", "Etchanswerword", "Etchnextword"
_NOW = re.compile("Etchnow([0-9]+)word")
_PAD = " \n\t\xa0\x1f\u2003\u3000 \n"  # all of it white space in Python, and so in Jinja's trim
_TRIMS = {(False, False): "none", (True, False): "left", (False, True): "right", (True, True): "both"}
_TEXTS = ("Why is the sky blue?", " \n two\nlines\n\n ", "{{ a }} {% if b %} {# c #} <|d|> <e> </f> [g] \\n \"h\" 'i'",
          "\na\r\nb \U0001F642 \u3000\n")
_MOST = 16  # constants that a text may not hold; where a template looks for more, it does more than put texts in their places
_DAYS = datetime.datetime(2029, 11, 28, 4, 35, 36), datetime.datetime(2032, 2, 3, 16, 5, 6)  # the last is that of all checks but one


class _Refused(Exception):
    """Why the template, or a part of what it does, cannot be written as pieces."""


class _Clock:
    """In the place of `datetime.datetime` in transformers' template code."""

    def __init__(self, say):
        self.strftime = say

    def now(self):
        return self


def _set_clock(say):
    from transformers.utils import chat_template_utils

    chat_template_utils.datetime = _Clock(say)


class _Template:
    def __init__(self, tokenizer, source):
        self.tokenizer, self.source, self.wrap = tokenizer, source, lambda text: text
        self.formats, self.day = [], None
        _set_clock(self._date)
        probe = "{{ strftime_now('%Y') }}"
        if "strftime_now" in source and self._apply(probe, [{"role": "user", "content": ""}], False) != self._date("%Y"):
            raise _Refused("it writes a date, which cannot be recorded with this version of transformers")

    def set_day(self, day):
        self.day = day
        _set_clock(day.strftime)

    def _date(self, form):
        if form not in self.formats:
            self.formats.append(form)
        return f"Etchnow{self.formats.index(form)}word"

    def _apply(self, source, messages, ask):
        return self.tokenizer.apply_chat_template(messages, chat_template=source, tokenize=False, add_generation_prompt=ask)

    def render(self, system, texts, ask=True):
        """`texts`: of the user and the model in turn."""
        roles = [("system", system)] if system is not None else []
        roles += [(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
        try:
            return self._apply(self.source, [{"role": role, "content": self.wrap(text)} for role, text in roles], ask)
        except Exception as error:
            raise _Refused(f"it fails: {describe_short(error)}") from error

    def text(self, marked):
        """A piece as TEXT."""
        parts = _NOW.split(marked)
        found = [{"now": self.formats[int(part)]} if i % 2 else part for i, part in enumerate(parts)]
        return marked if len(parts) == 1 else [part for part in found if part]


def _cut(text, words):
    """The parts of `text` before, between and after `words`, each of which stands in it once."""
    parts, at = [], 0
    for word in words:
        if text.count(word) != 1:
            raise _Refused(f"it writes a text {text.count(word)} times")
        if text.find(word, at) < 0:
            raise _Refused("it changes the order of the texts")
        parts.append(text[at:text.index(word)])
        at = text.index(word) + len(word)
    return [*parts, text[at:]]


def _take_apart(template, system, texts):
    """(parts as of _cut, the trim of each text)."""
    words = [*([system] if system else []), *texts]

    def parts_of(words):
        return _cut(template.render(*((words[0], words[1:]) if system else (None, words))), names)

    names = words
    parts, trims = parts_of(words), []
    for k, word in enumerate(words):
        padded = parts_of([*words[:k], _PAD + word + _PAD, *words[k + 1:]])
        kept = padded[k] == parts[k] + _PAD, padded[k + 1] == _PAD + parts[k + 1]
        dropped = padded[k] == parts[k], padded[k + 1] == parts[k + 1]
        if not all(a or b for a, b in zip(kept, dropped)) or padded[:k] + padded[k + 2:] != parts[:k] + parts[k + 2:]:
            raise _Refused("it changes the white space of a text in a way of its own")
        trims.append(_TRIMS[dropped])
    return parts, trims


def _slots(template, parts, trims):
    return [{"before": template.text(part), "trim": trim} for part, trim in zip(parts, trims)]


def _put_together(chat, system, texts, say):
    """What a runner does with chat.json (tok/chat.c)."""
    def text(piece):
        return "".join(part if isinstance(part, str) else say(part["now"]) for part in ([piece] if isinstance(piece, str) else piece))

    def slot(s, content):
        content = content.lstrip() if s["trim"] in ("left", "both") else content
        return text(s["before"]) + (content.rstrip() if s["trim"] in ("right", "both") else content)

    first = chat["start"] if system is None else chat["system"][1]
    out = "" if system is None else slot(chat["system"][0], system)
    for i, content in enumerate(texts):
        out += slot(first if i == 0 else chat["turn"][(i + 1) % 2], content)
    return out + text(chat["ask"])


def _agrees(template, chat, system, texts):
    try:
        return template.render(system, texts).encode() == _put_together(chat, system, texts, template.day.strftime).encode()
    except _Refused:
        return False


def _constants(source):
    import jinja2

    found = {token.value for token in jinja2.Environment().lexer.tokenize(source) if token.type == "string" and token.value.strip()}
    return sorted(found, key=lambda c: (len(c), c))


def _refusals(template, chat, constants, conversation):
    """The constants that a text must not hold: conversation(text) gives (system, texts)."""
    found = []
    for c in constants:
        if not any(f in c for f in found) and not all(_agrees(template, chat, *conversation(t)) for t in (c, f"{c} a {c} b {c}")):
            found.append(c)
    if len(found) > _MOST:
        raise _Refused(f"it looks for {len(found)} constants in a text ({', '.join(map(repr, found[:3]))}, ...)")
    return {"refuse": found} if found else {}


def _rotated(k):
    return [_TEXTS[(i + k) % len(_TEXTS)] for i in range(len(_TEXTS))] + [_TEXTS[k]]


def _attempt(make):
    try:
        return make()
    except _Refused:
        return None


def _start(template):
    parts, trims = _take_apart(template, None, [_USER])
    return {"start": _slots(template, parts, trims)[0], "ask": template.text(parts[1]), "system": None, "turn": None}


def _system(template, chat):
    parts, trims = _take_apart(template, _SYSTEM, [_USER])
    if template.text(parts[2]) != chat["ask"]:
        raise _Refused("it asks for the answer in another way")
    return _slots(template, parts, trims)


def _turn(template, chat):
    parts, trims = _take_apart(template, None, [_USER, _ANSWER, _NEXT])
    slots = _slots(template, parts, trims)
    if slots[0] != chat["start"] or template.text(parts[3]) != chat["ask"]:
        raise _Refused("it writes the first text in another way")
    return slots[1:]


def _check_start(template, chat, constants):
    for day in _DAYS:
        template.set_day(day)
        if not _agrees(template, chat, None, [_TEXTS[0]]):
            raise _Refused("it does more with the date than writing it")
    if not all(_agrees(template, chat, None, [text]) for text in _TEXTS):
        raise _Refused("what it does with a text depends on the text")
    chat["start"].update(_refusals(template, chat, constants, lambda text: (None, [text])))


def _check_system(template, chat, constants):
    if not all(_agrees(template, chat, system, [text]) for text in _TEXTS for system in _TEXTS):
        raise _Refused("what it does with a system text depends on the text")
    chat["system"][0].update(_refusals(template, chat, constants, lambda text: (text, ["u"])))
    chat["system"][1].update(_refusals(template, chat, constants, lambda text: ("s", [text])))


def _check_turn(template, chat, constants):
    systems = (None, _TEXTS[2]) if chat["system"] else (None,)
    if not all(_agrees(template, chat, system, _rotated(k)[:n]) for system in systems for k in range(len(_TEXTS)) for n in (3, 5)):
        raise _Refused("what it does with a text depends on the other texts")
    found = _refusals(template, chat, constants, lambda text: (None, [text, "a", "v"]))
    if found.get("refuse") != chat["start"].get("refuse"):
        raise _Refused("what it does with a text depends on what follows")
    chat["turn"][0].update(_refusals(template, chat, constants, lambda text: (None, ["u", text, "v"])))
    chat["turn"][1].update(_refusals(template, chat, constants, lambda text: (None, ["u", "a", text])))


def _control(tokenizer, source):
    """What transformers keeps out of texts when it is asked to (sanitize_control_tokens)."""
    if hasattr(tokenizer, "_get_control_tokens"):
        return sorted(tokenizer._get_control_tokens(source))
    tokens = tokenizer.added_tokens_decoder.values()
    return sorted(t.content for t in tokens if t.special or (t.content in source and not t.content.isspace()))


def _stop(template, control, ends):
    """The control token that the template puts after an answer, if the program does not end there anyway."""
    try:
        after = _cut(template.render(None, [_USER, _ANSWER], ask=False), [_USER, _ANSWER])[2].lstrip()
    except _Refused:
        return []
    token = max((t for t in control if after.startswith(t)), key=len, default=None)
    return [token] if token and token not in ends else []


def pieces(tokenizer, source, ends=()):
    """chat.json of a template. `ends`: the program's end tokens."""
    template = _Template(tokenizer, source)
    constants = _constants(source)
    control = _control(tokenizer, source)
    try:
        chat = _start(template)
    except _Refused:  # a template of models with images may take a list of contents only
        template.wrap = lambda text: [{"type": "text", "text": text}]
        chat = _attempt(lambda: _start(template))
        if chat is None:
            template.wrap = lambda text: text
            chat = _start(template)
    chat["system"] = _attempt(lambda: _system(template, chat))
    chat["turn"] = _attempt(lambda: _turn(template, chat))
    stop = _stop(template, control, ends)
    _check_start(template, chat, constants)
    for name, check in (("system", _check_system), ("turn", _check_turn)):
        if chat[name] is not None and _attempt(lambda: check(template, chat, constants) or True) is None:
            chat[name] = None
    return {"version": 1, **chat, "stop": stop, "control": control}


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            value = json.load(f)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _has_template(folder):
    files = ("chat_template.jinja", "chat_templates", "chat_template.json")
    return any(os.path.exists(os.path.join(folder, name)) for name in files) or bool(
        _read_json(os.path.join(folder, "tokenizer_config.json")).get("chat_template"))


def _source(folder, tokenizer):
    """As transformers finds it; where only a processor has one, that."""
    if tokenizer.chat_template is None:
        found = _read_json(os.path.join(folder, "chat_template.json")).get("chat_template")
        if isinstance(found, str):
            return found
    return tokenizer.get_chat_template()


def _tokenizer(folder):
    """(transformers' tokenizer, {id: added token}); without its vocabulary where that can be."""
    from transformers import AutoTokenizer

    scratch = os.environ.get("ETCH_SCRATCH")
    if scratch and sandbox.scratch_stays_writable() and not custom_code.trusted:
        try:
            small, added = tokenizer_head.copy(folder, scratch)
            return AutoTokenizer.from_pretrained(small, local_files_only=True), added
        except Exception:  # a file, or a class, of another form: all of it then
            pass
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=custom_code.trusted)
    return tokenizer, {i: token.content for i, token in tokenizer.added_tokens_decoder.items()}


def _read(folder, ends):
    from transformers.utils.import_utils import is_jinja_available

    if not is_jinja_available():
        raise ImportError(f"{sys.executable} has no jinja2, with which transformers renders chat templates (pip install jinja2)")
    tokenizer, added = _tokenizer(folder)
    return pieces(tokenizer, _source(folder, tokenizer), [added.get(i) for i in ends])


def tell(folder, metadata):
    """To the parent: the pieces, or a note that says why there are none. Nothing where the folder has no template."""
    if not _has_template(folder):
        return
    emit(stage="chat")
    try:
        emit(chat=_read(folder, metadata.get("get_eos_ids") or ()))
    except Exception as error:
        refused = isinstance(error, _Refused)
        why = f"the chat template cannot be taken apart: {error}" if refused else describe_short(error)
        note(f"no chat.json, which 'etch generate --chat' needs: {why}")
