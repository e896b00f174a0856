"""text-generation: forward(input_ids i64[1, S], cache_position i64[S]) -> logits [1, S, V] over a static key-value cache.

The wrapper is transformers' own exportable module; S is symbolic in [1, max_seq_len - 1].
"""
from etch_trace import metadata, method, model
from etch_trace.report import TraceError

DEFAULT_MAX_SEQ_LEN = 2048
EXAMPLE = 8


def _positions(config):
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


class Task:
    name = "text-generation"
    options = {"dtype": "float32", "max_seq_len": None, "disable_dynamic_shapes": False, "use_custom_sdpa": False, "use_custom_kv_cache": False}

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
        from transformers.integrations.executorch import TorchExportableModuleForDecoderOnlyLM

        for flag in ("use_custom_sdpa", "use_custom_kv_cache"):
            if options[flag]:
                raise TraceError(f"--{flag} is not available yet", kind="unsupported")
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
        self.wrapper = TorchExportableModuleForDecoderOnlyLM(self.model, batch_size=1, max_cache_len=length)
        self.length = length
        self.dynamic = not options["disable_dynamic_shapes"]
        self.metadata = metadata.common(
            text, self.model.generation_config, options["dtype"], get_max_seq_len=length, get_max_context_len=length, get_eos_ids=eos,
            enable_dynamic_shape=self.dynamic)

    def trace(self):
        import torch
        from torch import _C

        inner = self.wrapper.model
        method.state(inner)
        size = _C.symbol("s0", 1, self.length - 1, min(EXAMPLE, self.length - 1)) if self.dynamic else 1
        inputs = {"input_ids": (torch.int64, [1, size]), "cache_position": (torch.int64, [size])}
        method.trace("forward", inner, inner.forward, inputs, ["logits"])
