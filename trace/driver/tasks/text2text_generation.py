"""text2text-generation: encoder, text_decoder and sampler of an encoder-decoder model (see seq2seq.py)."""


class Task:
    name = "text2text-generation"
    options = {"dtype": "float32", "max_seq_len": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForSeq2SeqLM  # noqa: B018

    @staticmethod
    def build(folder, options):
        from etch_trace.tasks.seq2seq import Seq2SeqLMExportableModule

        return Seq2SeqLMExportableModule("AutoModelForSeq2SeqLM", Task.name, folder, options)
