"""What the code of a model may not do: every attempt of the test model in tests/probe is stopped by the kernel, and named.

    python tests/sandbox.py BUILD [NAME_PART ...]
"""
import json
import os
import shutil
import socket
import threading

import weights
from harness import ROOT, Skip, main, ok, refused, test

PROBE = os.path.join(ROOT, "tests", "probe")


def mechanisms():
    lines = dict(line.split(None, 1) for line in ok("doctor").stdout.splitlines())
    return {name for name in ("landlock", "seccomp") if not lines[name].startswith("missing")}


HAVE = mechanisms()


class Server:
    """Counts connections on 127.0.0.1."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.connections += 1


def model_with(tmp, *attempts, hide=False, server="127.0.0.1:9", auto_map=None):
    """A folder with the misbehaving model; the attempts' target is the folder itself."""
    folder = weights.write_model("llama", os.path.join(tmp, "model"))
    for name in os.listdir(PROBE):
        if name.endswith(".py"):
            shutil.copy(os.path.join(PROBE, name), folder)
    with open(os.path.join(folder, "generation_config.json"), "w") as f:
        json.dump({"eos_token_id": 2}, f)
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config.update(model_type="probe", attempts=attempts, hide=hide, target=f"{folder};{server}", architectures=["ProbeForCausalLM"],
                  auto_map=auto_map or {"AutoConfig": "configuration_probe.ProbeConfig",
                                        "AutoModelForCausalLM": "modeling_probe.ProbeForCausalLM"})
    with open(path, "w") as f:
        json.dump(config, f)
    return folder


def state(folder):
    """Names, sizes, permissions and contents of a folder."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        info = os.stat(path)
        with open(path, "rb") as f:
            found[name] = (info.st_mode, f.read() if not name.endswith(".safetensors") else info.st_size)
    return found


def attempt(tmp, *attempts, says=(), sandbox="all", hide=False):
    """The attempts fail, are named, change nothing and leave no output."""
    server = Server()
    folder = model_with(tmp, *attempts, hide=hide, server=server.address)
    with open(os.path.join(tmp, "secret"), "w") as f:
        f.write("hunter2")
    before = state(folder)
    out = os.path.join(tmp, "out")
    r = refused("export", "--model", folder, "--trust_remote_code", "--max_seq_len", "32", "-o", out, says=says, no_file=out,
                env={"ETCH_SANDBOX": sandbox, "HF_TOKEN": "hunter2", "TMPDIR": tmp})
    assert "Traceback" not in r.stderr, r.stderr
    assert state(folder) == before, "the model's folder was changed"
    assert server.connections == 0, "a connection was opened"
    left = [n for n in os.listdir(tmp) if n.startswith("etch-")]
    assert not left, f"the scratch folder was left: {left}"
    return r


def need(*names):
    missing = set(names) - HAVE
    if missing:
        raise Skip(f"this kernel has no {', '.join(sorted(missing))}")


def attempt_test(name, says):
    def run(tmp):
        need("seccomp")
        attempt(tmp, name, says=["the model's code tried to", "the sandbox stopped it", "modeling_probe.py:", *says])
    run.__name__ = f"stopped_{name}"
    test(run)


# What an honest piece of code would do: the exception ends the export, which names the deed and the line.
attempt_test("write", ["write", "/model/written"])
attempt_test("system", ["run a program", "touch"])

HIDDEN = {
    "connect": "open a network connection", "write": "/model/written", "overwrite": "/model/config.json",
    "remove": "generation_config.json",
    "folder": "make the folder", "system": "run a program (touch", "popen": "run a program (touch", "execv": "run a program (/bin/sh)",
    "fork": "start a process", "kill": "signal process",
}
# Through ctypes: no line of Python is known to the kernel, so the system call is named; a file is not (Landlock says no without a trace).
PAST_PYTHON = {
    "connect_ctypes": "open a network connection (socket)", "execve_ctypes": "run a program (execve)",
    "kill_ctypes": "signal another process (kill)",
    "ptrace": "look into another process (ptrace)", "permissions": "change a file's permissions (chmod)", "write_ctypes": None,
    "remove_ctypes": None,
    "truncate_by_reading": "write a file (open", "parent_memory": None, "fork_ctypes": "start a process (",
}


@test
def all_attempts_that_hide_their_failure_are_stopped_and_named(tmp):
    need("landlock", "seccomp")
    wanted = [*HIDDEN.values(), *(v for v in PAST_PYTHON.values() if v)]
    attempt(tmp, *HIDDEN, *PAST_PYTHON, "secrets", "read", "read_ctypes", "listing", hide=True, says=[*wanted, "read /", "/secret"])


@test
def seccomp_alone_stops_all_of_them(tmp):
    need("seccomp")
    wanted = [*HIDDEN.values(), *(v for v in PAST_PYTHON.values() if v), "write a file (open", "remove a file (unlink)"]
    attempt(tmp, *HIDDEN, *PAST_PYTHON, hide=True, says=wanted, sandbox="seccomp")


@test
def landlock_alone_stops_files_programs_and_tcp(tmp):
    need("landlock")
    names = ["connect", "write", "overwrite", "remove", "folder", "execv", "execve_ctypes", "write_ctypes", "remove_ctypes",
             "parent_memory"]
    attempt(tmp, *names, hide=True, sandbox="landlock", says=["open a network connection", "/model/written", "run a program (/bin/sh)"])


@test
def the_attempts_succeed_without_a_sandbox(tmp):
    """So that the tests above can fail; and the summary never hides that there is none."""
    server = Server()
    folder = model_with(tmp, "connect", "connect_ctypes", "write", "permissions", "folder", "popen", "fork", "remove",
                        server=server.address)
    r = ok("export", "--model", folder, "--trust_remote_code", "--max_seq_len", "32", "-o", os.path.join(tmp, "out"),
           env={"ETCH_SANDBOX": "off"})
    assert "NOT SANDBOXED" in r.stderr, r.stderr
    assert {"written", "made", "ran"} <= set(os.listdir(folder)) and "generation_config.json" not in os.listdir(folder), os.listdir(folder)
    with open(os.path.join(tmp, "out", "report.json")) as f:
        assert any("NOT SANDBOXED" in note for note in json.load(f)["notes"])
    assert server.connections == 2, server.connections


def trusted_code_test(sandbox, attempts):
    def run(tmp):
        need(*({"landlock", "seccomp"} if sandbox == "all" else {sandbox}))
        folder = model_with(tmp, *attempts)
        out = os.path.join(tmp, "out")
        r = ok("export", "--model", folder, "--trust_remote_code", "--recipe", "portable", "--max_seq_len", "64", "-o", out,
               env={"ETCH_SANDBOX": sandbox, "HF_TOKEN": "hunter2"})
        assert ("sandbox" in r.stderr) == (sandbox != "all"), r.stderr
        ok("verify", os.path.join(out, "model.pte"), weights.golden("llama"), "--atol", "1e-4", "--rtol", "1e-4")
    run.__name__ = f"well_behaved_code_runs_with_{sandbox}"
    test(run)


trusted_code_test("all", ["scratch", "secrets"])
trusted_code_test("seccomp", ["secrets"])


@test
def a_link_out_of_the_folder_leads_nowhere(tmp):
    """As a cloned repository may have it; the blobs of the Hub's cache and linked weights are read."""
    need("landlock", "seccomp")
    folder = model_with(tmp, "linked")
    with open(os.path.join(tmp, "secret"), "w") as f:
        f.write("hunter2")
    os.symlink(os.path.join(tmp, "secret"), os.path.join(folder, "notes.json"))
    refused("trace", "--model", folder, "--trust_remote_code", says=["read ", "/secret"])
    cache = os.path.join(tmp, "models--a--b")
    shutil.move(folder, os.path.join(cache, "snapshots", "1"))
    os.makedirs(os.path.join(cache, "blobs"))
    for i, name in enumerate(os.listdir(os.path.join(cache, "snapshots", "1"))):
        path = os.path.join(cache, "snapshots", "1", name)
        shutil.move(path, os.path.join(cache, "blobs", str(i))) if name != "notes.json" else os.remove(path)
        if name != "notes.json":
            os.symlink(f"../../blobs/{i}", path)
    ok("trace", "--model", os.path.join(cache, "snapshots", "1"), "--trust_remote_code")


