"""A Hub id becomes a folder: `etch pull ID`, `--model ID`. {"pull": {...}} is the whole job; the text that comes out is the folder's path.

In: {"id", "revision", "token", "offline", "config_only", "code", "gguf_file"}. huggingface_hub does the talking: its cache, its stored
token, HF_ENDPOINT, HF_HUB_OFFLINE. Only what an export reads is fetched: configuration, tokenizer, safetensors, and code (*.py) if asked
for; never a pickle.
No code of a model runs here.
"""
import fnmatch
import os
import time

from etch_trace.report import TraceError, emit, note

CONFIG = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
          "modules.json", "*_Pooling/config.json", "quantize_config.json")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
             "merges.txt",
             "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja", "chat_template.json")
INDEX = "model.safetensors.index.json"
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", INDEX)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")


class _Job:
    def __init__(self, fields):
        self.id, self.revision, self.token = fields["id"], fields.get("revision"), fields.get("token")
        self.offline, self.config_only = bool(fields.get("offline")), bool(fields.get("config_only"))
        self.code, self.gguf_file = bool(fields.get("code")), fields.get("gguf_file")

    def patterns(self):
        names = [*CONFIG, *TOKENIZER]
        if self.gguf_file:
            names.append(self.gguf_file)
        elif not self.config_only:
            names += WEIGHTS
        return names + ["*.py"] if self.code else names

    def at(self):
        return f" at revision '{self.revision}'" if self.revision else ""


def _endpoint():
    from huggingface_hub import constants

    return constants.ENDPOINT


def _is_network(error):
    package = type(error).__module__.split(".")[0]
    return isinstance(error, (ConnectionError, TimeoutError)) or package in ("httpx", "httpx2", "httpcore", "requests", "urllib3")


def _explain(job, error):
    """One sentence for what the package raises."""
    from huggingface_hub import errors

    where, name = _endpoint(), f"{job.id}{job.at()}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.HFValidationError):
        return f"'{job.id}' is neither a folder nor a Hub id (NAME or OWNER/NAME)", "usage"
    if isinstance(error, errors.GatedRepoError):
        return (f"{name} is gated: accept its terms at {where}/{job.id}, then give your token (--token, HF_TOKEN, or 'hf auth login')",
                "invalid")
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{job.id} has no revision '{job.revision or 'main'}'", "not_found"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no model {job.id} at {where}; if it is private, give a token (--token, HF_TOKEN)", "not_found"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{name} is not in the cache, or not all of it, and nothing may be downloaded (--offline, HF_HUB_OFFLINE)", "not_found"
    if status == 401:
        return f"{where} does not accept the token", "invalid"
    if status is not None:
        return f"{where} answered {status} for {name}", "invalid"
    if _is_network(error):
        why = " ".join(str(error).split()) or type(error).__name__
        return f"{where} cannot be reached ({why}), and {name} is not in the cache", "invalid"
    return f"{name}: {' '.join(str(error).split()) or type(error).__name__}", "invalid"


def _bars():
    """A tqdm class that draws nothing and tells the parent how many bytes are there."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0

    class Bar(tqdm):
        said = 0.0

        def display(self, *args, **kwargs):
            return True

        def update(self, n=1):
            super().update(n)
            now = time.monotonic()
            if self.unit == "B" and self.total and now - Bar.said > 0.1:
                Bar.said = now
                emit(progress={"done": int(self.n), "total": int(self.total)})

    return Bar


def _chosen(job, files):
    """Exact names. Weights under other names than transformers' are taken when there are no others."""
    names = [f for f in files if any(fnmatch.fnmatchcase(f, p) for p in job.patterns())]
    if job.config_only or job.gguf_file:
        return names
    if not any(f.endswith(".safetensors") for f in names):
        names += [f for f in files if f.endswith(".safetensors") and "/" not in f]
    return names


def _check(job, files):
    """`files`: what the repository, or its cached copy, holds."""
    if job.gguf_file:
        if job.gguf_file not in files:
            there = sorted(f for f in files if f.endswith(".gguf"))
            raise TraceError(f"{job.id}{job.at()} has no file {job.gguf_file}" + (f"; it has {', '.join(there[:6])}" if there else ""),
                             kind="not_found")
        return
    if "config.json" not in files:
        gguf = sorted(f for f in files if f.endswith(".gguf"))
        raise TraceError(f"{job.id}{job.at()} is no Transformers model: it has no config.json" +
                         (f"; for one of its GGUF files say --gguf_file {gguf[0]}" if gguf else ""), kind="unsupported")
    if job.config_only or any(f.endswith(".safetensors") for f in files):
        return
    pickled = [f for f in files if any(fnmatch.fnmatchcase(f, p) for p in PICKLES)]
    if pickled:
        raise TraceError(f"{job.id}{job.at()} holds its weights as {pickled[0]} only, which etch does not read: it takes safetensors "
                         f"(load the model with "
                         "transformers and save_pretrained it, or look for a revision with safetensors)", kind="unsupported")
    raise TraceError(f"{job.id}{job.at()} has no weights (*.safetensors)", kind="not_found")


def _files_of(folder):
    return {os.path.relpath(os.path.join(d, f), folder).replace(os.sep, "/") for d, _, names in os.walk(folder) for f in names}


def _cached(job):
    """From the cache alone; complete, or an error."""
    import json

    from huggingface_hub import snapshot_download

    folder = snapshot_download(job.id, revision=job.revision, local_files_only=True, allow_patterns=job.patterns())
    files = _files_of(folder)
    _check(job, files)
    if INDEX in files and not job.config_only and not job.gguf_file:
        with open(os.path.join(folder, INDEX), encoding="utf-8") as f:
            try:
                shards = set(json.load(f)["weight_map"].values())
            except (ValueError, KeyError, AttributeError, TypeError):
                raise TraceError(f"{job.id}: {INDEX} in the cache is not valid") from None
        missing = sorted(s for s in shards if s not in files)
        if missing:
            more = f" and {len(missing) - 1} more files" if missing[1:] else ""
            raise TraceError(f"{job.id}{job.at()} is in the cache without {missing[0]}{more}", kind="not_found")
    return folder


def _fetched(job):
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi(token=job.token).model_info(job.id, revision=job.revision)
    files = {s.rfilename for s in info.siblings or ()}
    _check(job, files)
    folder = snapshot_download(job.id, revision=job.revision, token=job.token, allow_patterns=_chosen(job, files), tqdm_class=_bars())
    _check(job, _files_of(folder))
    return folder


def _resolve(job):
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError

    if job.offline or constants.HF_HUB_OFFLINE:
        return _cached(job)
    try:
        return _fetched(job)
    except HfHubHTTPError:
        raise
    except Exception as error:
        if isinstance(error, TraceError) or not _is_network(error):
            raise
        try:
            folder = _cached(job)
        except Exception:
            raise error from None
        note(f"{_endpoint()} cannot be reached; the copy in the cache is used")
        return folder


def pull(fields):
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="0", HF_HUB_VERBOSITY="error")
    job = _Job(fields)
    emit(stage="download")
    try:
        import huggingface_hub  # noqa: F401
    except ModuleNotFoundError:
        import sys

        raise TraceError(f"{sys.executable} has no huggingface_hub package, which Hub ids need; install it there or give a folder",
                         kind="not_found") from None
    try:
        return _resolve(job)
    except TraceError:
        raise
    except Exception as error:
        message, kind = _explain(job, error)
        raise TraceError(message, kind=kind) from None
