"""Runs a command and prints its wall time and the peak memory of all its processes together, sampled every 10 ms (from 10 s on: 50 ms).

    python bench/measure.py [--json] -- COMMAND ...

anon: anonymous memory (heap, stacks), the part that must fit. rss: with mapped files, each process counted whole.
"""
import json
import os
import subprocess
import sys
import time


def tree(root):
    pids, todo = [], [root]
    while todo:
        pid = todo.pop()
        pids.append(pid)
        try:
            for t in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{t}/children") as f:
                    todo += map(int, f.read().split())
        except OSError:
            pass
    return pids


def memory(pid):
    rss = anon = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                if line.startswith("Rss:"):
                    rss = int(line.split()[1])
                elif line.startswith("Anonymous:"):
                    anon = int(line.split()[1])
    except OSError:
        pass
    return rss, anon


def main():
    args = sys.argv[1:]
    as_json = args[0] == "--json"
    command = args[args.index("--") + 1:]
    start = time.monotonic()
    p = subprocess.Popen(command)
    peak_rss = peak_anon = 0
    while p.poll() is None:
        got = [memory(pid) for pid in tree(p.pid)]
        peak_rss = max(peak_rss, sum(g[0] for g in got))
        peak_anon = max(peak_anon, sum(g[1] for g in got))
        time.sleep(0.01 if time.monotonic() - start < 10 else 0.05)
    result = dict(seconds=round(time.monotonic() - start, 2), peak_rss_mib=round(peak_rss / 1024, 1),
                  peak_anon_mib=round(peak_anon / 1024, 1), exit=p.returncode)
    print(json.dumps(result) if as_json else f"{result['seconds']} s, peak rss {result['peak_rss_mib']} MiB, peak anon "
                                             f"{result['peak_anon_mib']} MiB, exit {p.returncode}",
          file=sys.stderr if not as_json else sys.stdout)
    sys.exit(p.returncode)


main()
