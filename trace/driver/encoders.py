"""The encoders of multimodal models: an image or audio becomes embeddings that stand beside those of the text.

    vision_encoder(pixel_values [1, C, H, W]) -> [1, N, D]          or [1, tiles, C, H, W] where the model cuts an image into tiles
    audio_encoder(input_features [B, bins, frames]) -> [1, N, D]    an encoder of clips of one length: B symbolic, 1 to 10 clips
    audio_encoder(input_features [1, frames, bins]) -> [1, N, D]    any other: frames symbolic, in the multiples that the model needs

What is computed is the model's own get_image_features or get_audio_features.
"""
import inspect
import math
import re

from etch_trace import inputs, method
from etch_trace.report import TraceError, location, note

MAX_CLIPS = 10
MAX_FRAMES = 4096
MAX_TILES = 5
# transformers' word for a modality -> method, its input, the model's function, and the config's names for the token that stands for it
KINDS = {"image": ("vision", "pixel_values", "get_image_features", "image_token_id"),
         "audio": ("audio", "input_features", "get_audio_features", "audio_token_id")}


def of(model, folder, image_size=None):
    """One encoder for each modality beside text that the model takes (video is a row of images: left out)."""
    modalities = model.input_modalities
    modalities = [modalities] if isinstance(modalities, str) else modalities
    found = [Encoder(model, folder, m, image_size) for m in modalities if m in KINDS]
    if not found:
        raise TraceError(f"the model takes {', '.join(modalities)} only: no image, no audio (a text model's task is text-generation)",
                         kind="unsupported")
    return found


class Encoder:
    def __init__(self, model, folder, modality, image_size):
        self.modality, self.input, self.function, token = KINDS[modality]
        self.name = f"{self.modality}_encoder"
        self.model, self.folder, self.image_size = model, folder, image_size
        self.features = getattr(model, self.function, None) or getattr(model.base_model, self.function, None)
        if self.features is None:
            raise TraceError(f"the model takes {modality}, but its class has no {self.function}, by which transformers' models encode it",
                             kind="unsupported")
        self.token_id = getattr(model.config, token, None)
        if self.token_id is None:
            self.token_id = getattr(model.config, token.replace("_id", "_index"), None)

    def _others(self, tensor):
        """What the model's function wants beside the features: everything is real (no padding), and the image has its full size."""
        import torch

        values = {}
        for name, parameter in list(inspect.signature(self.features).parameters.items())[1:]:
            if parameter.default is not parameter.empty or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name.endswith("_mask"):
                values[name] = torch.ones((tensor.shape[0], tensor.shape[self.frames]), dtype=torch.int64)
            elif name == "image_sizes":
                values[name] = torch.tensor([list(tensor.shape[-2:])])
            else:
                raise TraceError(f"the model's {self.function} wants {name} beside {self.input}; {self.name} has one input",
                                 kind="unsupported")
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

    def _trial(self, shape, symbol=""):
        """(the error of a trial call or None, the conditions on `symbol` that it fixed)."""
        import torch
        from torch import _C

        _C.begin()
        _C.method("trial")
        error = None
        try:
            with torch.compiler.exporting(), torch.no_grad():
                self._encode(_C.input(self.input, self.model.dtype, shape))
        except TraceError:
            raise
        except Exception as e:
            error = e
        guards = [text for text, _ in _C.guards() if symbol and symbol in text]
        _C.begin()
        return error, guards

    def _blocks(self, shape):
        """Frames come in multiples of this: what the model takes the remainder of, learned from trials with any number of frames. None: no
        number of frames may be left open. shape(n): the input's shape for n frames."""
        from torch import _C

        block = 1
        while True:
            symbol = f"t{block}"
            error, guards = self._trial(shape(block * _C.symbol(symbol, 1, MAX_FRAMES // block, 3)), symbol)
            if not error and not guards:
                return block
            larger = math.lcm(block, *(block * int(n) // math.gcd(block, int(n)) for text in guards
                                       for n in re.findall(rf"{symbol}\)? % (\d+)", text)))
            if larger == block or larger > MAX_FRAMES:
                return None
            block = larger

    def _shapes(self):
        """[(the input's shape, a symbol in it that must stay open, the axis of frames)], best first."""
        from torch import _C

        config = self.model.config
        if self.modality == "vision":
            size = list(inputs.image(self.folder, config, self.image_size))
            yield [1, *size], "", -1
            for n in range(1, MAX_TILES + 1):  # a model that cuts an image into tiles has a number of them for each size
                yield [1, n, *size], "", -1
            return
        clip, bins = inputs.audio_clip(self.folder, config), inputs.audio_bins(config)
        if clip is not None:
            yield [_C.symbol("clips", 1, MAX_CLIPS, 2), *clip], "clips", -1
            yield [1, *clip], "", -1
        elif bins is None:
            raise TraceError("the size of the audio features is not known: neither the model's config nor a preprocessor_config.json has "
                             "it", kind="unsupported")
        else:
            for self.frames, shape in ((1, lambda n: [1, n, bins]), (-1, lambda n: [1, bins, n])):
                block = self._blocks(shape)
                if block:
                    yield shape(block * _C.symbol("blocks", 1, MAX_FRAMES // block, 3)), "blocks", self.frames
                yield shape(MAX_FRAMES), "", self.frames

    def prepare(self):
        """Before anything is traced: the input's shape, the first that the model takes."""
        first = None
        for shape, symbol, self.frames in self._shapes():
            error, guards = self._trial(shape, symbol)
            if not error and not guards:
                self.shape = shape
                break
            if first is None or (isinstance(first, ValueError) and error and not isinstance(error, ValueError)):
                first = error  # a shape that cannot be unpacked says less than what went wrong further on
        else:
            raise self._refusal(first)
        if self.modality == "audio" and not symbol:
            note(f"{self.name} takes input_features of exactly {list(self.shape)}: the model computes with these numbers")

    def _refusal(self, error):
        """The model's own words, where they are about its input; else what it was given."""
        if not isinstance(error, (TypeError, AttributeError, ValueError)):
            return error
        others = [name for name, p in inspect.signature(self.features).parameters.items() if p.kind is not p.VAR_KEYWORD
                  and name != self.input]
        also = f" (it also takes {', '.join(others)})" if others else ""
        return TraceError(f"the model's {self.function} does not encode {self.input} alone{also}: {' '.join(str(error).split())} (at "
                          f"{location(error)})", kind="unsupported")

    def trace(self):
        method.trace(self.name, self.model, self._encode_named, {self.input: (self.model.dtype, self.shape)}, ["embeddings"])

    def _encode_named(self, **tensors):
        return self._encode(tensors[self.input])
