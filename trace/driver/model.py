"""Building a model from a folder through transformers' auto classes, and naming what is in it."""
import os

from etch_trace import custom_code, gguf_file, prequantized, weightless
from etch_trace.report import TraceError

DTYPES = ("float32", "float16", "bfloat16")




def read_config(folder):
    import json

    import transformers

    if gguf_file.given() and not os.path.isfile(os.path.join(folder, "config.json")):
        return gguf_file.config(folder)
    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            raw = json.load(f)
        if not isinstance(raw, dict):
            raise ValueError("not an object")
    except (ValueError, OSError, RecursionError) as error:
        raise TraceError(f"{folder}/config.json cannot be read: {error}") from None
    kind = raw.get("model_type")
    if kind is None:
        raise TraceError(f"{folder}/config.json names no model_type")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if not custom_code.check(folder, raw, kind in CONFIG_MAPPING) and kind not in CONFIG_MAPPING:
        raise TraceError(f"architecture '{kind}' is unknown to transformers {transformers.__version__}; a newer release may know it",
                         kind="unsupported")
    import safetensors

    safetensors.packing = None if gguf_file.given() else prequantized.packing(folder, raw)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=custom_code.trusted)
    except (ValueError, TypeError, KeyError) as error:
        raise TraceError(f"{folder}/config.json is not valid for '{kind}': {' '.join(str(error).split())}") from None
    prequantized.strip(config)
    return config


def _weights_present(folder):
    names = os.listdir(folder)
    if any(n.endswith(".safetensors") for n in names):
        return
    pickled = [n for n in names if n.endswith((".bin", ".pt", ".pth"))]
    if pickled:
        raise TraceError(f"{folder} holds its weights as {pickled[0]}; etch reads safetensors only (save the model again with "
                         f"save_pretrained)", kind="unsupported")
    raise TraceError(f"{folder} has a config but no weights (*.safetensors)", kind="not_found")


def load(auto_class, folder, config, task, *, dtype="float32", **kwargs):
    """A model in eval mode whose parameters are leaves of the graph. `auto_class` is the name of a transformers auto class."""
    import transformers

    auto = getattr(transformers, auto_class)
    if type(config) not in auto._model_mapping and not custom_code.provides(config, auto_class):
        raise TraceError(f"a model of type '{config.model_type}' does not do the task {task} (it is not in transformers' {auto_class})",
                         kind="unsupported")
    return load_class(auto, folder, config, dtype=dtype, **kwargs)


def load_class(auto, folder, config, *, dtype="float32", **kwargs):
    """The same for any class that has from_pretrained."""
    import safetensors
    import torch

    if dtype not in DTYPES:
        raise TraceError(f"dtype '{dtype}' is not one of {', '.join(DTYPES)}", kind="usage")
    from_config = weightless.needed(folder)
    if not from_config and not gguf_file.given():
        _weights_present(folder)
    safetensors.root = folder
    # The library's default loops over the experts that were hit, which depends on the data; this form gathers the weights of the chosen
    # experts.
    kwargs.setdefault("experts_implementation", "batched_mm")
    attempts = [kwargs] if "attn_implementation" in kwargs else [{**kwargs, "attn_implementation": "sdpa"},
                                                                 {**kwargs, "attn_implementation": "eager"}]
    for i, extra in enumerate(attempts):
        try:
            if from_config:
                model, loaded = weightless.build(auto, config, dtype=getattr(torch, dtype), trust_remote_code=custom_code.trusted,
                                                 **extra), {}
                break
            with gguf_file.loading() as source:
                model, loaded = auto.from_pretrained(folder, config=config, dtype=getattr(torch, dtype), local_files_only=True,
                                                     trust_remote_code=custom_code.trusted, output_loading_info=True,
                                                     ignore_mismatched_sizes=True,
                                                     **source, **extra)
            break
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error) or i + 1 == len(attempts):
                raise
    _check_sizes(loaded.get("mismatched_keys"), os.path.isfile(os.path.join(folder, "config.json")))
    gguf_file.finish(model, folder)
    model.eval()
    name(model)
    _missing.update(loaded.get("missing_keys") or ())
    return model


def _check_sizes(mismatched, has_config):
    if mismatched:
        key, stored, wanted = sorted(mismatched)[0]
        hint = "" if has_config else ("; the configuration is what transformers makes of the GGUF file's metadata: put the model's "
                                      "config.json into the folder")
        raise TraceError(f"the checkpoint does not fit the configuration: {key} is {list(stored)} in the file, {list(wanted)} in the "
                         f"model{hint}")


_missing = set()  # parameters that the checkpoint lacks: the library fills them with random numbers


def check_weights(text):
    """Such a parameter may be unused by the task (a pooler); one that the graph needs is an error. `text` is the printed graph."""
    needed = sorted(key for key in _missing if f'fqn "{key}"'.encode() in text)
    if needed:
        more = f" and {len(needed) - 4} more" if len(needed) > 4 else ""
        raise TraceError(f"the checkpoint lacks weights that the model needs: {', '.join(needed[:4])}{more}")


def name(model, prefix=""):
    """State-dict names on parameters and buffers (tied ones get their first name), module paths for the nodes that modules record."""
    from torch import _C

    for key, tensor in model.named_parameters(prefix=prefix):
        _C.mark_fqn(tensor, key)
    for key, tensor in model.named_buffers(prefix=prefix):
        _C.mark_fqn(tensor, key)
    for path, module in model.named_modules(prefix=prefix):
        module.__dict__.setdefault("_etch_path", path)
