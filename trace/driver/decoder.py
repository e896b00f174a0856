"""The language model of the generating tasks: a decoder over a static key-value cache.

    METHOD(input_ids i64[1, S] or inputs_embeds [1, S, D], cache_position i64[S]) -> logits [1, S, V]

The wrapper is transformers' own exportable module; S is symbolic in [1, max_seq_len - 1], or in [1, --prefill_chunk].
"""
from etch_trace import cache_shapes, carried_state, custom, metadata, method, report
from etch_trace.report import TraceError

DEFAULT_MAX_SEQ_LEN = 2048
EXAMPLE = 8
DEAR = 2  # times the work of one token that a call for any number may cost when it is given one
OPTIONS = {"max_seq_len": None, "disable_dynamic_shapes": False, "use_custom_sdpa": False, "use_custom_kv_cache": False,
           "prefill_chunk": None,
           "logits": "all"}


def _positions(config):
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def prepare(config, options):
    """Before the model is built: caching on in the config. Gives the cache length in tokens."""
    text = config.get_text_config()
    positions = _positions(text)
    length = options["max_seq_len"] or min(DEFAULT_MAX_SEQ_LEN, positions or DEFAULT_MAX_SEQ_LEN)
    if length < 2:
        raise TraceError(f"--max_seq_len {length}: at least 2 expected", kind="usage")
    text.use_cache = True
    config.use_cache = True
    return length


def _refuse_encoder(model):
    """Blocks that serve encoders and decoders say which of them they were built for; an encoder's let each token see the later ones."""
    for name, block in model.get_decoder().named_modules():
        if name and getattr(block, "is_decoder", None) is False:
            raise TraceError(f"{type(block).__name__} was built for an encoder, in which each token sees the later ones: config.json does "
                             f"not say "
                             '"is_decoder": true. If the weights are those of a decoder, add it; else another --task fits (fill-mask, '
                             "feature-extraction)", kind="unsupported")


