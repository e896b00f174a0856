"""What a model carries from one call to the next beside keys and values by position: convolution windows, recurrent states.

transformers keeps it in cache layers (LinearAttentionLayer), in cache objects of single models, or in attributes of modules. None is
known by name here: a trial call of one token shows which tensors the model left behind and what they held before the model wrote into
them. The object that the trial left behind is then reused: each of its tensors becomes a buffer that starts with that earlier content,
and starts with it again when a call begins at position 0, so that a program can be asked to begin a new text.
"""
import contextlib
import inspect

import torch
from transformers.cache_utils import (Cache, CacheLayerMixin, DummyLayer, DynamicLayer, LinearAttentionAndStaticFullAttentionLayer,
                                      LinearAttentionLayer, StaticCache, StaticLayer, StaticSlidingWindowLayer)
from transformers.configuration_utils import PreTrainedConfig

from etch_trace import assumptions
from etch_trace.growing_cache import FilledLayer
from etch_trace.report import TraceError

_PLAIN = (StaticLayer, StaticSlidingWindowLayer, DummyLayer)  # what transformers' own exportable module holds


def _cache_name(model):
    """The argument through which generation hands the model what it returned before; None when it has none."""
    from transformers.generation.utils import ALL_CACHE_NAMES

    known = inspect.signature(model.forward).parameters
    return next((name for name in ALL_CACHE_NAMES if name in known), None)


def _static_layers(model, length):
    """Layers of the library's static cache for this model, those with a window as long as the cache; None when it has no such cache."""
    config = model.config.get_text_config(decoder=True)
    try:
        layers = StaticCache(config=config, max_cache_len=length).layers
    except (KeyError, AttributeError, TypeError):
        return None
    return [_whole(layer, length) for layer in layers]


def _whole(layer, length):
    """Windows count positions in Python numbers; a layer for all positions gives the same with the mask that the model makes."""
    if type(layer) is StaticSlidingWindowLayer:
        return StaticLayer(length)
    if isinstance(layer, StaticSlidingWindowLayer) and isinstance(layer, LinearAttentionLayer):
        return LinearAttentionAndStaticFullAttentionLayer(length, number_of_states=layer.number_of_states)
    return layer


def needed(model, length):
    """Whether the model keeps anything else than keys and values in the library's static layers."""
    if _cache_name(model) != "past_key_values" or getattr(model, "_is_stateful", False):
        return True
    layers = _static_layers(model, length)
    return layers is None or not all(type(layer) in _PLAIN for layer in layers)


def _is_leaf_object(value):
    opaque = (torch.nn.Module, PreTrainedConfig, type, torch.dtype, torch.device, str)
    return isinstance(value, opaque) or callable(value) or not hasattr(value, "__dict__")


def _map(value, visit, path=(), seen=None):
    """`value` with every tensor in its lists, tuples, dicts and attributes replaced by visit(path, tensor), in place where possible."""
    seen = set() if seen is None else seen
    if isinstance(value, torch.Tensor):
        return visit(path, value)
    if isinstance(value, tuple):
        return type(value)(_map(v, visit, (*path, i), seen) for i, v in enumerate(value))
    if id(value) in seen:
        return value
    seen.add(id(value))
    if isinstance(value, list):
        value[:] = [_map(v, visit, (*path, i), seen) for i, v in enumerate(value)]
    elif isinstance(value, dict):
        for key in list(value):
            value[key] = _map(value[key], visit, (*path, key), seen)
    elif not _is_leaf_object(value):
        _map(vars(value), visit, path, seen)
    return value


def _skeleton(value, seen=None):
    """Everything in `value` that is not a tensor: Python numbers and flags, by place."""
    seen = set() if seen is None else seen
    if isinstance(value, torch.Tensor):
        return "tensor"
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_skeleton(v, seen) for v in value]
    if id(value) in seen:
        return "seen"
    seen.add(id(value))
    if isinstance(value, dict):
        return {str(k): _skeleton(v, seen) for k, v in value.items()}
    return type(value).__name__ if _is_leaf_object(value) else _skeleton(vars(value), seen)


class _FilledHybridLayer(LinearAttentionLayer, FilledLayer):
    """Carried state, and keys and values of which the model sees the filled part only."""

    def __init__(self, layer):
        FilledLayer.__init__(self, layer.max_cache_len)
        self.__dict__.update({key: value for key, value in vars(layer).items() if key not in ("keys", "values", "cumulative_length")})

    def lazy_initialization(self, *args, **kwargs):
        (FilledLayer if args else LinearAttentionLayer).lazy_initialization(self, *args, **kwargs)


