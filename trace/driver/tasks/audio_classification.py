"""audio-classification: forward(input_values f32[1, N] or input_features f32[1, T, F]) -> logits [1, labels] (see audio.py)."""


class Task:
    name = "audio-classification"
    options = {"dtype": "float32"}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForAudioClassification  # noqa: B018

    @staticmethod
    def build(folder, options):
        from etch_trace.tasks.audio import AudioEncoderExportableModule

        return AudioEncoderExportableModule("AutoModelForAudioClassification", Task.name, folder, options)
