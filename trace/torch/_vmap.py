"""torch.vmap: a mapped function sees tensors that hide one dimension a level; each operation is done on all of it at once.

In: fn, in_dims (per argument, nested for tuples and lists), out_dims. Out: a function over whole tensors.
Elementwise operations line up hidden dimensions and broadcast the rest; indexing by hidden integer tensors becomes one index operation; any
other operation runs slice by slice when the mapped size is static (select, call, stack).
"""
import functools
import operator

import torch

_depth = 0


class Batched:
    """`value` is [*hidden, *shape], one hidden dimension for each of `levels` (ascending); the mapped function sees `shape`."""

    def __init__(self, value, levels):
        self.value, self.levels = value, levels

    shape = property(lambda self: torch.Size(tuple(self.value.shape)[len(self.levels):]))
    ndim = property(lambda self: self.value.dim() - len(self.levels))
    dtype = property(lambda self: self.value.dtype)
    device = property(lambda self: self.value.device)
    is_meta = property(lambda self: self.value.is_meta)

    def dim(self):
        return self.value.dim() - len(self.levels)

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def numel(self):
        return self.shape.numel()

    def is_floating_point(self):
        return self.value.is_floating_point()

    def _refuse(self):
        raise NotImplementedError("etch: inside torch.vmap a mapped tensor has no single value")

    __index__ = __int__ = __float__ = __bool__ = item = tolist = _refuse

    def __getitem__(self, key):
        return getitem(self, key)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return functools.partial(_method, name, self)

    # The hidden dimensions play no part in a constant of the visible shape.
    def new_ones(self, *args, **kwargs):
        return self.value.new_ones(*args, **kwargs)

    def new_zeros(self, *args, **kwargs):
        return self.value.new_zeros(*args, **kwargs)

    def new_full(self, *args, **kwargs):
        return self.value.new_full(*args, **kwargs)

    def new_tensor(self, *args, **kwargs):
        return self.value.new_tensor(*args, **kwargs)

    def to(self, *args, **kwargs):
        return Batched(self.value.to(*args, **kwargs), self.levels)


def _levels(args):
    found = set()
    for a in args:
        if isinstance(a, Batched):
            found.update(a.levels)
        elif isinstance(a, (tuple, list)):
            found.update(_levels(a))
    return tuple(sorted(found))


def _align(x, levels, rank):
    """The tensor of `x` with one dimension for each of `levels` (size 1 where x lacks it), then `rank` visible ones."""
    if not isinstance(x, Batched):
        return x
    value = x.value
    for i, level in enumerate(levels):
        if level not in x.levels:
            value = value.unsqueeze(i)
    for _ in range(rank - x.dim()):
        value = value.unsqueeze(len(levels))
    return value


def _elementwise(fn, *args):
    levels = _levels(args)
    if not levels:
        return fn(*args)
    rank = max(a.dim() for a in args if isinstance(a, (Batched, torch.Tensor)))
    return Batched(fn(*[_align(a, levels, rank) for a in args]), levels)


def _install():
    for name in "add sub mul truediv floordiv mod pow and or xor eq ne lt le gt ge".split():
        fn = getattr(operator, name + "_" if name in ("and", "or") else name)
        setattr(Batched, f"__{name}__", lambda self, other, fn=fn: _elementwise(fn, self, other))
        if name not in ("eq", "ne", "lt", "le", "gt", "ge"):
            setattr(Batched, f"__r{name}__", lambda self, other, fn=fn: _elementwise(fn, other, self))
    for name in ("neg", "invert", "abs"):
        fn = getattr(operator, name)
        setattr(Batched, f"__{name}__", lambda self, fn=fn: _elementwise(fn, self))
    Batched.__hash__ = object.__hash__


_install()

# Operations that act on each element alone, or on broadcast elements.
_POINTWISE = frozenset(
    "abs add sub mul div floor_divide remainder fmod pow bitwise_and bitwise_or bitwise_xor bitwise_not logical_and logical_or logical_not"
    " eq ne lt le gt ge neg exp log sqrt rsqrt sin cos tanh sigmoid where clamp clamp_min clamp_max maximum minimum float int long bool "
    "half"
    " double bfloat16 type masked_fill floor ceil round sign square reciprocal isnan isinf isfinite relu trunc erf xlogy clone contiguous"
    " detach logical_xor true_divide subtract multiply divide lerp zeros_like ones_like full_like".split()
)


def _method(name, self, *args, **kwargs):
    call = lambda first, *rest: getattr(first, name)(*rest, **kwargs)  # noqa: E731
    return (_elementwise if name in _POINTWISE else _slices)(call, self, *args)


