"""Sizes of images and audio features: from an option, the folder's file for its processor, or the config of the part that takes them."""
import json
import os

from etch_trace.report import TraceError


def _object(path):
    """A JSON file's object; {} when there is no file."""
    if not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8") as f:
            values = json.load(f)
        if not isinstance(values, dict):
            raise ValueError("not an object")
    except (ValueError, OSError, RecursionError) as error:
        raise TraceError(f"{path} cannot be read: {error}") from None
    return values


def processor(folder):
    """What prepares images or sound, as a dict: the parts that processor_config.json holds, else preprocessor_config.json; {} when there is
    neither."""
    whole = _object(os.path.join(folder, "processor_config.json"))
    parts = [whole[name] for name in ("feature_extractor", "image_processor") if isinstance(whole.get(name), dict)]
    if parts:
        return {key: value for part in parts for key, value in part.items()}
    return _object(os.path.join(folder, "preprocessor_config.json"))


def _leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def constants(folder):
    """Every key of the folder's processor as a constant method: scalars as they are, numbers of a list or object as a list in its order;
    what else has parts as its JSON text. Keys without a value are left out."""
    values = {}
    for key, value in processor(folder).items():
        if isinstance(value, (dict, list)):
            leaves = [leaf for leaf in _leaves(value) if leaf is not None]
            numbers = all(isinstance(leaf, (int, float)) and not isinstance(leaf, bool) for leaf in leaves)
            value = (leaves or None) if numbers else json.dumps(value)
        if value is not None:
            values[key] = value
    return values


def _parts(config):
    """The configs of a model's parts that are not its language model; then its own."""
    text = config.get_text_config()
    parts = [getattr(config, name, None) for name in getattr(config, "sub_configs", None) or ()]
    return [p for p in parts if p is not None and p is not text] + [config]


def _first(configs, *names):
    """(config, value) of the first config that has one of the names."""
    for config in configs:
        for name in names:
            value = getattr(config, name, None)
            if isinstance(value, (int, list, tuple)) and not isinstance(value, bool) and value:
                return config, value
    return None, None


def _sides(size):
    """(height, width) of an image size as configs write it."""
    if isinstance(size, dict):
        height = size.get("height") or size.get("shortest_edge") or size.get("longest_edge")
        size = (height, size.get("width") or height)
    return tuple(size) if hasattr(size, "__len__") else (size, size)


def image(folder, config, given=None):
    """(channels, height, width) in pixels. `given`: --image_size."""
    parts = _parts(config)
    part, size = _first(parts, "image_size")
    if not given and size is None:
        size = processor(folder).get("crop_size") or processor(folder).get("size")
        if size is None:
            raise TraceError("neither the model's config nor a preprocessor_config.json names an image size; give --image_size",
                             kind="usage")
    _, channels = _first([part] if part is not None else parts, "num_channels", "in_channels", "in_chans")
    height, width = _sides(given or size)
    return channels or 3, height, width


def audio_clip(folder, config):
    """[bins, frames] of an encoder that takes clips of one length, None when its config has no length (two frames a position)."""
    values = processor(folder)
    if isinstance(values.get("feature_size"), int) and isinstance(values.get("nb_max_frames"), int):
        return [values["feature_size"], values["nb_max_frames"]]
    part, positions = _first(_parts(config), "max_source_positions")
    bins = getattr(part, "num_mel_bins", None)
    return [bins, 2 * positions] if bins else None


def audio_bins(config):
    """Values of a frame, for an encoder that takes any number of frames."""
    return _first(_parts(config), "input_dim", "input_feat_per_channel", "feature_size", "num_mel_bins")[1]
