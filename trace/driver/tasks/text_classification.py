"""text-classification: forward(input_ids i64[1, S], attention_mask i64[1, S]) -> logits [1, labels]; S as in fill_mask.py."""
from etch_trace.tasks import fill_mask


class TextClassificationExportableModule(fill_mask.MaskedLMExportableModule):
    auto_class, task = "AutoModelForSequenceClassification", "text-classification"


class Task(fill_mask.Task):
    name = "text-classification"

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForSequenceClassification  # noqa: B018

    @staticmethod
    def build(folder, options):
        return TextClassificationExportableModule(folder, options)
