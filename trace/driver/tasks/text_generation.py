"""text-generation: forward(input_ids i64[1, S], cache_position i64[S]) -> logits [1, S, V] over a static key-value cache (see
decoder.py)."""
from etch_trace import decoder, model


class Task:
    name = "text-generation"
    options = {"dtype": "float32", **decoder.OPTIONS}
    chats = True

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForCausalLM  # noqa: B018  (resolved here, so that the import stage holds its time)

    @staticmethod
    def build(folder, options):
        return CausalLMExportableModule(folder, options)


class CausalLMExportableModule:
    def __init__(self, folder, options):
        config = model.read_config(folder)
        length = decoder.prepare(config, options)
        self.model = model.load("AutoModelForCausalLM", folder, config, Task.name, dtype=options["dtype"])
        self.decoder = decoder.CachedDecoder(self.model, length, options)
        self.metadata = self.decoder.metadata

    def trace(self):
        self.decoder.attempt(lambda: self.decoder.trace("forward"))
