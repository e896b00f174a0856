import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.dirname(os.path.abspath(__file__))]

from results import result  # noqa: E402, F401


@pytest.fixture(scope="session")
def etch():
    build = os.environ.get("ETCH_BUILD", os.path.join(ROOT, "build"))

    def run(*args):
        r = subprocess.run([os.path.join(build, "etch"), *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert r.returncode == 0, f"etch {args}: exit {r.returncode}\n{r.stdout[-1000:]}\n{r.stderr[-2000:]}"
        return r.stdout
    return run
