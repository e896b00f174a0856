"""JSON lines to the parent, and exceptions in the user's terms."""
import json
import os
import sys
import traceback


class TraceError(Exception):
    """An error whose message is already meant for the user. kind: usage, not_found, invalid, unsupported or internal."""

    def __init__(self, message, kind="invalid"):
        super().__init__(message)
        self.kind = kind


def emit(**fields):
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()


def note(text):
    """A line of the export summary."""
    emit(note=text)


def location(error):
    """Source line of the innermost frame that belongs to a model library: "modeling_x.py:123"."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = os.path.realpath(frame.filename)
        if f"{os.sep}transformers{os.sep}" in path or f"{os.sep}transformers_modules{os.sep}" in path:
            found = f"{os.path.basename(path)}:{frame.lineno}"
        elif not path.startswith(ours) and f"{os.sep}lib{os.sep}python" not in path and os.path.isfile(path) and "etch_trace" not in path:
            if "/torch/" not in path and "/safetensors/" not in path:
                found = found or f"{os.path.basename(path)}:{frame.lineno}"
    return found


def _root_cause(error):
    """transformers wraps what it catches ("Could not import module X"); the first cause says more."""
    seen = set()
    while error.__cause__ is not None and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__
    return error


def _kind(error):
    if isinstance(error, TraceError):
        return error.kind
    if isinstance(error, NotImplementedError):
        return "unsupported"
    if isinstance(error, FileNotFoundError):
        return "not_found"
    if isinstance(error, (ValueError, OSError, RuntimeError, ImportError)) or type(error).__name__ == "SafetensorError":
        return "invalid"
    return "internal"


def _stopped():
    """What the sandbox kept the model's own code from doing: it explains whatever happened after it."""
    sandbox = sys.modules.get("etch_trace.sandbox")
    return sandbox.verdict() if sandbox else None


def describe_short(error):
    """One clause: the message and the model's source line."""
    cause = _root_cause(error)
    where = location(cause) or location(error)
    return (" ".join(str(cause).split()) or type(cause).__name__) + (f", {where}" if where else "")


def describe(error):
    stopped = _stopped()
    if stopped:
        return {"message": stopped, "where": "", "module": "", "kind": "invalid"}
    if not isinstance(error, TraceError):
        traceback.print_exception(type(error), error, error.__traceback__)
    cause = _root_cause(error)
    kind = _kind(cause)
    message = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(cause, ModuleNotFoundError) and cause.name == "transformers":
        return {"message": f"{sys.executable} has no transformers package: install it there (pip install transformers), or name another "
                           f"Python "
                           "in ETCH_PYTHON", "where": "", "module": "", "kind": "not_found"}
    if kind == "internal" and not isinstance(cause, TraceError):
        message = f"{type(cause).__name__}: {message}"
    module = getattr(cause, "_etch_module", "") or getattr(error, "_etch_module", "")
    plain = isinstance(cause, TraceError) or type(cause).__name__ == "SafetensorError"  # not about a line of the model
    where = "" if plain else location(cause) or location(error)
    return {"message": message, "where": where, "module": module, "kind": kind}
