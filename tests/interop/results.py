"""What the tests found out about models, for docs/MODELS.md: the fixture `result` compares and remembers, BUILD/models.json holds what is
remembered.

models.json: {"MODEL TASK": {"model", "kind", "task", "note", "recipes": {RECIPE: largest difference}, "reason"}}; a reason where it is
refused.
"""
import fcntl
import json
import os

import pytest
import torch

PATH = os.path.join(os.environ.get("ETCH_BUILD", "build"), "models.json")


class Result:
    def __init__(self):
        self.entry, self.recipe, self.largest = None, None, 0.0

    def of(self, model, kind, task, recipe):
        self.entry, self.recipe = dict(model=model, kind=kind, task=task, note="", reason="", recipes={}), recipe

    def close(self, got, want, **tolerance):
        torch.testing.assert_close(got, want, **tolerance)
        self.largest = max(self.largest, (got.double() - want.double()).abs().max().item()) if got.numel() else self.largest

    def note(self, text):
        self.entry["note"] = text

    def refused(self, reason):
        self.entry["reason"] = reason

    def store(self):
        """At once, so that a run of some tests, or one that is interrupted, keeps what others found; other processes do the same."""
        key = f"{self.entry['model']} {self.entry['task']}"
        with open(PATH, "a+", encoding="utf-8") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            f.seek(0)
            known = json.loads(f.read() or "{}")
            if not self.entry["reason"]:
                self.entry["recipes"] = {**known.get(key, {}).get("recipes", {}), self.recipe: self.largest}
            known[key] = self.entry
            f.truncate(0)
            json.dump(known, f, indent=1, sort_keys=True)


@pytest.fixture
def result(request):
    out = Result()
    failed = request.session.testsfailed
    yield out
    if out.entry and request.session.testsfailed == failed:
        out.store()
