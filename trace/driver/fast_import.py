"""Cheaper ways to the same result for what `import transformers` spends its time on. The package itself stays as it is.

1. transformers reads the text of all its model files at every import, twice, to learn which class lives where. Here the function that finds
   `__all__` starts at the right line, one scan serves both callers, and the result is kept in a cache file, valid for one installed
   version.
2. The table of weight conversions of all architectures is built for each model that is loaded, with a thousand regular expressions. Here a
   pattern is compiled when it is first used.
ETCH_PLAIN_IMPORT=1 leaves everything alone; see docs/SPEED.md for the numbers.
"""
import importlib.abc
import importlib.machinery
import marshal
import os
import re as _re
import sys


class _Loader(importlib.abc.Loader):
    def __init__(self, inner):
        self._inner = inner

    def create_module(self, spec):
        return self._inner.create_module(spec)

    def exec_module(self, module):
        self._inner.exec_module(module)
        try:
            _IMPROVEMENTS[module.__name__](module)
        except Exception:  # another version of the library: its own functions do
            pass

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in _IMPROVEMENTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def install():
    if os.environ.get("ETCH_PLAIN_IMPORT") != "1" and "transformers" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Pattern:
    """A regular expression that is compiled when something is asked of it."""

    __slots__ = ("_args", "_compiled")

    def __init__(self, *args):
        self._args, self._compiled = args, None

    def __getattr__(self, name):
        if self._compiled is None:
            self._compiled = _re.compile(*self._args)
        return getattr(self._compiled, name)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __eq__(self, other):
        return isinstance(other, _Pattern) and self._args == other._args

    def __hash__(self):
        return hash(self._args)


class _LazyRe:
    """The module `re`, with a lazy compile()."""

    @staticmethod
    def compile(pattern, flags=0):
        return _Pattern(pattern, flags) if isinstance(pattern, str) else pattern

    def __getattr__(self, name):
        return getattr(_re, name)


def _lazy_patterns(module):
    if module.re is _re:
        module.re = _LazyRe()


def _one_scan(module):
    plain_fetch = module.fetch__all__
    plain_scan = module.create_import_structure_from_path

    def fetch__all__(file_content):
        at = file_content.rfind("\n__all__")
        return plain_fetch(file_content if at < 0 else file_content[at + 1:])

    done = {}

    def create_import_structure_from_path(module_path):
        folder = os.fspath(module_path)
        if os.path.isfile(folder):
            folder = os.path.dirname(folder)
        if folder not in done:
            if os.path.basename(folder) == "models":
                done[folder] = _cached(folder, module.__file__, lambda: plain_scan(folder))
            else:
                done[folder] = plain_scan(folder)
        return done[folder]

    module.fetch__all__ = fetch__all__
    module.create_import_structure_from_path = create_import_structure_from_path


def cache_folder():
    return os.environ.get("ETCH_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "etch")


def _cache_file(folder, source):
    """None when the installation may change without its files' times telling (a development checkout)."""
    if f"-packages{os.sep}" not in folder:
        return None
    import hashlib

    stamp = [os.path.realpath(folder), sys.hexversion, marshal.version]
    for path in (folder, source):
        info = os.stat(path)
        stamp += [info.st_mtime_ns, info.st_size]
    return os.path.join(cache_folder(), "imports-" + hashlib.sha256(repr(stamp).encode()).hexdigest()[:24])


def _plausible(x):
    return isinstance(x, dict) and len(x) > 0 and all(isinstance(k, (str, frozenset)) and isinstance(v, dict) for k, v in x.items())


def _cached(folder, source, compute):
    try:
        path = _cache_file(folder, source)
        if path is not None:
            with open(path, "rb") as f:
                found = marshal.loads(f.read())
            if _plausible(found):
                return found
    except (OSError, ValueError, EOFError, TypeError):
        pass
    value = compute()
    try:
        if path is not None and _plausible(value):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            scratch = f"{path}.{os.getpid()}"
            with open(scratch, "wb") as f:
                f.write(marshal.dumps(value))
            os.replace(scratch, path)
    except (OSError, ValueError):
        pass
    return value


_IMPROVEMENTS = {
    "transformers.utils.import_utils": _one_scan,
    "transformers.core_model_loading": _lazy_patterns,
}
