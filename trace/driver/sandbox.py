"""What the code of a model may do: read files, compute, write the graph to the parent. Not: open connections, run programs, start or touch
processes, write files outside of the scratch folder.

In: the job's scratch folder (or None). The kernel keeps the walls (_sandbox: Landlock and seccomp, trace/sandbox/sandbox.h); an audit hook
names what was tried before the kernel is asked. Two steps, since rights can only shrink:
  enter()  before transformers is imported: as above, but etch's own cache folder may still be written (fast_import.py)
  seal()   before anything of the model is read: the cache folder is closed too
A mechanism that the kernel lacks is a note in the summary. ETCH_SANDBOX=landlock|seccomp|off limits what is used, for tests and for finding
faults.
"""
import errno
import os
import sys

from etch_trace import custom_code
from etch_trace.report import TraceError, note

_OFF = "off"
_NAMED = 24  # attempts that an error names


class SandboxError(PermissionError):
    """What model code meets when it tries something that the sandbox forbids."""


class _State:
    landlock = seccomp = watched = sealed = False
    problems = ()   # [(mechanism, why it is missing)]
    scratch = None
    readable = None # real paths; None: all
    files = set()   # code that is not etch's and not of a model's folder: a task file
    attempts = []   # [(what, place, by the model's own code)]


def _module():
    try:
        from etch_trace import _sandbox
    except ImportError as error:
        return None, str(error)
    return _sandbox, ""


def mechanisms():
    """{"landlock": version or 0, "seccomp": bool, "why": {mechanism: reason it is missing}} of this machine."""
    c, why = _module()
    chosen = os.environ.get("ETCH_SANDBOX") or "all"
    if chosen not in ("all", "landlock", "seccomp", _OFF):
        raise TraceError(f"ETCH_SANDBOX is '{chosen}', which is not one of all, landlock, seccomp, off", kind="usage")
    found = {"landlock": 0, "seccomp": False, "why": {}}
    for name, works in (("landlock", c and c.landlock_abi), ("seccomp", c and c.seccomp_works)):
        if chosen not in ("all", name):
            found["why"][name] = f"turned off by ETCH_SANDBOX={chosen}"
        elif c is None:
            found["why"][name] = f"etch was built without it ({why})"
        elif name == "seccomp" and not c.seccomp_built():
            found["why"][name] = "etch was built without libseccomp"
        elif works():
            found[name] = works()
        else:
            found["why"][name] = "this kernel has none"
    return found


def _limit(name, value):
    import resource

    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (ValueError, OSError):
        pass


def _present(paths):
    return [os.fsencode(p) for p in dict.fromkeys(paths) if p and os.path.exists(p)]


def _landlock(paths):
    _module()[0].landlock(_present(paths))


# What an interpreter and its libraries read of the system: shared objects, time zones, names, facts about the machine.
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
           "/etc/mime.types",
           "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def _linked(folder):
    """What links of a model folder may lead to: the blobs of its repository in the Hub's cache, and weights. A hostile folder could have
    any link."""
    blobs = os.path.realpath(os.path.join(folder, os.pardir, os.pardir, "blobs"))
    targets = {os.path.realpath(os.path.join(folder, name)) for name in os.listdir(folder)}
    return [t for t in targets if t.endswith(".safetensors")] + [blobs for t in targets if os.path.dirname(t) == blobs][:1]


def _readable(inputs):
    """`inputs`: files and folders of the job."""
    found = [*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, _State.scratch, *_State.files]
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for name in os.listdir(home):  # etch's own files are links to its source where it was built
        found.append(os.path.dirname(os.path.realpath(os.path.join(home, name, "__init__.py"))))
    for module in list(sys.modules.values()):  # packages that are installed elsewhere
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            found.append(os.path.dirname(os.path.realpath(path)))
    for path in filter(None, inputs):
        found.append(path)
        found += _linked(path) if os.path.isdir(path) else ()
    return [p for p in found if p not in ("", "/")]


def enter(scratch, cache):
    """`scratch`: a folder that may be written, or None; `cache`: etch's own, until seal()."""
    found = mechanisms()
    _State.scratch = os.path.realpath(scratch) if scratch else None
    why = dict(found["why"])
    if cache:
        try:
            os.makedirs(cache, exist_ok=True)
        except OSError:
            pass
    if found["landlock"] or found["seccomp"]:
        _limit("RLIMIT_CORE", 0)
        _limit("RLIMIT_FSIZE", 256 << 20)
        try:
            _module()[0].drop_capabilities()
        except OSError:
            pass
    if found["landlock"]:
        try:
            _landlock([_State.scratch, cache, os.devnull])
            _State.landlock = True
        except OSError as error:
            why["landlock"] = error.strerror
    if found["seccomp"]:
        try:
            _module()[0].seccomp(False)
            _State.seccomp = True
        except OSError as error:
            why["seccomp"] = error.strerror
    _State.problems = sorted(why.items())


def scratch_stays_writable():
    return _State.landlock or not _State.seccomp


def own(path):
    """What this file's code tries counts as the model's own."""
    _State.files.add(os.path.realpath(path))


def watch():
    """From here on attempts are named, and those of the model's own code are remembered. Once."""
    if not _State.watched and (_State.landlock or _State.seccomp):
        _State.watched = True
        sys.addaudithook(_audit)


