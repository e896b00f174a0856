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


def pytest_collection_modifyitems(config, items):
    """ETCH_SHARD=I/N: the I-th of N parts (1 to N), in blocks, because neighbours share what fixtures made."""
    part, _, parts = os.environ.get("ETCH_SHARD", "1/1").partition("/")
    mine = [item for i, item in enumerate(items) if i // 8 % int(parts) == int(part) - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in mine])
    items[:] = mine