class _ModuleAttributes:
    """Tensors that modules keep as plain attributes: only those that a call leaves behind are state."""

    def __init__(self, model):
        self.modules = [m for m in model.modules()]

    def values(self):
        return {(i, key): value for i, module in enumerate(self.modules) for key, value in vars(module).items() if key[0] != "_"}

    def written(self):
        """(module, attribute) of the tensors that depend on inputs."""
        return [place for place, value in self.values().items() if isinstance(value, torch.Tensor) and not value._is_constant()]

    def map(self, visit, keys):
        for i, key in keys:
            path = ("module", *self.modules[i].__dict__.get("_etch_path", "").split("."), key)
            setattr(self.modules[i], key, visit(path, getattr(self.modules[i], key)))


class CarriedStateModule(torch.nn.Module):
    """forward(cache_position, input_ids or inputs_embeds) -> logits. Buffers: key_cache_<i>, value_cache_<i>, and state_<path> for what is
    carried."""

    def __init__(self, model, length, example, growing=False, make_layer=None):
        """example: () -> inputs of a trial call of one token; make_layer: () -> an attention layer in place of the library's static one."""
        super().__init__()
        self.model, self.length, self.example, self.growing, self.make_layer = model, length, example, growing, make_layer
        self.name = _cache_name(model)
        self.initial, self.positions, self.by_position = {}, [], []
        self.attributes = _ModuleAttributes(model)
        before = self.attributes.values()
        self.cache = self._trial()
        self.attribute_keys = self.attributes.written()
        self.untouched = {key: before.get(key) for key in self.attribute_keys}
        self._take_layers()
        self._each(self._register)

    # ---- what the model leaves behind ----

    def _call(self, tokens, cache, positions):
        """As the library's generation calls it: with positions where the model takes them, for some count from 0 in every call."""
        given = {}
        if self.name and cache is not None:
            given[self.name] = cache
        if "position_ids" in inspect.signature(self.model.forward).parameters:
            given["position_ids"] = positions[None]
        return self.model(**tokens, use_cache=True, **given)

    def _trial(self):
        """The cache object after one token; the model's own when it takes no other."""
        layers = _static_layers(self.model, self.length) if self.name != "state" else None
        if layers is not None and all(type(layer) is DummyLayer for layer in layers):
            layers = None
        attempts = ([Cache(layers=layers)] if layers else []) + [None]
        for i, cache in enumerate(attempts):
            from torch import _C

            _C.method("trial")
            tokens = self.example()
            try:
                with torch.compiler.exporting():
                    out = self._call(tokens, cache, torch.arange(1))
            except Exception:
                if i + 1 == len(attempts):
                    raise
                continue
            finally:
                _C.begin()
            returned = getattr(out, self.name, None) if self.name else None
            return cache if returned is None else returned  # some only fill the cache that they are given

    def _take_layers(self):
        """Attention layers of the cache object: static ones keep their tensors, growing ones become windows of static ones."""
        layers = getattr(self.cache, "layers", None) or []
        for i, layer in enumerate(layers):
            if isinstance(layer, CacheLayerMixin) and not layer.is_initialized:  # the model never asks it
                continue
            if type(layer) is DynamicLayer or (self.growing and isinstance(layer, StaticLayer)):
                layers[i] = filled = _FilledHybridLayer(layer) if isinstance(layer, LinearAttentionLayer) else FilledLayer(self.length)
                filled.lazy_initialization(layer.keys[..., :0, :], layer.values[..., :0, :])
            elif type(layer) is StaticLayer and self.make_layer:
                layers[i] = self.make_layer()
                layers[i].lazy_initialization(layer.keys[..., :0, :], layer.values[..., :0, :])
            elif isinstance(layer, StaticLayer):
                layer.cumulative_length = torch.zeros((), dtype=torch.int64)
            elif isinstance(layer, CacheLayerMixin) and not isinstance(layer, StaticLayer):
                raise TraceError(f"the model keeps its state in a {type(layer).__name__}, which grows in a way of its own",
                                 kind="unsupported")

    def _position_tensors(self):
        """(layer index, layer, attribute, tensor) of what attention layers store by position: nothing beyond the call's position is
        read."""
        for i, layer in enumerate(getattr(self.cache, "layers", None) or []):
            if isinstance(layer, (StaticLayer, FilledLayer)):
                for key, value in vars(layer).items():
                    if isinstance(value, torch.Tensor):
                        yield i, layer, key, value

    @contextlib.contextmanager
    def _carried_only(self):
        """The cache object without what attention layers store by position."""
        layers = getattr(self.cache, "layers", None) or []
        whole = list(layers)
        tensors = [(layer, key, value) for _, layer, key, value in self._position_tensors()]
        for layer, key, _ in tensors:
            layer.__dict__[key] = None
        layers[:] = [layer if isinstance(layer, LinearAttentionLayer) or not isinstance(layer, (StaticLayer, FilledLayer)) else None
                     for layer in whole]
        yield
        layers[:] = whole
        for layer, key, value in tensors:
            layer.__dict__[key] = value

    def _each(self, visit):
        """visit(path, tensor) -> tensor for everything that is carried."""
        with self._carried_only():
            self.cache = _map(self.cache, visit, (self.name,) if self.name else ())
        self.attributes.map(visit, self.attribute_keys)

    def _numbers(self):
        """Everything carried that is not a tensor."""
        with self._carried_only():
            return _skeleton([self.cache, [vars(self.attributes.modules[i]).get(k) for i, k in self.attribute_keys]])

    def _register(self, path, tensor):
        """A carried tensor becomes a buffer with the content that it had before the model wrote into it."""
        from torch import _C

        name = "state_" + "_".join(str(p).replace(".", "_") for p in path[1:] if p != "layers" and p != "")
        initial = _C.initial(tensor)
        if initial is None:
            raise TraceError(f"the model carries {'.'.join(map(str, path))} from call to call, and etch cannot tell what it holds "
                             "before the first token", kind="unsupported")
        self.initial[path] = (name, initial)
        self.register_buffer(name, initial.clone(), persistent=False)
        return tensor

    def prepare(self):
        """Buffers for keys and values, under the names of the official exporter where it has them."""
        names = {"keys": "key_cache", "values": "value_cache"}
        for i, layer, key, value in list(self._position_tensors()):
            if "cumulative_length" in key:
                continue
            buffer = torch.zeros(list(value.shape), dtype=value.dtype)
            setattr(layer, key, buffer)
            self.register_buffer(f"{names.get(key, key)}_{i}", buffer, persistent=False)
            self.by_position.append((layer, key, buffer))
        if not self.initial and not self.by_position:
            from etch_trace.cache_shapes import NO_CACHE

            raise TraceError(NO_CACHE, kind="unsupported")
        return self

    def again(self):
        """A new module for another attempt: a failed one has left its mark on the cache object."""
        for (i, key) in self.attribute_keys:
            setattr(self.attributes.modules[i], key, self.untouched[i, key])
        return CarriedStateModule(self.model, self.length, self.example, self.growing, self.make_layer).prepare().eval()

    # ---- the traced call ----

    def forward(self, cache_position, **tokens):
        start = cache_position[0]
        fresh = start == 0
        for _, layer, key, _ in list(self._position_tensors()):
            if "cumulative_length" in key:
                setattr(layer, key, start.clone())
        if any(isinstance(layer, FilledLayer) for layer in getattr(self.cache, "layers", None) or []):
            past = assumptions.start(cache_position, self.length)
            for layer in self.cache.layers:
                if isinstance(layer, FilledLayer):
                    layer.past = past

        def load(path, tensor):
            name, initial = self.initial[path]
            return torch.where(fresh, initial, getattr(self, name))

        self._each(load)
        before = self._numbers()
        out = self._call(tokens, self.cache, cache_position)
        if self.name and getattr(out, self.name, None) is not None:
            self.cache = getattr(out, self.name)
        if self._numbers() != before:
            raise TraceError("the model counts tokens in Python numbers of its cache; such a count is not kept between calls",
                             kind="unsupported")
        for layer, key, buffer in self.by_position:
            if getattr(layer, key) is not buffer:
                raise TraceError(f"the model replaces the tensor {key} of its cache instead of writing into it", kind="unsupported")

        def store(path, tensor):
            if path not in self.initial:
                raise TraceError(f"the model keeps {'.'.join(map(str, path))} in some calls only", kind="unsupported")
            getattr(self, self.initial[path][0]).copy_(tensor)
            return tensor

        self._each(store)
        return out.logits if hasattr(out, "logits") else out.last_hidden_state

    def unread(self):
        """After the trace: carried tensors that no call reads (counts aside) mean that the model's code starts afresh each time."""
        from torch import _C

        read = set(_C.read_buffers())
        return [name for name, initial in self.initial.values() if name not in read and initial.is_floating_point()]