class CachedDecoder:
    """`width` None: token ids go in; else embeddings of that width. metadata: the constant methods that a runner of a decoder looks up."""

    def __init__(self, model, length, options, width=None):
        from transformers import GenerationConfig

        self.model, self.length, self.width = model, length, width
        _refuse_encoder(model)
        text = model.config.get_text_config()
        original = model.generation_config
        eos = metadata.eos_ids(text, original)
        model.generation_config = GenerationConfig(
            use_cache=True, cache_implementation="static", max_length=length, cache_config={"batch_size": 1, "max_cache_len": length},
            eos_token_id=eos, bos_token_id=getattr(original, "bos_token_id", None), pad_token_id=getattr(original, "pad_token_id", None))
        self.dynamic = not options["disable_dynamic_shapes"]
        sdpa, kv_cache = options["use_custom_sdpa"], options["use_custom_kv_cache"]
        self.asked_chunk = options["prefill_chunk"]
        self.chunk = self._chunk(self.asked_chunk, custom.ring_window(model.config) if sdpa and kv_cache else None)
        self.session = custom.Session(sdpa, kv_cache, length, self.chunk)
        if sdpa:
            custom.use_attention(model, self.session)
        self.padded = None
        self.inner = self._carried() if carried_state.needed(model, length) else self._by_position()
        if options["logits"] == "last":
            self._keep_last_logits()
        self.metadata = metadata.common(
            text, model.generation_config, options["dtype"], get_max_seq_len=length, get_max_context_len=length, get_eos_ids=eos,
            use_sdpa_with_kv_cache=sdpa, enable_dynamic_shape=self.dynamic)

    def _by_position(self):
        """For keys and values only. The language model's class says whether a padded static cache is safe for it; the others see the filled
        part only."""
        self.padded = inner = self._padded()
        if not getattr(self.model.get_decoder(), "_can_compile_fullgraph", True):
            inner = self._growing()
        if self.session.kv_cache:
            custom.replace_cache(inner, self.model, self.session)
        return inner

    def _carried(self):
        layer = (lambda: custom.layer_class()(self.session, self.length, False)) if self.session.kv_cache else None
        self.session.begin_trial()
        growing = not getattr(self.model.get_decoder(), "_can_compile_fullgraph", True)
        make = carried_state.CarriedStateModule
        return make(self.model, self.length, lambda: self._example(1), growing, layer).prepare().eval()

    def _example(self, count=2):
        """Inputs of a trial call of so many tokens."""
        import torch
        from torch import _C

        ids = _C.input("input_ids", torch.int64, [1, count])
        return {"input_ids": ids} if self.width is None else {"inputs_embeds": self.model.get_input_embeddings()(ids)}

    def _padded(self):
        """transformers' own exportable module, its cache sized by what the model really stores in it."""
        from transformers.integrations.executorch import TorchExportableModuleForDecoderOnlyLM

        wrapper = TorchExportableModuleForDecoderOnlyLM(self.model, batch_size=1, max_cache_len=self.length).model
        cache_shapes.adjust(wrapper, self.model, self._example)
        return wrapper

    def _growing(self):
        from etch_trace.growing_cache import GrowingCacheModule

        cache = cache_shapes.of(self.padded)
        growing = GrowingCacheModule(self.model, len(cache.layers), self.length)
        growing.initialize([(layer.keys.shape[1], layer.keys.shape[3], layer.values.shape[3]) for layer in cache.layers])
        return growing.eval()

    def _chunk(self, asked, window):
        """Tokens that one call takes at most. A ring cache holds a window and a chunk, so the chunk defaults to the window there."""
        if not self.dynamic:
            if asked not in (None, 1):
                raise TraceError(f"--prefill_chunk {asked} contradicts --disable_dynamic_shapes, which takes one token a call",
                                 kind="usage")
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

    def size(self):
        """Tokens of one call: a symbol, or 1."""
        from torch import _C

        return _C.symbol("s0", 1, self.chunk, min(EXAMPLE, self.chunk)) if self.dynamic else 1

    def attempt(self, trace):
        """trace() calls self.trace, perhaps among other methods. A model that computes with the padded cache's length as a number is traced
        again, with a growing cache."""
        from torch import _C

        if isinstance(self.inner, carried_state.CarriedStateModule):
            return self._attempt_carried(trace)
        try:
            return trace()
        except Exception as error:
            if self.inner is not self.padded or self.session.sdpa or self.session.kv_cache:
                raise
            first = error
        _C.begin()
        try:
            self.inner = self._growing()
            trace()
        except Exception:
            raise first from None

    def _attempt_carried(self, trace):
        """Any number of tokens a call where the model's code for several goes on from its state and costs little more, for one, than its
        code for one; else one token a call. --prefill_chunk accepts the cost."""
        from torch import _C

        dynamic, self.dynamic = self.dynamic, False
        asked, self.chunk = self.chunk, 1
        trace()
        unread = self.inner.unread()
        if unread:
            raise TraceError(f"the model writes {unread[0]} but never reads it", kind="unsupported")
        if not dynamic:
            return
        one = _C.work(1)
        self.dynamic, self.chunk = True, asked
        why = self._against_many(trace, one)
        if why is None:
            return
        if self.asked_chunk:
            raise TraceError(f"--prefill_chunk {self.asked_chunk}: {why}", kind="unsupported")
        report.note(f"one token a call: {why}")
        self.dynamic, self.chunk = False, 1
        self.metadata["enable_dynamic_shape"] = False
        self._again()
        trace()

    def _again(self):
        from torch import _C

        _C.begin()
        self.session.begin_trial()
        self.inner = self.inner.again()

    def _against_many(self, trace, one):
        """Traces any number of tokens; the reason when that is not to be had. `one`: the work of the code for one token."""
        from torch import _C

        self._again()
        try:
            trace()
        except Exception as error:
            return f"the model's code for several tokens cannot be recorded for any number of them ({report.describe_short(error)})"
        unread = self.inner.unread()
        if unread:
            return f"the model's code for several tokens does not go on from {unread[0]}"
        cost = _C.work(1) / max(one, 1)
        if cost > DEAR and not self.asked_chunk:
            return (f"the model's code for several tokens computes {cost:.0f} times as much for one "
                    "(--prefill_chunk N takes it all the same)")
        return None

    def trace(self, name):
        import torch

        inner, size = self.inner, self.size()
        method.state(inner)
        tokens = {"input_ids": (torch.int64, [1, size])}
        if self.width is not None:
            tokens = {"inputs_embeds": (self.model.dtype, [1, size, self.width])}

        def call(cache_position, **tokens):
            if self.session.sdpa or self.session.kv_cache:
                self.session.begin(cache_position)
            return inner.forward(cache_position=cache_position, **tokens)

        before = {key: buffer._version for key, buffer in inner.named_buffers(recurse=False)}
        method.trace(name, inner, call, {**tokens, "cache_position": (torch.int64, [size])}, ["logits"])
        kept = [(key, buffer) for key, buffer in inner.named_buffers(recurse=False) if key.startswith(("key_cache", "state_"))]
        if all(buffer._version == before[key] for key, buffer in kept):
            raise TraceError(cache_shapes.NO_CACHE, kind="unsupported")
        self.session.end()
        custom.check(self.session)