def _slices(fn, *args):
    """Any operation, one slice of the lowest level at a time."""
    levels = _levels(args)
    if not levels:
        return fn(*args)
    level = levels[0]
    size = next(a.value.shape[0] for a in args if isinstance(a, Batched) and level in a.levels)
    if not isinstance(size, int):
        raise NotImplementedError("etch: torch.vmap cannot map this operation over a dimension of symbolic size")

    def slice_of(a, i):
        if isinstance(a, (tuple, list)):
            return type(a)(slice_of(x, i) for x in a)
        if not isinstance(a, Batched) or level not in a.levels:
            return a
        value = a.value[i]
        return Batched(value, a.levels[1:]) if len(a.levels) > 1 else value

    outs = [_slices(fn, *[slice_of(a, i) for a in args]) for i in range(size)]
    inner = _levels(outs)
    if not inner:
        return Batched(torch.stack(outs, 0), (level,))
    rank = outs[0].dim()
    return Batched(torch.stack([_align(o, inner, rank) for o in outs], 0), (level, *inner))


_plain_getitem = torch.Tensor.__getitem__


def getitem(x, key):
    """x[key] where x or an entry of key is Batched."""
    key = key if isinstance(key, tuple) else (key,)
    if not isinstance(x, Batched) and not _levels(key):
        return _plain_getitem(x, key if len(key) != 1 else key[0])
    if all(isinstance(k, (int, Batched, torch.Tensor, torch.SymInt)) and not isinstance(k, bool) for k in key):
        indices = list(key)
        value = x
        if isinstance(x, Batched):  # its hidden dimensions become indices that run along them
            value = x.value
            indices = [Batched(torch.arange(value.shape[i]), (level,)) for i, level in enumerate(x.levels)] + indices
        indices = [k if isinstance(k, (Batched, torch.Tensor)) else torch.tensor(k) for k in indices]
        return _elementwise(lambda *k: _plain_getitem(value, tuple(k)), *indices)
    if _levels(key):
        return _slices(lambda t, *k: t[k], x, *key)
    return Batched(_plain_getitem(x.value, (*(slice(None) for _ in x.levels), *key)), x.levels)


def _functions():
    """Replacements of torch.<name> while a vmap runs."""
    table = {}
    for name in _POINTWISE:
        plain = torch.__dict__.get(name)
        if callable(plain) and not isinstance(plain, type):
            table[name] = lambda *args, _fn=plain, **kwargs: _elementwise(lambda *a: _fn(*a, **kwargs), *args)
    for name in ("cat", "stack", "sum", "all", "any", "matmul"):
        plain = torch.__dict__[name]
        table[name] = lambda *args, _fn=plain, **kwargs: _slices(lambda *a: _fn(*a, **kwargs), *args)
    return table


def _hide(x, dim, level):
    if dim is None:
        return x
    if isinstance(x, (tuple, list)):
        dims = dim if isinstance(dim, (tuple, list)) else [dim] * len(x)
        return type(x)(_hide(v, d, level) for v, d in zip(x, dims))
    levels = x.levels if isinstance(x, Batched) else ()
    value = x.value if isinstance(x, Batched) else x
    at = len(levels) + dim if dim >= 0 else dim
    return Batched(value if at == len(levels) else value.movedim(at, len(levels)), (*levels, level))


def _show(x, dim, level, size):
    if isinstance(x, (tuple, list)):
        dims = dim if isinstance(dim, (tuple, list)) else [dim] * len(x)
        return type(x)(_show(v, d, level, size) for v, d in zip(x, dims))
    if dim is None or not isinstance(x, (Batched, torch.Tensor)):
        return x
    levels = x.levels if isinstance(x, Batched) else ()
    value = x.value if isinstance(x, Batched) else x
    if level in levels:
        at = levels.index(level)
        levels = levels[:at] + levels[at + 1:]
        to = len(levels) + dim if dim >= 0 else dim
        value = value if at == to else value.movedim(at, to)
    else:
        value = value.unsqueeze(len(levels) + dim)
        shape = list(value.shape)
        shape[len(levels) + dim] = size
        value = value.expand(shape)
    return Batched(value, levels) if levels else value


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    @functools.wraps(func)
    def mapped(*args, **kwargs):
        global _depth
        dims = in_dims if isinstance(in_dims, (tuple, list)) else [in_dims] * len(args)
        sizes = [a.shape[d] for a, d in zip(args, dims) if d is not None and isinstance(a, (torch.Tensor, Batched))]
        if not sizes:
            raise ValueError("vmap: at least one argument must be mapped")
        outermost = _depth == 0
        saved = {}
        if outermost:
            table = _functions()
            saved = {name: torch.__dict__[name] for name in table}
            torch.__dict__.update(table)
            torch.Tensor.__getitem__ = getitem
        _depth += 1
        try:
            out = func(*[_hide(a, d, _depth) for a, d in zip(args, dims)], **kwargs)
            return _show(out, out_dims, _depth, sizes[0])
        finally:
            _depth -= 1
            if outermost:
                torch.__dict__.update(saved)
                torch.Tensor.__getitem__ = _plain_getitem

    return mapped
