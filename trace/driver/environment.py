"""The process around transformers: sandboxed, offline, deterministic, quiet; see docs/SPEED.md for what is kept out of the import."""
import os
import sys

_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DEACTIVATE_ASYNC_LOAD": "1",  # weights are leaves: threads would only shuffle the order of recording
    "TRANSFORMERS_VERBOSITY": "error",
    "USE_TORCH_XLA": "0",
}


def prepare():
    """The parent names the scratch folder, if the job needs one, in ETCH_SCRATCH."""
    from etch_trace import fast_import, sandbox

    scratch = os.environ.get("ETCH_SCRATCH")
    sandbox.enter(scratch, fast_import.cache_folder())
    os.environ.update(_SETTINGS)
    if scratch:
        os.environ.update(TMPDIR=scratch, HF_MODULES_CACHE=os.path.join(scratch, "modules"))
    sys.dont_write_bytecode = True
    for entry in ("", "."):
        while entry in sys.path:
            sys.path.remove(entry)
    sys.setrecursionlimit(10000)
    fast_import.install()
