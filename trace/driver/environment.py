"""The process around transformers: offline, deterministic, quiet; see docs/SPEED.md for what is kept out of the import."""
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
    os.environ.update(_SETTINGS)
    for entry in ("", "."):
        while entry in sys.path:
            sys.path.remove(entry)
    sys.setrecursionlimit(10000)
    from etch_trace import fast_import

    fast_import.install()
