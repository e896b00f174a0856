"""etch's torch against PyTorch: snippets of functions and layers, traced by etch and evaluated by PyTorch (trace/tests/facade_cases.py)."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_functions_and_layers():
    build = os.environ.get("ETCH_BUILD", os.path.join(ROOT, "build"))
    python = os.environ.get("ETCH_PYTHON") or os.path.join(ROOT, ".venv", "bin", "python3")
    script = os.path.join(ROOT, "trace", "tests", "check_facade.py")
    run = subprocess.run([sys.executable, script, os.path.join(build, "share", "etch", "python"), python], capture_output=True, text=True)
    failed = [line for line in run.stdout.splitlines() if not line.startswith("ok")]
    assert run.returncode == 0, "\n".join(failed) + run.stderr[-1000:]
