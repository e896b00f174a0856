"""multimodal-text-to-text: image or audio, and text, to text.

    vision_encoder(pixel_values) or audio_encoder(input_features) -> embeddings [1, N, D]      (see encoders.py)
    token_embedding(input_ids i64[1, S]) -> embeddings [1, S, D]
    text_decoder(inputs_embeds [1, S, D], cache_position i64[S]) -> logits [1, S, V]           (see decoder.py)

The runner puts the encoder's rows where the prompt has vision_token_id or audio_token_id, and decodes the whole.
"""
import inspect

import torch

from etch_trace import decoder, encoders, inputs, method, model
from etch_trace.report import TraceError


class Task:
    name = "multimodal-text-to-text"
    options = {"dtype": "float32", "image_size": None, **decoder.OPTIONS}
    chats = True

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForMultimodalLM  # noqa: B018

    @staticmethod
    def build(folder, options):
        return MultiModalTextToTextExportableModule(folder, options)


class MultiModalTextToTextExportableModule:
    def __init__(self, folder, options):
        config = model.read_config(folder)
        if getattr(config, "is_encoder_decoder", False):
            raise TraceError("the model's decoder attends to its encoder; this task is for models whose language model reads the "
                             "encoder's output as "
                             "embeddings", kind="unsupported")
        length = decoder.prepare(config, options)
        self.model = model.load("AutoModelForMultimodalLM", folder, config, Task.name, dtype=options["dtype"])
        needed = [name for name, p in inspect.signature(self.model.forward).parameters.items() if p.default is p.empty
                  and p.kind is p.POSITIONAL_OR_KEYWORD]
        if needed:
            raise TraceError(f"the model's forward needs {' and '.join(needed)} in every call; this task is for models that read "
                             f"embeddings alone", kind="unsupported")
        self.embedding = self.model.get_input_embeddings()
        self.encoders = encoders.of(self.model, folder, options["image_size"])
        self.decoder = decoder.CachedDecoder(self.model, length, options, width=self._width())
        for encoder in self.encoders:
            encoder.prepare()
        tokens = {f"{e.modality}_token_id": e.token_id for e in self.encoders}
        self.metadata = {**inputs.constants(folder), **self.decoder.metadata, "modality": self.encoders[0].modality, **tokens}

    def _embed(self, input_ids):
        """A token that stands for an image may lie outside the table; its row is replaced by the runner."""
        rows = getattr(self.embedding, "num_embeddings", None)
        for e in self.encoders:
            if e.token_id is not None and rows is not None and e.token_id >= rows:
                input_ids = torch.where(input_ids == e.token_id, 0, input_ids)
        return self.embedding(input_ids)

    def _width(self):
        from torch import _C

        _C.method("trial")
        with torch.compiler.exporting():
            width = self.embedding(_C.input("input_ids", torch.int64, [1, 2])).shape[-1]
        _C.begin()
        return width

    def trace(self):
        self.decoder.attempt(self._trace)

    def _trace(self):
        for encoder in self.encoders:
            encoder.trace()
        method.trace("token_embedding", self.embedding, self._embed, {"input_ids": (torch.int64, [1, self.decoder.size()])}, ["embeddings"])
        self.decoder.trace("text_decoder")
