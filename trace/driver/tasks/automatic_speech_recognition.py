"""automatic-speech-recognition: encoder, text_decoder and sampler of an encoder-decoder model (see seq2seq.py); forward of a model that
gives a letter for each frame (CTC, see audio.py)."""
from etch_trace import model


def _is_ctc(config):
    import transformers

    known = transformers.AutoModelForSpeechSeq2Seq._model_mapping
    return type(config) in transformers.AutoModelForCTC._model_mapping and type(config) not in known


class Task:
    name = "automatic-speech-recognition"
    options = {"dtype": "float32", "max_seq_len": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForSpeechSeq2Seq  # noqa: B018

    @staticmethod
    def build(folder, options):
        if _is_ctc(model.read_config(folder)):
            from etch_trace.tasks.audio import AudioEncoderExportableModule

            return AudioEncoderExportableModule("AutoModelForCTC", Task.name, folder, options)
        from etch_trace.tasks.seq2seq import Seq2SeqLMExportableModule

        return Seq2SeqLMExportableModule("AutoModelForSpeechSeq2Seq", Task.name, folder, options)
