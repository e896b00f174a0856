"""token-classification: forward(input_ids i64[1, S], attention_mask i64[1, S]) -> logits [1, S, labels]; S as in fill_mask.py."""
from etch_trace.tasks import fill_mask


class TokenClassificationExportableModule(fill_mask.MaskedLMExportableModule):
    auto_class, task = "AutoModelForTokenClassification", "token-classification"


class Task(fill_mask.Task):
    name = "token-classification"

    @staticmethod
    def load():
        import transformers

        transformers.AutoModelForTokenClassification  # noqa: B018

    @staticmethod
    def build(folder, options):
        return TokenClassificationExportableModule(folder, options)
