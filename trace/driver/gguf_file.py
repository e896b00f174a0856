"""--gguf_file: weights, and where the folder has no config.json the configuration, from a GGUF file.

transformers knows how names, shapes and row orders of each architecture map to its own; its functions run unmodified over leaves. What is
replaced in the process (not in the package) is what would read bytes: the gguf package's reader and its dequantisation, and the library's
own newer forms.
"""
import contextlib
import functools
import os

from etch_trace.report import TraceError, note


class _State:
    path = None    # absolute; None: the weights are safetensors
    file = None    # its name in the graph, relative to the model folder
    header = None


def begin(folder, path):
    if path is None:
        return
    _State.path = os.path.abspath(path)
    _State.file = os.path.relpath(_State.path, folder)


def given():
    return _State.path is not None


def _reader(path=None, *args, **kwargs):
    from etch_trace.gguf_reader import Reader

    if _State.header is None:
        _State.header = Reader(_State.path)
    return _State.header


def _dequantized(tensor):
    """f32, recorded: the leaf of plain elements cast, or blocks through their operator."""
    import torch

    leaf, block = tensor.leaf(_State.file), tensor.block()
    return leaf.to(torch.float32) if block is None else torch.ops.etch.dequantize_blocks(leaf, type=block)


def _array(data, tensor_type):
    """In the place of gguf.dequantize."""
    from etch_trace.file_array import FileArray

    return FileArray(_dequantized(data))


def _state_dict(header):
    """In the place of integrations.gguf.reader.load_gguf_state_dict: blocks as u8 rows."""
    return {tensor.name: tensor.leaf(_State.file) for tensor in _reader().tensors}


def _blocks(blocks, ggml_type, rows, cols, dtype, indices=None):
    """In the place of integrations.gguf.kernels.dequantize_blocks."""
    import gguf
    import torch

    return torch.ops.etch.dequantize_blocks(blocks, type=gguf.GGMLQuantizationType(ggml_type).name).to(dtype)


def _from_numpy(original):
    from etch_trace.file_array import FileArray

    return lambda array: array.tensor if isinstance(array, FileArray) else original(array)


@contextlib.contextmanager
def _replaced():
    """The functions above in the places where the library looks for its own."""
    try:
        import gguf
    except ImportError:
        raise TraceError("--gguf_file needs the Python package gguf, from which transformers takes the names of tensors: pip install gguf",
                         kind="not_found") from None
    import torch
    import transformers.modeling_gguf_pytorch_utils as legacy
    import transformers.modeling_utils as modeling

    changes = [(gguf, "GGUFReader", _reader), (gguf, "dequantize", _array), (torch, "from_numpy", _from_numpy(torch.from_numpy)),
               (gguf, "get_tensor_name_map", functools.lru_cache(gguf.get_tensor_name_map)),  # asked for once a module of the model
               # asked for, but not used here
               (legacy, "tqdm", lambda items, **kwargs: items), (modeling, "is_accelerate_available", lambda: True)]
    with contextlib.suppress(ImportError):  # older releases have the first way only
        import transformers.integrations.gguf.gguf_conversion_mapping as mapping
        import transformers.quantizers.quantizer_gguf as quantizer

        changes += [(quantizer, "load_gguf_state_dict", _state_dict), (mapping, "dequantize_blocks", _blocks)]
    before = [(where, name, getattr(where, name)) for where, name, _ in changes]
    try:
        for where, name, value in changes:
            setattr(where, name, value)
        yield
    finally:
        for where, name, value in before:
            setattr(where, name, value)


def _architecture():
    fields = _reader().fields
    if "general.architecture" not in fields:
        raise TraceError(f"{_State.file}: the file does not say which architecture it holds (general.architecture)")
    return bytes(fields["general.architecture"].parts[0]).decode()


def config(folder):
    """From the file's metadata."""
    import transformers

    kind = _architecture()
    try:
        with _replaced():
            made = transformers.AutoConfig.from_pretrained(folder, gguf_file=_State.path, local_files_only=True)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise TraceError(f"{_State.file}: transformers {transformers.__version__} makes no configuration of its architecture '{kind}' "
                         f"({' '.join(str(error).split())}); put the model's config.json into {folder}", kind="unsupported") from None
    note(f"the configuration is what transformers makes of the metadata of {_State.file}; a config.json in the folder would come first")
    return made


@contextlib.contextmanager
def loading():
    """Gives the arguments for from_pretrained; to be called within."""
    if not given():
        yield {"use_safetensors": True}
        return
    with _replaced():
        extra = {}
        with contextlib.suppress(ImportError):
            from transformers import GgufConfig

            extra["quantization_config"] = GgufConfig(dequantize=True)
        try:
            yield {"gguf_file": _State.path, **extra}
        except NotImplementedError as error:
            raise TraceError(f"{_State.file}: {error}", kind="unsupported") from error


def finish(model, folder):
    """What from_pretrained leaves out for GGUF files: generation_config.json, where the folder has one."""
    import transformers

    if given() and os.path.isfile(os.path.join(folder, "generation_config.json")):
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder, local_files_only=True)
