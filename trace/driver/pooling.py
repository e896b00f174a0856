"""How the hidden states of a text become one vector: the modules that a sentence-transformers folder lists behind the model
(modules.json)."""
import json
import os

from etch_trace.report import TraceError, note


def _json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError, RecursionError) as error:
        raise TraceError(f"{path} cannot be read: {error}") from None


def read(folder):
    """[step name] in order: "mean", "cls", "lasttoken", "max", then perhaps "normalize". [] when the folder says nothing, or asks for what
    is not known (a note then)."""
    path = os.path.join(folder, "modules.json")
    if not os.path.isfile(path):
        return []
    steps = []
    modules = _json(path)
    try:
        for module in modules:
            kind = module["type"].rsplit(".", 1)[-1]
            if kind == "Pooling":
                given = _json(os.path.join(folder, module["path"], "config.json"))
                modes = [key.removeprefix("pooling_mode_") for key, on in given.items() if key.startswith("pooling_mode_") and on is True]
                mode = {"mean_tokens": "mean", "cls_token": "cls", "lasttoken": "lasttoken",
                        "max_tokens": "max"}.get(modes[0] if len(modes) == 1 else "")
                if mode is None:
                    note(f"no sentence_embedding: the pooling {' + '.join(modes) or 'of the folder'} is not known")
                    return []
                steps.append(mode)
            elif kind == "Normalize":
                steps.append("normalize")
            elif kind != "Transformer":
                note(f"no sentence_embedding: the folder's modules.json has a {kind} module")
                return []
    except (TypeError, KeyError, AttributeError):
        raise TraceError(f"{path} is not a list of modules with type and path") from None
    return steps if steps and steps[0] != "normalize" else []


def apply(steps, states, mask):
    """states [1, S, D], mask [1, S] of 1 (a token) and 0 -> [1, D]."""
    import torch

    out = states
    for step in steps:
        weights = mask[:, :, None].to(states.dtype)
        if step == "mean":
            out = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        elif step == "cls":
            out = states[:, 0]
        elif step == "max":
            out = states.masked_fill(mask[:, :, None] == 0, torch.finfo(states.dtype).min).amax(1)
        elif step == "lasttoken":
            last = (mask * torch.arange(1, states.shape[1] + 1)).argmax(1)  # the last one that is not padding
            out = states.index_select(1, last)[:, 0]
        else:
            out = torch.nn.functional.normalize(out, dim=-1)
    return out
