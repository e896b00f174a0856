"""Encoder-decoder models: methods encoder, text_decoder and sampler, as the official exporter names them.

    encoder(input) -> hidden states [1, T, D]       input: i64[1, T] ids (T symbolic), or the features that the processor's config describes
    text_decoder(decoder_input_ids i64[1, 1], encoder_hidden_states [1, T, D], cache_position i64[1]) -> logits [1, 1, V]
    sampler(logits [1, 1, V]) -> i64[1, 1]

The decoder keeps its own keys and values in a static cache; those of the encoder's states are computed again in each call, so that there is
no state to fill before the first step.
"""
import torch

from etch_trace import assumptions, cache_shapes, inputs, metadata, method, model
from etch_trace.growing_cache import FilledLayer
from etch_trace.report import TraceError

MAX_SEQ_LEN = 1024
MAX_HIDDEN = 4096
EXAMPLE = 10
# The decoder's own keys and values: padded to their length, with the position as a tensor; the same, with the position as a number, for
# models that compute sizes with it; the filled part only, for those whose positions count what the cache shows.
CACHES = ("padded", "counting", "growing")


def _counting_layer(length):
    """A static layer that tells its position as a number, for models that compute sizes with it."""
    from transformers.cache_utils import StaticLayer

    class CountingLayer(StaticLayer):
        past = 0

        def get_seq_length(self):
            return self.past

    return CountingLayer(length)


class Decoder(torch.nn.Module):
    def __init__(self, whole, length, encoded, cache):
        """encoded: the class of what the encoder returns; cache: one of CACHES."""
        super().__init__()
        self.model, self.encoded, self.cache = whole, encoded, cache
        self.dtype, self.config, self.length = whole.dtype, whole.config, length
        self.layers = self._layers()

    def _layers(self, is_trial=False):
        from transformers.cache_utils import DynamicLayer, StaticCache, StaticLayer

        kinds = StaticCache(config=self.config.get_text_config(decoder=True), max_cache_len=self.length).layers
        if is_trial and self.cache == "growing":
            return [DynamicLayer() for _ in kinds]
        make = {"padded": StaticLayer, "counting": _counting_layer, "growing": FilledLayer}[self.cache]
        return [make(self.length) for _ in kinds]

    def _call(self, layers, ids, states):
        from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache

        cache = EncoderDecoderCache(Cache(layers=layers), DynamicCache(config=self.config))
        # The whole model, given what the encoder said: it may scale or shift what its decoder and head give.
        encoded = self.encoded(last_hidden_state=states)
        return self.model(decoder_input_ids=ids, encoder_outputs=encoded, past_key_values=cache, use_cache=True).logits

    def initialize(self, width):
        """Sizes of the cache by a trial call, then zeros under the names that the program's state has."""
        from torch import _C

        trial = self._layers(is_trial=True)
        _C.method("trial")
        with torch.compiler.exporting():
            self._call(trial, _C.input("decoder_input_ids", torch.int64, [1, 1]),
                       _C.input("encoder_hidden_states", self.dtype, [1, 2, width]))
        _C.begin()
        for i, (layer, seen) in enumerate(zip(self.layers, trial)):
            if not seen.is_initialized:
                raise TraceError(cache_shapes.NO_CACHE, kind="unsupported")
            layer.lazy_initialization(torch.zeros((1, seen.keys.shape[1], 0, seen.keys.shape[3]), dtype=self.dtype),
                                      torch.zeros((1, seen.values.shape[1], 0, seen.values.shape[3]), dtype=self.dtype))
            self.register_buffer(f"self_attention_key_cache_{i}", layer.keys, persistent=False)
            self.register_buffer(f"self_attention_value_cache_{i}", layer.values, persistent=False)
            if self.cache != "growing":
                self.register_buffer(f"cumulative_length_{i}", layer.cumulative_length, persistent=False)

    def forward(self, decoder_input_ids, encoder_hidden_states, cache_position):
        past = 0 if self.cache == "padded" else assumptions.start(cache_position, self.length)
        for layer in self.layers:
            layer.past = past
            if self.cache != "growing":
                layer.cumulative_length.copy_(cache_position[0])
        return self._call(self.layers, decoder_input_ids, encoder_hidden_states)


