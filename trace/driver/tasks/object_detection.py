"""object-detection: forward(pixel_values f32[1, C, H, W]) -> the model's outputs (logits, pred_boxes, ...), image size from the option or
the config."""
from etch_trace import metadata, method, model
from etch_trace.report import TraceError
from etch_trace.tasks.image_classification import image_size


def _channels(config):
    backbone = getattr(config, "backbone_config", None)
    for source in (config, backbone):
        for name in ("num_channels", "in_chans"):
            if isinstance(getattr(source, name, None), int):
                return getattr(source, name)
    return 3


class Task:
    name = "object-detection"
    options = {"dtype": "float32", "image_size": None}

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForObjectDetection  # noqa: B018

    @staticmethod
    def build(folder, options):
        return ObjectDetectionExportableModule(folder, options)


class ObjectDetectionExportableModule:
    def __init__(self, folder, options):
        config = model.read_config(folder)
        if not options["image_size"] and not getattr(config, "image_size", None):
            raise TraceError("the model's config names no image size; give --image_size", kind="usage")
        self.model = model.load("AutoModelForObjectDetection", folder, config, Task.name, dtype=options["dtype"])
        self.size, self.channels = image_size(config, options["image_size"]), _channels(config)
        labels = [i for i in (getattr(config, "id2label", None) or {}) if isinstance(i, int)]
        self.metadata = metadata.common(config, getattr(self.model, "generation_config", None), options["dtype"], get_label_ids=labels,
                                        image_size=self.size[0], num_channels=self.channels)

    def trace(self):
        inputs = {"pixel_values": (self.model.dtype, [1, self.channels, *self.size])}
        method.trace("forward", self.model, self.model, inputs)
