"""A test model that misbehaves: a Llama whose config lists what its code tries (tests/sandbox.py)."""
from transformers import LlamaConfig


class ProbeConfig(LlamaConfig):
    model_type = "probe"

    def __init__(self, attempts=(), hide=False, target="", **kwargs):
        super().__init__(**kwargs)
        self.attempts, self.hide, self.target = list(attempts), hide, target
