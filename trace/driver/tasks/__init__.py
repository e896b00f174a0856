"""Tasks: one file each, a class with `name`, `options`, load(), build(folder, options); `chats` where its programs write text, in answer
to people (chat.py).

build gives an object with trace() (declares methods, calls the model) and `metadata` (constant methods).
"""
from importlib import import_module

from etch_trace.report import TraceError

# Task name -> module; pipeline names of transformers.
_REGISTRY = {
    "text-generation": "text_generation",
    "fill-mask": "fill_mask",
    "feature-extraction": "feature_extraction",
    "text-classification": "text_classification",
    "token-classification": "token_classification",
    "image-classification": "image_classification",
    "image-segmentation": "image_segmentation",
    "audio-classification": "audio_classification",
    "object-detection": "object_detection",
    "text2text-generation": "text2text_generation",
    "automatic-speech-recognition": "automatic_speech_recognition",
    "multimodal-text-to-text": "multimodal_text_to_text",
    "image-text-to-text": "multimodal_text_to_text",
}


def find(name):
    if name not in _REGISTRY:
        raise TraceError(f"task '{name}' is not one of {', '.join(sorted(_REGISTRY))}", kind="usage")
    return import_module("etch_trace.tasks." + _REGISTRY[name]).Task


def options(task, given):
    """Defaults filled; an unknown option that is set is an error, so that none is silently ignored."""
    values = dict(task.options)
    for key, value in given.items():
        if key not in values:
            if value in (None, False, "", 0):
                continue
            raise TraceError(f"option {key} does not apply to the task {task.name}", kind="usage")
        if value is not None:
            values[key] = value
    return values
