"""text-generation: forward(input_ids i64[1, S], cache_position i64[S]) -> logits [1, S, V] over a static key-value cache.

The wrapper is transformers' own exportable module; S is symbolic in [1, max_seq_len - 1].
"""
from etch_trace import cache_shapes, custom, metadata, method, model
from etch_trace.report import TraceError

DEFAULT_MAX_SEQ_LEN = 2048
EXAMPLE = 8


def _positions(config):
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _padded(model, length):
    """transformers' own exportable module, its cache sized by what the model really stores in it."""
    from transformers.integrations.executorch import TorchExportableModuleForDecoderOnlyLM

    try:
        wrapper = TorchExportableModuleForDecoderOnlyLM(model, batch_size=1, max_cache_len=length).model
    except AttributeError as error:
        raise TraceError(f"the model keeps state that transformers' exportable module cannot hold ({' '.join(str(error).split())})",
                         kind="unsupported") from None
    cache_shapes.adjust(wrapper, model)
    return wrapper


def _growing(model, padded, length):
    from etch_trace.growing_cache import GrowingCacheModule

    cache = cache_shapes.of(padded)
    growing = GrowingCacheModule(model, len(cache.layers), length)
    growing.initialize([(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in cache.layers])
    return growing.eval()


class Task:
    name = "text-generation"
    options = {"dtype": "float32", "max_seq_len": None, "disable_dynamic_shapes": False, "use_custom_sdpa": False, "use_custom_kv_cache": False,
               "prefill_chunk": None, "logits": "all"}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForCausalLM  # noqa: B018  (resolved here, so that the import stage holds its time)

    @staticmethod
    def build(folder, options):
        return CausalLMExportableModule(folder, options)


class CausalLMExportableModule:
    def __init__(self, folder, options):
        from transformers import GenerationConfig

        config = model.read_config(folder)
        text = config.get_text_config()
        positions = _positions(text)
        length = options["max_seq_len"] or min(DEFAULT_MAX_SEQ_LEN, positions or DEFAULT_MAX_SEQ_LEN)
        if length < 2:
            raise TraceError(f"--max_seq_len {length}: at least 2 expected", kind="usage")
        text.use_cache = True
        config.use_cache = True
        self.model = model.load("AutoModelForCausalLM", folder, config, Task.name, dtype=options["dtype"])
        original = self.model.generation_config
        eos = metadata.eos_ids(text, original)
        self.model.generation_config = GenerationConfig(
            use_cache=True, cache_implementation="static", max_length=length, cache_config={"batch_size": 1, "max_cache_len": length},
            eos_token_id=eos, bos_token_id=getattr(original, "bos_token_id", None), pad_token_id=getattr(original, "pad_token_id", None))
        self.inner = self.padded = _padded(self.model, length)
        # A model class says whether a padded static cache is safe for it; the others see the filled part only.
        if not getattr(self.model, "_can_compile_fullgraph", True):
            self.inner = _growing(self.model, self.padded, length)
        self.length = length
        self.dynamic = not options["disable_dynamic_shapes"]
        sdpa, kv_cache = options["use_custom_sdpa"], options["use_custom_kv_cache"]
        self.chunk = self._chunk(options["prefill_chunk"], custom.ring_window(config) if sdpa and kv_cache else None)
        self.session = custom.Session(sdpa, kv_cache, length, self.chunk)
        if sdpa:
            custom.use_attention(self.model, self.session)
        if kv_cache:
            custom.replace_cache(self.inner, self.model, self.session)
        if options["logits"] == "last":
            self._keep_last_logits()
        self.metadata = metadata.common(
            text, self.model.generation_config, options["dtype"], get_max_seq_len=length, get_max_context_len=length, get_eos_ids=eos,
            use_sdpa_with_kv_cache=sdpa, enable_dynamic_shape=self.dynamic)

    def _chunk(self, asked, window):
        """Tokens that one call takes at most. A ring cache holds a window and a chunk, so the chunk defaults to the window there."""
        if not self.dynamic:
            if asked not in (None, 1):
                raise TraceError(f"--prefill_chunk {asked} contradicts --disable_dynamic_shapes, which takes one token a call", kind="usage")
            return 1
        if asked is not None:
            if asked >= self.length:
                raise TraceError(f"--prefill_chunk {asked} must be smaller than the cache length {self.length}", kind="usage")
            return asked
        return min(self.length - 1, window) if window else self.length - 1

    def _keep_last_logits(self):
        head = self.model.get_output_embeddings()
        if head is None:
            raise TraceError("--logits last: this model has no output embedding", kind="unsupported")
        head.register_forward_pre_hook(lambda module, args: (args[0][:, -1:, :], *args[1:]))

    def trace(self):
        """With a padded cache; a model that computes with the cache's length as a number is traced with a growing one instead."""
        from torch import _C

        try:
            return self._trace(self.inner)
        except Exception as error:
            if self.inner is not self.padded or self.session.sdpa or self.session.kv_cache:
                raise
            first = error
        _C.begin()
        try:
            self.inner = _growing(self.model, self.padded, self.length)
            self._trace(self.inner)
        except Exception:
            raise first from None

    def _trace(self, inner):
        import torch
        from torch import _C

        method.state(inner)
        size = _C.symbol("s0", 1, self.chunk, min(EXAMPLE, self.chunk)) if self.dynamic else 1
        inputs = {"input_ids": (torch.int64, [1, size]), "cache_position": (torch.int64, [size])}

        def call(input_ids, cache_position):
            if self.session.sdpa or self.session.kv_cache:
                self.session.begin(cache_position)
            return inner.forward(input_ids=input_ids, cache_position=cache_position)

        before = {key: buffer._version for key, buffer in inner.named_buffers(recurse=False)}
        method.trace("forward", inner, call, inputs, ["logits"])
        if all(buffer._version == before[key] for key, buffer in inner.named_buffers(recurse=False) if key.startswith("key_cache")):
            raise TraceError(cache_shapes.NO_CACHE, kind="unsupported")
        custom.check(self.session)
