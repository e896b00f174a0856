"""What a trace assumed of sizes (guards), against the sizes that the program may be called with.

In: guards "s0 > 1" with the model's source lines, and the graph's text, which has the range of each symbol. Out: what a user should know.
There is nothing to say where a guard holds for every allowed size, or for all but size 1: code for several tokens was traced, and is taken
for one too (torch.export assumes the same). All guards stand in the report.
"""
import itertools
import re

from etch_trace.report import TraceError

_known = {}  # symbol of a first position -> what holds of it in every call


def start(cache_position, length):
    """The first position of a call of a decoder as a size. The tokens of the call fit into the cache."""
    from torch import _C

    past = _C.item_symbol(cache_position[0], 0, length - 1)
    if not isinstance(past, int):
        _known[repr(past)] = f"{past + cache_position.shape[0]} <= {length}"
    return past


def _code(text):
    return compile(text, "guard", "eval") if re.fullmatch(r"[\w+*%(), <>=!/-]+", text) else None


def _symbols(text):
    return sorted(set(re.findall(r"[A-Za-z_]\w*", text)) - {"min", "max"})


def _values(low, high, dense):
    """Some sizes of a range: the least ones, powers of two and their neighbours, the largest ones."""
    some = set(range(low, min(high, low + dense) + 1)) | {high - 1, high}
    some.update(2**i + d for i in range(40) for d in (-1, 0, 1))
    return sorted(n for n in some if low <= n <= high)


def _calls(text, ranges):
    """Sizes by symbol, those that can occur together: [{symbol: value}]."""
    names = _symbols(text)
    limits = [limit for name, limit in _known.items() if name in names]
    names = sorted(set(names).union(*map(_symbols, limits)) & set(ranges))
    dense = {1: 4096, 2: 100}.get(len(names), 12)
    checks = [_code(limit) for limit in limits if set(_symbols(limit)) <= set(names)]
    for values in itertools.product(*(_values(*ranges[name], dense) for name in names)):
        call = dict(zip(names, values))
        if all(_value(check, call) for check in checks):
            yield call


def _value(code, call):
    return eval(code, {"__builtins__": {}, "min": min, "max": max}, call)


def _exceptions(text, ranges):
    """(calls for which a guard does not hold, whether it fails wherever a text goes on); size 1 apart."""
    code = _code(text)
    if code is None or not set(_symbols(text)) <= set(ranges):
        return [], False
    failing, later, later_failing = [], 0, 0
    for call in _calls(text, ranges):
        fails = not _value(code, call)
        goes_on = any(name in _known and value for name, value in call.items())
        later += goes_on
        later_failing += goes_on and fails
        if fails and not any(value == 1 and name not in _known for name, value in call.items()):
            failing.append(call)
    return failing, later > 0 and later == later_failing


def _example(call, text):
    """The inputs of such a call: "input_ids [1, 128]"."""
    words, left = [], set(call)
    for name, shape in re.findall(r'^%\d+ = input "([^"]+)" : \w+\[([^\]]*)\]', text, re.M):
        if set(_symbols(shape)) & left and set(_symbols(shape)) <= set(call):
            left -= set(_symbols(shape))
            words.append(f"{name} [{', '.join(map(str, _value(_code(f'({shape},)'), call)))}]")
    words += [f"position {call[name]}" for name in sorted(left) if name in _known]
    return " at ".join(words) if words else ", ".join(f"{name} = {value}" for name, value in call.items())


def notes(guards, text):
    """Lines for the user about the guards of a program in text form (bytes). One that would be right for the first call of a text only is
    refused."""
    text = b"\n".join(re.findall(rb"^(?:sym |%\d+ = input ).*$", text, re.M)).decode() if guards else ""
    ranges = {name: (int(low), int(high)) for name, low, high in re.findall(r"^sym (\w+) in \[(-?\d+), (-?\d+)\]", text, re.M)}
    said = []
    for guard, where in guards:
        failing, always = _exceptions(guard, ranges)
        if always:
            raise TraceError(f"{where}: the model computes the first tokens of a text in another way than the later ones (traced with "
                             f"{guard}), and a program has one way: none of the generating tasks can export it (--task feature-extraction "
                             "exports the encoder of an encoder-decoder model)", kind="unsupported")
        if failing:
            example = _example(failing[0], text)
            said.append(f"traced with {guard} (at {where}), which does not hold for {example}: compare there with the model itself")
    more = f" (and {len(said) - 1} more, see report.json)" if len(said) > 1 else ""
    return [said[0] + more] if said else []
