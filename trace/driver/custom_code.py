"""Code that lies in a model's own folder: `auto_map` in config.json names classes in its .py files. It runs only with --trust_remote_code.

transformers copies the files to its modules folder, which is the job's scratch folder here, and imports them from there.
"""
import json
import os

from etch_trace.report import TraceError, note

trusted = False


def _references(raw):
    """{auto class: "file.Class"} of a config; tokenizers and processors are not the tracer's business."""
    table = raw.get("auto_map")
    if not isinstance(table, dict):
        return {}
    return {key: value for key, value in table.items() if isinstance(value, str) and (key == "AutoConfig" or key.startswith("AutoModel"))}


def _file(reference):
    return reference.split("--")[-1].rsplit(".", 1)[0].replace(".", os.sep) + ".py"


def begin(folder, trust):
    """Before the sandbox is sealed. `trust`: the user gave --trust_remote_code."""
    global trusted
    trusted = trust
    from etch_trace import sandbox

    if not trust:
        return
    if "ETCH_SCRATCH" not in os.environ:
        raise TraceError("--trust_remote_code needs a scratch folder, and none could be made; set TMPDIR to a folder that can be written")
    sandbox.watch()
    if not sandbox.scratch_stays_writable():
        _copy(folder)


def _copy(folder):
    """The files are copied, not run: later, where only seccomp keeps code from writing, nothing can be copied."""
    from transformers.dynamic_module_utils import get_cached_module_file

    try:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            references = _references(json.load(f))
    except (OSError, ValueError, AttributeError):
        return  # read_config says what is wrong
    for reference in references.values():
        if "--" not in reference and os.path.isfile(os.path.join(folder, _file(reference))):
            get_cached_module_file(folder, _file(reference), local_files_only=True)


def check(folder, raw, known):
    """`raw`: the config as JSON; `known`: the library has this architecture itself. True when the folder's code will be used."""
    references = _references(raw)
    if not references:
        return False
    files = sorted({_file(r) for r in references.values()})
    if not trusted:
        if known:
            note(f"the code in the model's folder ({', '.join(files)}) was not used: transformers knows the architecture itself")
            return False
        raise TraceError(f"architecture '{raw.get('model_type')}' is code in the model's own folder "
                         f"({', '.join(os.path.join(folder, f) for f in files)}); "
                         "it runs only with --trust_remote_code, inside a sandbox (docs/SECURITY.md)", kind="unsupported")
    for reference in references.values():
        if "--" in reference:
            raise TraceError(f"{folder}/config.json names code of another repository ({reference.split('--')[0]}); only code that lies in "
                             f"the model's "
                             "folder is run: copy it there and name it in auto_map", kind="unsupported")
        if not os.path.isfile(os.path.join(folder, _file(reference))):
            raise TraceError(f"{folder}/config.json names {_file(reference)}, which is not in the folder", kind="not_found")
    return True


def provides(config, auto_class):
    return trusted and auto_class in (getattr(config, "auto_map", None) or {})