def seal(inputs=()):
    """`inputs`: where code runs that is not etch's or the library's, all that it may read beside the Python installation; empty: reading is
    free."""
    if _State.landlock:
        _landlock([_State.scratch, os.devnull])
        if inputs:
            _State.readable = [os.path.realpath(os.fsdecode(p)) for p in _present(_readable(inputs))]
            _module()[0].landlock_reads(_present(_State.readable))
    elif _State.seccomp:
        _module()[0].seccomp(True)
    _State.sealed = True
    watch()
    lacking = "; ".join(f"no {name} ({why})" for name, why in _State.problems)
    if not _State.landlock and not _State.seccomp:
        note(f"NOT SANDBOXED: {lacking}; the model's code ran with all your rights")
    elif not _State.landlock:
        note(f"sandbox incomplete: {lacking}; seccomp alone keeps the model's code from every writing, but not from reading other "
             f"processes of yours")
    elif not _State.seccomp:
        note(f"sandbox incomplete: {lacking}; Landlock alone stops writing, programs and TCP, not other sockets or changes of permissions "
             f"and times")


# ---- naming what was tried

def _writable(path):
    if path == os.devnull:
        return True
    return _State.scratch is not None and (_State.landlock
                                           or not _State.sealed) and (os.path.realpath(path) + os.sep).startswith(_State.scratch + os.sep)


def _path(verb, at=0):
    def say(args):
        path = args[at]
        if isinstance(path, int) or path is None:
            return None
        path = os.fsdecode(path)
        return None if _writable(path) else f"{verb} {os.path.abspath(path)}"

    return say


def _metadata(verb):
    outside = _path(verb)

    def say(args):
        what = outside(args)
        # seccomp does not see paths: in the scratch folder it fails as well, but is no misdeed
        if what is None and not isinstance(args[0], int):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), os.fsdecode(args[0]))
        return what

    return say


def _mkdir(args):
    if os.path.isdir(args[0]):  # what the kernel would say; makedirs(exist_ok=True) is no attempt
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(args[0]))
    return _path("make the folder")(args)


def _open(args):
    path, mode, flags = args
    if isinstance(path, int):
        return None
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
        return _path("write")((path,))
    real = os.path.realpath(os.fsdecode(path))
    if _State.readable is None or not os.path.exists(real) or any(real == p or real.startswith(p + os.sep) for p in _State.readable):
        return None
    return f"read {real}"


def _command(args):
    first = args[0]
    return f"run a program ({os.fsdecode(first) if isinstance(first, (str, bytes, os.PathLike)) else first})"


def _connection(args):
    address = next((a for a in args[1:] if isinstance(a, (tuple, str, bytes))), None)
    return "open a network connection" + (f" ({address})" if address else "")


def _kill(args):
    return None if args[0] == os.getpid() else f"signal process {args[0]}"


_ACTIONS = {
    "open": _open, "os.remove": _path("remove"), "os.rename": _path("rename"), "os.mkdir": _mkdir, "os.rmdir": _path("remove"),
    "os.link": _path("link to", 1), "os.symlink": _path("link to", 1), "os.truncate": _path("cut short"),
    "os.chmod": _metadata("change permissions of"),
    "os.chown": _metadata("change the owner of"), "os.utime": _metadata("change the times of"),
    "os.system": _command, "os.exec": _command, "os.posix_spawn": _command, "subprocess.Popen": _command,
    "os.fork": lambda args: "start a process", "os.forkpty": lambda args: "start a process",
    "socket.__new__": _connection, "socket.getaddrinfo": lambda args: f"open a network connection ({args[0]})",
    "socket.gethostbyname": lambda args: f"open a network connection ({args[0]})", "os.kill": _kill, "os.killpg": _kill,
}


def _place():
    """("modeling_x.py:12", is the model's own file) of the innermost frame in a model's or the library's file."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        own = f"{os.sep}transformers_modules{os.sep}" in path or (path in _State.files)
        if own or f"{os.sep}transformers{os.sep}" in path:
            return f"{os.path.basename(path)}:{frame.f_lineno}", own
        frame = frame.f_back
    return "", False


def _audit(event, args):
    act = _ACTIONS.get(event)
    what = act and act(args)
    if not what:
        return
    where, own = _place()
    _State.attempts.append((what, where, own))
    raise SandboxError(f"the model's code tried to {what}; the sandbox stopped it")


def _all_attempts():
    """[(what, place, by the model's own code)]; what went past the hook, through ctypes or an extension module, has no place."""
    c, _ = _module()
    passed = c.stopped() if _State.seccomp else []
    return list(_State.attempts) + [(f"{action} ({call})", "", custom_code.trusted or bool(_State.files)) for action, call in passed]


def verdict():
    """What the model's own code tried, or None: an error even if the code hid the failure."""
    tried = []
    for what, where, own in _all_attempts():
        text = f"{what} (at {where})" if where else what
        if own and text not in tried:
            tried.append(text)
    if not tried:
        return None
    more = f", and {len(tried) - _NAMED} more" if len(tried) > _NAMED else ""
    return f"the model's code tried to {', '.join(tried[:_NAMED])}{more}; the sandbox stopped it"


def check():
    """After the trace: what a library tried, and did without, is a note."""
    stopped = verdict()
    if stopped:
        raise TraceError(stopped)
    for what, where, _ in _all_attempts():
        note(f"the sandbox stopped an attempt to {what}{f' (at {where})' if where else ''}")