class Seq2SeqLMExportableModule:
    def __init__(self, auto_class, task, folder, options):
        config = model.read_config(folder)
        self.model = model.load(auto_class, folder, config, task, dtype=options["dtype"])
        self.encoder = self.model.get_encoder()
        text = config.get_text_config(decoder=True)
        positions = next((v for v in (getattr(text, n, None) for n in ("max_target_positions", "max_position_embeddings"))
                          if isinstance(v, int)), None)
        self.length = options["max_seq_len"] or min(MAX_SEQ_LEN, positions or MAX_SEQ_LEN)
        self.folder, self.config, self.text = folder, config, text
        generation = getattr(self.model, "generation_config", None)
        # The decoder's part of a config may have no start, or its class's default.
        starts = [getattr(c, "decoder_start_token_id", None) for c in (generation, config, text)]
        start = next((v for v in starts if isinstance(v, int)), None)
        self.metadata = metadata.common(text, generation, options["dtype"], get_max_seq_len=self.length, decoder_start_token_id=start,
                                        get_eos_ids=metadata.eos_ids(text, generation))

    def _features(self):
        """[channels, frames] of the input features: from the processor's config, else from the encoder's positions (two frames each)."""
        processor = inputs.processor(self.folder)
        if isinstance(processor.get("feature_size"), int) and isinstance(processor.get("nb_max_frames"), int):
            return [processor["feature_size"], processor["nb_max_frames"]]
        bins, positions = getattr(self.config, "num_mel_bins", None), getattr(self.config, "max_source_positions", None)
        if not bins or not positions:
            raise TraceError("the size of the input features is not known: the model folder has no preprocessor_config.json",
                             kind="unsupported")
        return [bins, 2 * positions]

    def _encoder_input(self):
        from torch import _C

        name = getattr(self.encoder, "main_input_name", None) or self.model.main_input_name
        if name != "input_ids":
            return name, (self.model.dtype, [1, *self._features()])
        positions = getattr(self.config, "max_position_embeddings", None)
        longest = min(MAX_HIDDEN, positions) if isinstance(positions, int) and positions > 1 else MAX_HIDDEN
        return name, (torch.int64, [1, _C.symbol("s0", 1, longest, min(EXAMPLE, longest))])

    def trace(self):
        """With the first of CACHES that the decoder's code can do with; the first one's reason when none is."""
        from torch import _C

        first = None
        for cache in CACHES:
            _C.begin()
            try:
                return self._trace(cache)
            except Exception as error:
                first = first or error
        raise first from None

    def _encoded(self):
        """The class of what the encoder returns, from a trial call."""
        from torch import _C

        name, (dtype, shape) = self._encoder_input()
        for self.masked in (False, True):
            _C.method("trial")
            try:
                return type(self._encode(**{name: _C.input(name, dtype, list(shape))}))
            except Exception:
                if self.masked or name != "input_ids":
                    raise
            finally:
                _C.begin()

    def _encode(self, **inputs):
        """Some encoders make no mask of their own when they are exported: they are given one that hides nothing."""
        mask = {"attention_mask": torch.ones(list(inputs["input_ids"].shape), dtype=torch.int64)} if self.masked else {}
        with torch.compiler.exporting():
            return self.encoder(**inputs, **mask)

    def _trace(self, cache):
        from torch import _C

        decoder = Decoder(self.model, self.length, self._encoded(), cache).eval()
        width = getattr(self.text, "d_model", None) or self.text.hidden_size
        decoder.initialize(width)
        method.state(decoder)
        name, spec = self._encoder_input()
        hidden = {}

        def encode(**inputs):
            out = self._encode(**inputs).last_hidden_state
            hidden["shape"] = list(out.shape)
            return out

        method.trace("encoder", self.encoder, encode, {name: spec}, ["last_hidden_state"])
        states = hidden["shape"]
        if isinstance(states[1], torch.SymInt) and str(states[1]) != "s0":  # an encoder that pads gives another length than it was given
            states[1] = _C.symbol("s1", *states[1].range, states[1].example)
        taken = {"decoder_input_ids": (torch.int64, [1, 1]), "encoder_hidden_states": (self.model.dtype, states),
                 "cache_position": (torch.int64, [1])}
        method.trace("text_decoder", decoder, decoder.forward, taken, ["logits"])
        _C.method("sampler")
        logits = _C.input("logits", self.model.dtype, [1, 1, self.text.vocab_size])
        _C.output("token", torch.argmax(logits, dim=-1))
