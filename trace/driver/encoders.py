"""The encoders of multimodal models: an image or audio becomes embeddings that stand beside those of the text.

    vision_encoder(pixel_values [1, C, H, W]) -> [1, N, D]
    audio_encoder(input_features [B, bins, frames]) -> [1, N, D]    an encoder of clips of one length: B symbolic, 1 to 10 clips
    audio_encoder(input_features [1, frames, bins]) -> [1, N, D]    any other: frames symbolic, in the multiples that the model needs

What is computed is the model's own get_image_features or get_audio_features.
"""
import inspect
import math
import re

from etch_trace import inputs, method
from etch_trace.report import TraceError, note

MAX_CLIPS = 10
MAX_FRAMES = 4096
# transformers' word for a modality -> method, its input, the model's function, and the config's names for the token that stands for it
KINDS = {"image": ("vision", "pixel_values", "get_image_features", "image_token_id"),
         "audio": ("audio", "input_features", "get_audio_features", "audio_token_id")}


def of(model, folder, image_size=None):
    """One encoder for each modality beside text that the model takes (video is a row of images: left out)."""
    modalities = model.input_modalities
    modalities = [modalities] if isinstance(modalities, str) else modalities
    found = [Encoder(model, folder, m, image_size) for m in modalities if m in KINDS]
    if not found:
        raise TraceError(f"the model takes {', '.join(modalities)} only: no image, no audio (a text model's task is text-generation)", kind="unsupported")
    return found


class Encoder:
    def __init__(self, model, folder, modality, image_size):
        self.modality, self.input, self.function, token = KINDS[modality]
        self.name = f"{self.modality}_encoder"
        self.model, self.folder, self.image_size = model, folder, image_size
        self.features = getattr(model, self.function, None)
        if self.features is None:
            raise TraceError(f"the model takes {modality}, but its class has no {self.function}, by which transformers' models encode it", kind="unsupported")
        self.token_id = getattr(model.config, token, None)
        if self.token_id is None:
            self.token_id = getattr(model.config, token.replace("_id", "_index"), None)
        self.shape = self._image() if modality == "image" else None

    def _image(self):
        return [1, *inputs.image(self.folder, self.model.config, self.image_size)]

    def _others(self, tensor):
        """What the model's function wants beside the features: everything is real (no padding), and the image has its full size."""
        import torch

        values = {}
        for name, parameter in list(inspect.signature(self.features).parameters.items())[1:]:
            if parameter.default is not parameter.empty or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name.endswith("_mask"):
                frames = tensor.shape[-1] if self.clip else tensor.shape[1]
                values[name] = torch.ones((tensor.shape[0], frames), dtype=torch.int64)
            elif name == "image_sizes":
                values[name] = torch.tensor([list(self.shape[-2:])])
            else:
                raise TraceError(f"the model's {self.function} wants {name} beside {self.input}; {self.name} has one input", kind="unsupported")
        return values

    def _encode(self, tensor):
        """[1, N, D]: a model may give rows of one clip after the other, of each clip, or a list of them."""
        import torch

        out = self.features(tensor, **self._others(tensor))
        if hasattr(out, "keys"):
            out = out.pooler_output if getattr(out, "pooler_output", None) is not None else out.last_hidden_state
        if isinstance(out, (list, tuple)):
            out = torch.cat([part.reshape(-1, part.shape[-1]) for part in out])
        return out.reshape(1, -1, out.shape[-1])

    def _blocks(self):
        """Frames come in multiples of this: what the model takes the remainder of, learned from trials with any number of frames. None: no number of
        frames may be left open."""
        import torch
        from torch import _C

        block = 1
        while True:
            _C.begin()
            _C.method("trial")
            symbol = f"t{block}"
            shape = [1, block * _C.symbol(symbol, 1, MAX_FRAMES // block, 3), self.bins]
            failed = False
            try:
                with torch.compiler.exporting(), torch.no_grad():
                    self._encode(_C.input(self.input, self.model.dtype, shape))
            except TraceError:
                raise
            except Exception:
                failed = True
            guards = [text for text, _ in _C.guards() if symbol in text]
            if not failed and not guards:
                return block
            larger = math.lcm(block, *(block * int(n) // math.gcd(block, int(n)) for text in guards for n in re.findall(rf"{symbol}\)? % (\d+)", text)))
            if larger == block or larger > MAX_FRAMES:
                return None
            block = larger

    def prepare(self):
        """Before anything is traced: the input's shape."""
        from torch import _C

        self.clip = None
        if self.shape is None:
            self.clip = inputs.audio_clip(self.folder, self.model.config)
            if self.clip is None:
                self.bins = inputs.audio_bins(self.model.config)
                if self.bins is None:
                    raise TraceError("the size of the audio features is not known: neither the model's config nor a preprocessor_config.json has it",
                                     kind="unsupported")
                self.block = self._blocks()
                _C.begin()

    def trace(self):
        from torch import _C

        if self.shape is not None:
            shape = self.shape
        elif self.clip:
            shape = [_C.symbol("clips", 1, MAX_CLIPS, 2), *self.clip]
        elif self.block:
            shape = [1, self.block * _C.symbol("blocks", 1, MAX_FRAMES // self.block, 3), self.bins]
        else:
            shape = [1, MAX_FRAMES, self.bins]
            note(f"{self.name} takes exactly {MAX_FRAMES} frames: the model computes with their number")
        method.trace(self.name, self.model, self._encode_named, {self.input: (self.model.dtype, shape)}, ["embeddings"])

    def _encode_named(self, **tensors):
        return self._encode(tensors[self.input])
