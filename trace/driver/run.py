"""One job: import, build the task's model, trace its methods, print."""
import os
import shutil

from etch_trace import assumptions
from etch_trace.report import TraceError, emit


def _folder(path):
    """`path`, or for a config file alone (a job without weights) a folder that holds nothing else."""
    if not os.path.isfile(path):
        return path
    if "ETCH_SCRATCH" not in os.environ:
        raise TraceError("a config file alone needs a scratch folder, and none could be made; set TMPDIR to a folder that can be written")
    folder = os.path.join(os.environ["ETCH_SCRATCH"], "model")
    os.makedirs(folder)
    shutil.copyfile(path, os.path.join(folder, "config.json"))
    return folder


def trace(job):
    import torch  # noqa: F401
    from torch import _C

    from etch_trace import chat, custom_code, gguf_file, missing, model, sandbox, task_file, tasks, weightless

    _C.begin()
    task = None if job.get("task_file") else tasks.find(job["task"])
    folder = _folder(os.path.abspath(job["model"]))
    gguf_file.begin(folder, job.get("gguf_file"))
    if not gguf_file.given() and not os.path.isfile(os.path.join(folder, "config.json")):
        raise TraceError(f"{job['model']}: no config.json in it", kind="not_found")
    weightless.wanted = bool(job.get("weightless"))
    custom_code.begin(folder, bool(job.get("trust_remote_code")))
    inputs = (folder, job["model"], job.get("gguf_file"))
    if task is None:  # code that is not etch's runs in the sealed sandbox only
        import transformers  # noqa: F401

        sandbox.own(job["task_file"])
        sandbox.seal(inputs)
        task = task_file.find(job["task_file"])
    options = tasks.options(task, job.get("options") or {})
    task.load()
    if not job.get("task_file"):
        sandbox.seal(inputs if custom_code.trusted else ())
    if weightless.wanted:
        missing.watch()
    emit(stage="build")
    exportable = task.build(folder, options)
    emit(stage="trace")
    try:
        exportable.trace()
    except Exception as error:
        missing.check(error)
    missing.check()
    for name, value in exportable.metadata.items():
        if value is not None:
            _C.meta(name, value)
    guards = _C.guards()
    text = _C.finish()
    for line in assumptions.notes(guards, text):
        emit(note=line)
    model.check_weights(text)
    if job.get("chat") and getattr(task, "chats", False):
        chat.tell(folder, exportable.metadata)
    sandbox.check()
    return text
