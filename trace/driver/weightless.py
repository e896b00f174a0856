"""A model whose parameters are leaves of the graph without a file behind them: names, shapes and types follow from the config.

For `etch check`: such a graph traces, lowers and has the same sizes as that of a checkpoint; only its numbers are not there.
"""
import functools
import os

from etch_trace.report import note

FILE = "model.safetensors"  # the name that leaves carry

wanted = False  # the job asks for it where a folder has no weights


def needed(folder):
    from etch_trace import gguf_file

    return wanted and not gguf_file.given() and not any(name.endswith(".safetensors") for name in os.listdir(folder))


def build(cls, config, *, trust_remote_code=False, **kwargs):
    """`cls`: an auto class, or a model class itself."""
    from transformers import initialization

    make = functools.partial(cls.from_config, trust_remote_code=trust_remote_code) if hasattr(cls, "from_config") else cls._from_config
    with initialization.no_init_weights():  # nothing that would be overwritten anyway is recorded
        model = make(config, **kwargs)
    model.tie_weights()  # the context above leaves that out too
    _replace(model)
    import safetensors

    if safetensors.packing is not None:
        note("the config says that the weights are quantized; without them, sizes are those of plain weights under the flags given")
    return model


def _leaf(key, tensor):
    from torch import _C

    return _C.file_tensor(FILE, key, tensor.dtype, [int(n) for n in tensor.shape])


def _replace(model):
    """Tied parameters stay one object, under the first of their names."""
    import torch

    stored, done = set(model.state_dict()), {}
    for path, module in model.named_modules():
        for table in (module._parameters, module._buffers):
            for key, tensor in table.items():
                name = f"{path}.{key}" if path else key
                if tensor is None or (table is module._buffers and name not in stored):
                    continue  # computed by the model itself
                if id(tensor) not in done:
                    leaf = _leaf(name, tensor)
                    if table is module._parameters:
                        leaf = torch.nn.Parameter(leaf, requires_grad=False)
                    done[id(tensor)] = leaf, tensor
                table[key] = done[id(tensor)][0]