@test
def code_needs_the_flag(tmp):
    folder = model_with(tmp)
    refused("export", "--model", folder, "-o", os.path.join(tmp, "out"), says=["--trust_remote_code", "modeling_probe.py"],
            no_file=os.path.join(tmp, "out"))


@test
def code_of_another_repository_and_absent_code_are_named(tmp):
    for name, auto_map, says in (("a", {"AutoConfig": "someone/else--configuration_x.XConfig"}, ["another repository", "someone/else"]),
                                 ("b", {"AutoConfig": "configuration_gone.XConfig"}, ["configuration_gone.py", "not in the folder"])):
        folder = model_with(os.path.join(tmp, name), auto_map=auto_map)
        refused("trace", "--model", folder, "--trust_remote_code", says=says)


@test
def known_architectures_do_not_run_the_folders_code(tmp):
    folder = model_with(tmp, "write")
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["model_type"] = "llama"
    with open(path, "w") as f:
        json.dump(config, f)
    r = ok("trace", "--model", folder)
    assert "modeling_probe.py" in r.stderr and "was not used" in r.stderr, r.stderr


TASK = """
import os
MODEL = "AutoModelForCausalLM"


def methods(model, options):
    import torch

    try:
        os.system("true")
    except OSError:
        pass
    return {"forward": (lambda input_ids: model(input_ids).logits, {"input_ids": (torch.int64, (1, 4))}, ["logits"])}
"""


@test
def a_task_file_is_sandboxed_too(tmp):
    path = os.path.join(tmp, "task.py")
    with open(path, "w") as f:
        f.write(TASK)
    need("seccomp")
    refused("trace", "--model", weights.write_model("llama", os.path.join(tmp, "m")), "--task-file", path,
            says=["run a program (true)", "task.py:10"])


@test
def custom_code_without_a_place_to_write_is_refused(tmp):
    refused("trace", "--model", model_with(tmp), "--trust_remote_code", says=["scratch folder", "TMPDIR"],
            env={"TMPDIR": os.path.join(tmp, "nowhere")})


@test
def control_characters_of_a_model_do_not_reach_the_terminal(tmp):
    folder = model_with(tmp)
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["model_type"] = "\x1b]0;owned\x07\x9b31m"
    del config["auto_map"]
    with open(path, "w") as f:
        json.dump(config, f)
    r = refused("trace", "--model", folder, says=["owned"])
    assert not [c for c in r.stderr if c != "\n" and (ord(c) < 32 or 0x7f <= ord(c) < 0xa0)], repr(r.stderr)


@test
def an_unknown_sandbox_setting_is_refused(tmp):
    refused("trace", "--model", model_with(tmp), code=2, says=["ETCH_SANDBOX", "sometimes"], env={"ETCH_SANDBOX": "sometimes"})


main()
