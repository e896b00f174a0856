"""image-segmentation: forward(pixel_values f32[1, C, H, W]) -> logits [1, labels, h, w], a label's score for each cell of the output
grid."""
from etch_trace.tasks import image_classification


class SegmentationExportableModule(image_classification.VisionEncoderExportableModule):
    auto_class, task = "AutoModelForSemanticSegmentation", "image-segmentation"


class Task(image_classification.Task):
    name = "image-segmentation"

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForSemanticSegmentation  # noqa: B018

    @staticmethod
    def build(folder, options):
        return SegmentationExportableModule(folder, options)
