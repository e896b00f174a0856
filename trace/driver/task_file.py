"""A task of the user's own: `--task-file FILE.py`. The file is a Python module, run in the sandbox, with

    MODEL                     a transformers auto class by name ("AutoModel"), or a model class (a PreTrainedModel) that the file has
    OPTIONS                   {flag: default} of the flags that methods() reads; dtype is always there. Optional
    methods(model, options)   {method: (callable, {input: (dtype, shape)}, [output names])}; the names of outputs are optional
    metadata(model, options)  {constant method: number, text or list of numbers}. Optional

or, in the place of all these, a class Task as the files in this folder's tasks/ have it. A size of a shape is a number or a
torch.export.Dim with min and max.
A callable that is a torch.nn.Module keeps the buffers that it registers itself between calls.
"""
import importlib.util
import os
import sys
import traceback

from etch_trace import metadata, method, model, report
from etch_trace.report import TraceError

CONTRACT = "a task file has MODEL and methods(model, options), or a class Task (docs/EXPORTING.md)"


def _line(error, path):
    """The innermost line of the file that an error went through; None: it did not come from the file."""
    if isinstance(error, SyntaxError) and error.filename and os.path.realpath(error.filename) == path:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if os.path.realpath(frame.filename) == path]
    return lines[-1] if lines else None


class _File:
    def __init__(self, path):
        self.path = os.path.realpath(path)
        if not os.path.isfile(self.path):
            raise TraceError(f"--task-file {path}: there is no such file", kind="not_found")
        self.shown = path
        self.module = self.run(self._load)

    def _load(self):
        spec = importlib.util.spec_from_loader("etch_task_file", importlib.machinery.SourceFileLoader("etch_task_file", self.path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    def run(self, fn, *args, **kwargs):
        """Calls what the file has; an error is told by the file's line, and by the library's when it arose there."""
        try:
            return fn(*args, **kwargs)
        except TraceError:
            raise
        except Exception as error:
            line = _line(error, self.path)
            if line is None:
                raise
            kind = "unsupported" if isinstance(error, NotImplementedError) else "invalid"
            text = " ".join(str(error).split()).removeprefix(f"{os.path.basename(self.path)}:{line}: ")
            text = error.msg if isinstance(error, SyntaxError) else text
            where = report.location(error)
            where = "" if where.startswith(os.path.basename(self.path)) or where in text else f" (at {where})"
            raise TraceError(f"{self.shown}:{line}: {type(error).__name__}: {text}{where}", kind=kind) from None

    def wrong(self, what):
        return TraceError(f"--task-file {self.shown}: {what}; {CONTRACT}", kind="usage")


class _Task:
    """What tasks/__init__.py expects of a task, for a file with MODEL and methods()."""

    def __init__(self, file):
        self.file = file
        self.name = file.shown
        self.options = {"dtype": "float32", **self._given("OPTIONS", dict, {})}
        if not callable(getattr(file.module, "methods", None)):
            raise file.wrong("it has no function methods(model, options)")
        self.model_class = self._given("MODEL", (str, type), None)
        if self.model_class is None:
            raise file.wrong("it has no MODEL")

    def _given(self, name, kinds, default):
        value = getattr(self.file.module, name, default)
        if value is not default and not isinstance(value, kinds):
            raise self.file.wrong(f"{name} is {value!r}")
        return value

    def load(self):
        import transformers

        cls = self.model_class
        if isinstance(cls, str) and not hasattr(getattr(transformers, cls, None), "_model_mapping"):
            raise self.file.wrong(f"MODEL '{cls}' is not one of transformers' auto classes")
        if not isinstance(cls, str) and not issubclass(cls, transformers.PreTrainedModel):
            raise self.file.wrong(f"MODEL {cls.__name__} is not a transformers.PreTrainedModel")

    def build(self, folder, options):
        cls = self.model_class
        if isinstance(cls, str):
            config = model.read_config(folder)
            built = model.load(cls, folder, config, self.name, dtype=options["dtype"])
        else:
            config = self.file.run(cls.config_class.from_pretrained, folder, local_files_only=True)
            built = self.file.run(model.load_class, cls, folder, config, dtype=options["dtype"])
        return TaskFileExportableModule(self.file, built, options)


class TaskFileExportableModule:
    def __init__(self, file, built, options):
        self.file, self.model, self.options = file, built, options
        self.metadata = metadata.common(built.config.get_text_config(), getattr(built, "generation_config", None), options["dtype"])
        if hasattr(file.module, "metadata"):
            more = file.run(file.module.metadata, built, options)
            if not isinstance(more, dict):
                raise file.wrong(f"metadata() gave {type(more).__name__}, not a dict")
            bad = [key for key, value in more.items() if value is not None and not metadata.storable(value)]
            if bad:
                raise file.wrong(f"metadata() gave {bad[0]} = {more[bad[0]]!r}, which is no number, text or list of numbers")
            self.metadata.update(more)

    def _shape(self, name, shape):
        import torch
        from torch import _C

        sizes = []
        for size in shape:
            if isinstance(size, torch.export.Dim):
                low, high = max(size.min, 1), size.max
                if not isinstance(high, int) or high < low:
                    raise self.file.wrong(f"input {name} has the size {size}, whose largest value is not known")
                size = _C.symbol(size.__name__, low, high, min(max(low, 8), high)) if low < high else low
            elif not isinstance(size, int) or size < 0:
                raise self.file.wrong(f"input {name} has the size {size!r}: a number or torch.export.Dim is expected")
            sizes.append(size)
        return sizes

    def _method(self, name, value):
        import torch

        if not isinstance(value, (tuple, list)) or len(value) not in (2, 3) or not callable(value[0]) or not isinstance(value[1], dict):
            raise self.file.wrong(f"methods() gave {name} = {type(value).__name__}, not (callable, {{input: (dtype, shape)}})")
        call, inputs, outputs = (*value, None)[:3]
        specs = {}
        for key, spec in inputs.items():
            pair = isinstance(spec, (tuple, list)) and len(spec) == 2
            if not pair or not isinstance(spec[0], torch.dtype) or not hasattr(spec[1], "__iter__"):
                raise self.file.wrong(f"input {key} of {name} is {spec!r}, not (dtype, shape)")
            specs[key] = (spec[0], self._shape(key, spec[1]))
        owner = call if isinstance(call, torch.nn.Module) else self.model
        if owner is not self.model:
            method.state(owner)
        method.trace(name, owner, lambda **tensors: self.file.run(call, **tensors), specs, outputs)

    def trace(self):
        methods = self.file.run(self.file.module.methods, self.model, self.options)
        if not isinstance(methods, dict) or not methods:
            raise self.file.wrong(f"methods() gave {type(methods).__name__}, not a dict of methods")
        for name, value in methods.items():
            self._method(name, value)


def find(path):
    """The task of a file; the file runs here."""
    file = _File(path)
    own = getattr(file.module, "Task", None)
    return own if own is not None else _Task(file)
