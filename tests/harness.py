"""What the end-to-end test files share: running `etch`, expecting success or a clear error, and a runner that closes with "N passed, N
failed".

    python tests/FILE.py BUILD [NAME_PART ...]       runs the tests whose name holds one of the parts
"""
import concurrent.futures
import hashlib
import os
import subprocess
import sys
import tempfile
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build"))
ETCH = os.path.join(BUILD, "etch")
TINY = os.path.join(ROOT, "models", "tiny")
REFERENCE = os.environ.get("ETCH_REFERENCE") or os.path.join(os.path.dirname(ROOT), "shared", "reference")
TESTS = {}


class Skip(Exception):
    pass


def test(fn):
    TESTS[fn.__name__] = fn
    return fn


def etch(*args, env=None, timeout=300):
    return subprocess.run([ETCH, *args], capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})},
                          stdin=subprocess.DEVNULL)


def ok(*args, **kw):
    r = etch(*args, **kw)
    assert r.returncode == 0, f"etch {' '.join(args)}\nexit {r.returncode}\n{r.stdout[-2000:]}\n{r.stderr[-2000:]}"
    return r


def refused(*args, says=(), code=1, no_file=None, **kw):
    """The command fails with `code`, says each word on its first line of standard error, and leaves no output."""
    r = etch(*args, **kw)
    assert r.returncode == code, f"etch {' '.join(args)}: exit {r.returncode}, wanted {code}\n{r.stderr[-2000:]}"
    assert r.stderr.startswith("etch"), r.stderr[-500:]
    for word in says:
        assert word in r.stderr, f"'{word}' is not in: {r.stderr[-1000:]}"
    if no_file:
        left = [os.path.join(d, f) for d, _, files in os.walk(no_file) for f in files]
        assert not left, f"files were left: {left}"
    return r


def sha(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def run_one(name):
    with tempfile.TemporaryDirectory(prefix="etch-") as tmp:
        try:
            TESTS[name](tmp)
            return name, "passed", ""
        except Skip as e:
            return name, "skipped", str(e)
        except Exception:
            return name, "failed", traceback.format_exc(limit=3)


def main():
    parts = sys.argv[2:]
    todo = [n for n in TESTS if not parts or any(p in n for p in parts)]
    count = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for name, result, why in pool.map(run_one, todo):
            count[result] += 1
            print(f"{result:8} {name}" + (f": {why}" if result == "skipped" else ""), flush=True)
            if result == "failed":
                print(why, flush=True)
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or not count["passed"] else 0)
