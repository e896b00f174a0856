"""automatic-speech-recognition: encoder, text_decoder and sampler of an encoder-decoder model (see seq2seq.py)."""


class Task:
    name = "automatic-speech-recognition"
    options = {"dtype": "float32", "max_seq_len": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForSpeechSeq2Seq  # noqa: B018

    @staticmethod
    def build(folder, options):
        from etch_trace.tasks.seq2seq import Seq2SeqLMExportableModule

        return Seq2SeqLMExportableModule("AutoModelForSpeechSeq2Seq", Task.name, folder, options)
