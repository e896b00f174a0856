"""Models that read a whole recording and answer once: forward(input_values f32[1, N] or input_features f32[1, T, F]) -> logits.

N (samples) and T (frames) are symbolic; a model of spectrograms with a table of positions takes the length that its config names.
"""
from etch_trace import metadata, method, model
from etch_trace.report import TraceError

SECONDS = 30
SHORTEST, EXAMPLE = 2000, 8000  # samples: the convolutions of the usual front ends turn 400 of them into the first frame


class AudioEncoderExportableModule:
    def __init__(self, auto_class, task, folder, options):
        config = model.read_config(folder)
        self.config = config
        self.model = model.load(auto_class, folder, config, task, dtype=options["dtype"])
        labels = getattr(config, "id2label", None) or {}
        self.metadata = metadata.common(config, getattr(self.model, "generation_config", None), options["dtype"],
                                        get_label_ids=[i for i in labels if isinstance(i, int)])

    def _input(self):
        """(name, shape): samples, or frames of features as wide as the config says."""
        from torch import _C

        name = self.model.main_input_name
        frames, width = getattr(self.config, "max_length", None), getattr(self.config, "num_mel_bins", None)
        if isinstance(width, int) and isinstance(frames, int) and frames > 20:  # a spectrogram of a fixed size
            return name, [1, frames, width]
        if name == "input_values":
            return name, [1, _C.symbol("s0", SHORTEST, SECONDS * 16000, EXAMPLE)]
        width = getattr(self.config, "feature_projection_input_dim", None) or width
        if not isinstance(width, int):
            raise TraceError(f"the model's config does not say how wide its {name} are", kind="unsupported")
        return name, [1, _C.symbol("s0", 16, SECONDS * 100, 50), width]

    def trace(self):
        name, shape = self._input()
        method.trace("forward", self.model, lambda **inputs: self.model(**inputs).logits, {name: (self.model.dtype, shape)}, ["logits"])
