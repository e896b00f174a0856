"""`etch pull` and Hub ids as --model, against a server on 127.0.0.1 that speaks what huggingface_hub asks of the Hub, and against a
prepared cache.

    python tests/hub.py BUILD [NAME_PART ...]
"""
import hashlib
import http.server
import json
import os
import threading
import urllib.parse

from harness import TINY, main, ok, refused, sha, test

SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories by id: {"files": {name: bytes}, "gated": bool, "token": str or None, "revisions": (names)}."""

    def __init__(self, **repositories):
        self.repositories = repositories
        self.requests = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_port

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def _send(h, status, content=b"", body=True, **headers):
        h.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
            h.send_header(key, value)
        h.end_headers()
        if body:
            h.wfile.write(content)

    def answer(self, h, body):
        path = urllib.parse.unquote(h.path.split("?")[0]).strip("/")
        self.requests.append(path)
        api = path.startswith("api/models/")
        parts = path[len("api/models/"):].split("/") if api else path.split("/")
        name = next((n for n in self.repositories if f"{'/'.join(parts)}/".startswith(n + "/")), None)
        repo = self.repositories.get(name)
        if repo is None:
            return self._send(h, 404, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        if repo.get("status"):
            return self._send(h, repo["status"])
        if repo.get("token") and h.headers.get("Authorization") != f"Bearer {repo['token']}":
            return self._send(h, 403 if repo.get("gated") else 404, X_Error_Code="GatedRepo" if repo.get("gated") else "RepoNotFound")
        kind, revision, *rest = ("/".join(parts)[len(name) + 1:] or "revision/main").split("/")
        if revision not in ("main", SHA, *repo.get("revisions", ())):
            return self._send(h, 404, X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
        files = repo["files"]
        if api and kind == "revision":
            told = {"id": name, "modelId": name, "sha": SHA, "private": False, "tags": [], "downloads": 0, "likes": 0,
                    "siblings": [{"rfilename": f} for f in files]}
        elif api and kind == "tree":
            told = [{"type": "file", "path": f, "size": len(c), "oid": hashlib.sha1(c).hexdigest()} for f, c in files.items()]
        elif not api and kind == "resolve" and "/".join(rest) in files:
            content = files["/".join(rest)]
            return self._send(h, 200, content, body, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=SHA)
        else:
            return self._send(h, 404, X_Error_Code="EntryNotFound")
        return self._send(h, 200, json.dumps(told).encode(), body, Content_Type="application/json")


def files_of(folder, *names):
    out = {}
    for name in names or os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            out[name] = f.read()
    return out


def settings(tmp, hub=None, **more):
    """A cache of its own, no token, and the test's server."""
    env = {"HF_HOME": os.path.join(tmp, "hf"), "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0",
           "HF_TOKEN": "", **more}
    return {"env": env}


@test
def pull_takes_what_an_export_reads_and_the_cache_serves_offline(tmp):
    tiny = files_of(TINY)
    hub = Hub(**{"someone/tiny": {"files": {**tiny, "pytorch_model.bin": b"pickle", "consolidated.safetensors": b"other",
                                            "modeling_x.py": b"code",
                                            "README.md": b"text", "onnx/model.onnx": b"onnx"}, "revisions": ("v1",)}})
    try:
        r = ok("pull", "someone/tiny", "--revision", "v1", **settings(tmp, hub))
        folder = r.stdout.strip()
        assert set(os.listdir(folder)) == {n for n in tiny
                                           if n.endswith((".json", ".safetensors", ".jinja", ".txt"))} - {"README.md"}, os.listdir(folder)
        asked = [p for p in hub.requests if "/resolve/" in p]
        assert not [p for p in asked if p.endswith((".bin", ".py", ".onnx", ".md", "consolidated.safetensors"))], asked
        for name in ("config.json", "model.safetensors"):
            assert sha(os.path.join(folder, name)) == sha(os.path.join(TINY, name)), name
    finally:
        hub.close()
    # The server is gone. By id, from the cache, the same program as from the folder.
    ok("export", "--model", TINY, "--recipe", "portable", "-o", os.path.join(tmp, "a"))
    ok("export", "--model", "someone/tiny", "--revision", "v1", "--offline", "--recipe", "portable", "-o", os.path.join(tmp, "b"),
       **settings(tmp))
    assert sha(os.path.join(tmp, "a", "model.pte")) == sha(os.path.join(tmp, "b", "model.pte"))
    assert os.path.exists(os.path.join(tmp, "b", "tokenizer.json"))
    assert ok("pull", "someone/tiny", "--revision", "v1", **settings(tmp, HF_HUB_OFFLINE="1")).stdout.strip() == folder
    r = ok("pull", "someone/tiny", "--revision", "v1", **settings(tmp))
    assert r.stdout.strip() == folder and "cannot be reached; the copy in the cache is used" in r.stderr, r.stderr
    refused("pull", "someone/tiny", "--offline", says=["not in the cache"], **settings(tmp))  # main was never fetched


@test
def check_of_an_id_fetches_no_weights(tmp):
    hub = Hub(**{"tiny": {"files": files_of(TINY)}})
    try:
        r = ok("check", "--model", "tiny", "--json", **settings(tmp, hub))
        assert json.loads(r.stdout)["from"] == "config", r.stdout[:300]
        assert not [p for p in hub.requests if p.endswith(".safetensors")], hub.requests
        refused("export", "--model", "tiny", "--offline", "-o", os.path.join(tmp, "out"), says=["not in the cache, or not all of it"],
                no_file=os.path.join(tmp, "out"), **settings(tmp))
    finally:
        hub.close()


@test
def errors_are_one_clear_line(tmp):
    config = files_of(TINY, "config.json")
    hub = Hub(**{
        "o/gated": {"files": config, "token": "sesame", "gated": True}, "o/private": {"files": files_of(TINY), "token": "sesame"},
        "o/pickles": {"files": {**config, "pytorch_model.bin": b"x"}}, "o/empty": {"files": config}, "o/other": {"files": {"a.gguf": b"x"}},
        "o/broken": {"files": config, "status": 500},
    })
    try:
        for args, code, says in (
            (["o/nothing"], 1, ["there is no model o/nothing"]), (["o/gated"], 1, ["o/gated is gated", "--token"]),
            (["o/private"], 1, ["there is no model o/private", "token"]),
            (["o/private", "--revision", "gone", "--token", "sesame"], 1, ["no revision 'gone'"]),
            (["o/pickles"], 1, ["pytorch_model.bin", "safetensors"]), (["o/empty"], 1, ["no weights"]),
            (["o/other"], 1, ["no config.json", "--gguf_file a.gguf"]),
            (["o/other", "--gguf_file", "b.gguf"], 1, ["no file b.gguf", "a.gguf"]), (["a/b/c"], 2, ["neither a folder nor a Hub id"]),
        ):
            r = refused("pull", *args, code=code, says=says, **settings(tmp, hub))
            assert "Traceback" not in r.stderr and len(r.stderr.strip().splitlines()) <= 2, r.stderr
        r = ok("pull", "o/private", "--config_only", **settings(tmp, hub, HF_TOKEN="sesame"))
        assert "sesame" not in r.stdout + r.stderr
    finally:
        hub.close()
    refused("trace", "--model", "o/private", says=["'o/private' is taken for a Hub id", "cannot be reached"],
            **settings(os.path.join(tmp, "fresh")))
    refused("trace", "--model", TINY, "--revision", "v1", code=2, says=["--revision is for models of the Hub"])


main()
