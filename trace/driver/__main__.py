"""In: one JSON job on standard input. Out: graph text on a file descriptor; JSON lines (stage, note, error) on standard error.

Job: {"model": FOLDER, "task": NAME, "options": {...}, "trust_remote_code": false, "gguf_file": PATH or null,
"task_file": PATH or null, "fd": 3}, {"doctor": true} or {"pull": {"id": ID, ...}}.
Exit code 1 with one error line when something is wrong.
"""
import json
import os
import sys

from etch_trace.report import TraceError, describe, emit


def _read_job():
    try:
        job = json.loads(sys.stdin.read())
        if isinstance(job, dict) and (job.get("doctor") or isinstance(job.get("pull"), dict)):
            return job
        if not isinstance(job, dict) or not isinstance(job.get("model"), str) or not isinstance(job.get("task"), str):
            raise ValueError('an object with "model" and "task" expected')
    except ValueError as error:
        raise TraceError(f"the job is not valid: {error}", kind="usage") from None
    return job


def _output(job):
    """The parent reads fd 3; by hand, standard output."""
    fd = job.get("fd")
    if fd is None:
        fd = 3 if "ETCH_TRACE_HOME" in os.environ else 1
    out = os.dup(fd)
    if fd == 1:  # a print() in model code must not end up in the graph
        os.dup2(2, 1)
    return out


def main():
    try:
        job = _read_job()
        out = _output(job)
        if job.get("doctor"):
            from etch_trace import doctor

            text = doctor.text().encode()
        elif job.get("pull"):
            from etch_trace import hub

            text = os.fsencode(hub.pull(job["pull"]))
        else:
            emit(stage="import")
            from etch_trace import environment

            environment.prepare()
            from etch_trace.run import trace

            text = trace(job)
            emit(stage="print")
        with os.fdopen(out, "wb") as f:
            f.write(text)
        sys.stderr.flush()
        os._exit(0)  # nothing of a model is worth taking apart object by object
    except KeyboardInterrupt:
        return 130
    except BaseException as error:
        emit(error=describe(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
