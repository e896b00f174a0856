"""image-classification: forward(pixel_values f32[1, C, H, W]) -> logits [1, labels]."""
from etch_trace import metadata, method, model


def image_size(config, given=None):
    """(height, width) of the config, unless given."""
    size = given or getattr(config, "image_size", None) or 224
    return tuple(size) if hasattr(size, "__len__") else (size, size)


class Task:
    name = "image-classification"
    options = {"dtype": "float32", "image_size": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForImageClassification  # noqa: B018

    @staticmethod
    def build(folder, options):
        return VisionEncoderExportableModule(folder, options)


class VisionEncoderExportableModule:
    auto_class, task = "AutoModelForImageClassification", Task.name

    def __init__(self, folder, options):
        config = model.read_config(folder)
        self.model = model.load(self.auto_class, folder, config, self.task, dtype=options["dtype"])
        self.size = image_size(config, options["image_size"])
        self.channels = getattr(config, "num_channels", 3)
        self.metadata = metadata.common(config, getattr(self.model, "generation_config", None), options["dtype"])

    def trace(self):
        inputs = {"pixel_values": (self.model.dtype, [1, self.channels, *self.size])}
        method.trace("forward", self.model, self.model, inputs)
