"""`etch doctor`: the lines about Python, the libraries and the sandbox. {"doctor": true} is the whole job."""
import os
import sys


def _version(package):
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def text():
    from etch_trace import fast_import, sandbox

    have = sandbox.mechanisms()
    landlock = f"version {have['landlock']}" if have["landlock"] else f"missing: {have['why']['landlock']}"
    if 0 < have["landlock"] < 4:
        landlock += " (no rules for TCP, which seccomp forbids)"
    rows = [("python", f"{sys.version.split()[0]} ({sys.executable})")]
    for package, use in (("transformers", "needed for exporting"), ("numpy", "needed by transformers"),
                         ("huggingface_hub", "needed for 'etch pull'"),
                         ("jinja2", "needed for chat.json, which 'etch generate --chat' reads")):
        rows.append((package, _version(package) or f"missing: {use}; install it with {sys.executable} -m pip install {package}"))
    rows += [("landlock", landlock), ("seccomp", "yes" if have["seccomp"] else f"missing: {have['why']['seccomp']}")]
    cache = fast_import.cache_folder()
    rows.append(("import cache", cache if os.path.isdir(cache) else f"{cache} (not made yet)"))
    return "".join(f"{name:<13} {value}\n" for name, value in rows)
