"""fill-mask: forward(input_ids i64[1, S], attention_mask i64[1, S]) -> logits [1, S, V]; S symbolic up to the model's positions - 1."""
from etch_trace import metadata, method, model

EXAMPLE = 8


class Task:
    name = "fill-mask"
    options = {"dtype": "float32", "disable_dynamic_shapes": False, "max_seq_len": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForMaskedLM  # noqa: B018

    @staticmethod
    def build(folder, options):
        return MaskedLMExportableModule(folder, options)


class MaskedLMExportableModule:
    auto_class, task = "AutoModelForMaskedLM", Task.name

    def __init__(self, folder, options):
        config = model.read_config(folder)
        self.model = model.load(self.auto_class, folder, config, self.task, dtype=options["dtype"])
        positions = options["max_seq_len"] or getattr(config, "max_position_embeddings", 64)
        self.longest = max(positions - 1, 1)
        self.dynamic = not options["disable_dynamic_shapes"]
        self.metadata = metadata.common(config, getattr(self.model, "generation_config", None), options["dtype"],
                                        enable_dynamic_shape=self.dynamic)

    def trace(self):
        import torch
        from torch import _C

        size = _C.symbol("s0", 1, self.longest, min(EXAMPLE, self.longest)) if self.dynamic else self.longest
        inputs = {"input_ids": (torch.int64, [1, size]), "attention_mask": (torch.int64, [1, size])}
        method.trace("forward", self.model, self.model, inputs)
