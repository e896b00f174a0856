"""feature-extraction: forward(input_ids i64[1, S], attention_mask i64[1, S]) -> last_hidden_state [1, S, D], and sentence_embedding [1, E]
when the folder says how the states become one vector (modules.json, as sentence-transformers writes it). S symbolic up to the model's
positions - 1. Of an encoder-decoder model it is the encoder's states."""
from etch_trace import metadata, method, model, pooling

EXAMPLE = 8
MAX_SEQ_LEN = 2048


class Task:
    name = "feature-extraction"
    options = {"dtype": "float32", "disable_dynamic_shapes": False, "max_seq_len": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModel  # noqa: B018

    @staticmethod
    def build(folder, options):
        return FeatureExtractionExportableModule(folder, options)


class FeatureExtractionExportableModule:
    def __init__(self, folder, options):
        config = model.read_config(folder)
        self.steps = pooling.read(folder)
        self.model = model.load("AutoModel", folder, config, Task.name, dtype=options["dtype"])
        self.reader = self.model.get_encoder() if getattr(config, "is_encoder_decoder", False) else self.model
        text = config.get_text_config()
        positions = getattr(text, "max_position_embeddings", None)
        length = options["max_seq_len"] or min(MAX_SEQ_LEN, positions if isinstance(positions, int) else MAX_SEQ_LEN)
        self.longest = max(length - 1, 1)
        self.dynamic = not options["disable_dynamic_shapes"]
        self.metadata = metadata.common(text, getattr(self.model, "generation_config", None), options["dtype"], get_max_seq_len=length,
                                        use_kv_cache=False, enable_dynamic_shape=self.dynamic)

    def _forward(self, input_ids, attention_mask):
        caches = self.reader is self.model and hasattr(self.model.config.get_text_config(), "use_cache")
        cache = {"use_cache": False} if caches else {}
        states = self.reader(input_ids=input_ids, attention_mask=attention_mask, **cache).last_hidden_state
        out = {"last_hidden_state": states}
        if self.steps:
            out["sentence_embedding"] = pooling.apply(self.steps, states, attention_mask)
        return out

    def trace(self):
        import torch
        from torch import _C

        size = _C.symbol("s0", 1, self.longest, min(EXAMPLE, self.longest)) if self.dynamic else self.longest
        inputs = {"input_ids": (torch.int64, [1, size]), "attention_mask": (torch.int64, [1, size])}
        method.trace("forward", self.model, self._forward, inputs)
