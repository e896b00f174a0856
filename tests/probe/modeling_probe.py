"""Each function below tries one thing that the code of a model has no business to do; `target` is a folder, or HOST:PORT for
connections."""
import ctypes
import os
import signal
import socket
import subprocess
import sys

from transformers import LlamaForCausalLM

from .configuration_probe import ProbeConfig

_libc = ctypes.CDLL(None, use_errno=True)


def connect(target):
    host, port = target.split(";")[1].split(":")
    socket.create_connection((host, int(port)), timeout=2).sendall(b"secret")


def connect_ctypes(target):
    port = int(target.split(";")[1].split(":")[1])
    fd = _libc.socket(2, 1, 0)
    address = (2).to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    _libc.connect(fd, address, len(address))
    _libc.send(fd, b"secret", 6, 0)


def _folder(target):
    return target.split(";")[0]


def write(target):
    with open(os.path.join(_folder(target), "written"), "w") as f:
        f.write("x")


def write_ctypes(target):
    fd = _libc.open(os.path.join(_folder(target), "written").encode(), os.O_CREAT | os.O_WRONLY, 0o600)
    _libc.write(fd, b"x", 1)


def overwrite(target):
    with open(os.path.join(_folder(target), "config.json"), "a") as f:
        f.write(" ")


def remove(target):
    os.remove(os.path.join(_folder(target), "generation_config.json"))


def remove_ctypes(target):
    _libc.unlink(os.path.join(_folder(target), "generation_config.json").encode())


def truncate_by_reading(target):
    _libc.open(os.path.join(_folder(target), "generation_config.json").encode(), os.O_RDONLY | os.O_TRUNC)


def permissions(target):
    _libc.chmod(os.path.join(_folder(target), "generation_config.json").encode(), 0o777)


def folder(target):
    os.mkdir(os.path.join(_folder(target), "made"))


def system(target):
    os.system(f"touch {_folder(target)}/ran")


def popen(target):
    subprocess.run(["touch", f"{_folder(target)}/ran"], check=True)


def execv(target):
    os.execv("/bin/sh", ["/bin/sh", "-c", f"touch {_folder(target)}/ran"])


def execve_ctypes(target):
    argv = (ctypes.c_char_p * 4)(b"/bin/sh", b"-c", f"touch {_folder(target)}/ran".encode(), None)
    _libc.execve(b"/bin/sh", argv, None)


def fork(target):
    if os.fork() == 0:
        os._exit(0)


def fork_ctypes(target):
    if _libc.fork() == 0:
        os._exit(0)


def kill(target):
    os.kill(os.getppid(), signal.SIGTERM)


def kill_ctypes(target):
    _libc.kill(os.getppid(), signal.SIGTERM)


def ptrace(target):
    PTRACE_SEIZE = 0x4206
    _libc.ptrace(PTRACE_SEIZE, os.getppid(), None, None)


def parent_memory(target):
    _libc.open(f"/proc/{os.getppid()}/mem".encode(), os.O_RDWR)


def secrets(target):
    assert "hunter2" not in str(dict(os.environ)), "a secret of the environment is here"


def read(target):
    with open(os.path.join(os.path.dirname(_folder(target)), "secret")) as f:
        f.read()


def read_ctypes(target):
    fd = _libc.open(os.path.join(os.path.dirname(_folder(target)), "secret").encode(), os.O_RDONLY)
    assert fd < 0, "a file outside of the model's folder can be read"


def linked(target):
    path = os.path.join(_folder(target), "notes.json")
    if os.path.lexists(path):
        with open(path) as f:
            f.read()


def listing(target):
    os.listdir(os.path.dirname(_folder(target)))


def scratch(target):
    """Allowed: a temporary file, and reading the model folder."""
    import tempfile

    with tempfile.TemporaryFile() as f:
        f.write(b"x")
    with open(os.path.join(_folder(target), "config.json")) as f:
        f.read()


class ProbeForCausalLM(LlamaForCausalLM):
    config_class = ProbeConfig

    def __init__(self, config):
        super().__init__(config)
        for name in config.attempts:
            try:
                globals()[name](config.target)
            except OSError:
                if not config.hide:
                    raise
