"""Functions that are compositions of other operators: what PyTorch also decomposes, or what has no row of its own.

A name whose operator has a row in the table is taken from the table instead (torch/__init__.py lets the core's functions win).
The functions listed in METHODS are also Tensor methods.
"""
import math

import torch
from torch._einsum import einsum  # noqa: F401

METHODS = """
addbmm addmv addr allclose argwhere broadcast_to cdist chunk clamp_max clamp_min cosine_similarity count_nonzero cross deg2rad diag diff
dsplit expand_as flatten fliplr flipud frac heaviside hsplit index_fill inner isclose isfinite isin isinf isneginf isposinf isreal kron
lerp logaddexp logcumsumexp logit logsumexp masked_select matrix_exp moveaxis movedim mv nan_to_num nansum nanmean norm outer rad2deg ravel
renorm repeat_interleave rot90 sinc softmax log_softmax square swapaxes swapdims take take_along_dim tensor_split tile trace true_divide
unflatten unique unique_consecutive vdot vsplit xlogy erfc erfinv digamma lgamma nonzero_static hypot copysign
fix positive dist ger unsafe_chunk unsafe_split bucketize kthvalue median quantile mode histc bincount logical_xor dot
""".split()

# Python forms that no row takes as they are: tensors as separate arguments, orders by name.
VARIADIC = frozenset(("meshgrid", "norm", "broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "cartesian_prod", "block_diag"))

_OTHER = """
einsum meshgrid broadcast_tensors broadcast_shapes atleast_1d atleast_2d atleast_3d hstack vstack dstack row_stack column_stack block_diag
cartesian_prod combinations tril_indices triu_indices searchsorted tensordot result_type promote_types can_cast is_same_size
bartlett_window blackman_window hamming_window hann_window kaiser_window stft istft polar complex view_as_real view_as_complex real imag
cumulative_trapezoid trapz trapezoid chain_matmul vander where_nonzero feature_dropout dropout layer_norm group_norm batch_norm
conv1d conv2d conv3d conv_transpose1d conv_transpose2d embedding pairwise_distance pixel_shuffle prelu celu selu hardshrink
gumbel_softmax grid_sampler affine_grid_generator _grouped_mm _scaled_mm cummax cummin unravel_index
""".split()


def _unavailable(name, why="has no operator row"):
    def fn(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.{name} cannot be traced ({why})")

    fn.__name__ = fn.__qualname__ = name
    return fn


def _dim(dim, rank):
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise IndexError(f"Dimension out of range (expected to be in range of [{-max(rank, 1)}, {max(rank, 1) - 1}], but got {dim})")
    return dim % max(rank, 1)


# Shapes.


def broadcast_shapes(*shapes):
    rank = max((len(s) if hasattr(s, "__len__") else 1) for s in shapes)
    out = [1] * rank
    for shape in shapes:
        shape = tuple(shape) if hasattr(shape, "__len__") else (shape,)
        for i, size in enumerate(shape):
            j = rank - len(shape) + i
            if isinstance(size, int) and size == 1:
                continue
            if isinstance(out[j], int) and out[j] == 1:
                out[j] = size
            elif out[j] != size:
                raise RuntimeError(f"Shape mismatch: objects cannot be broadcast to a single shape: {list(shapes)}")
    return torch.Size(out)


def broadcast_tensors(*tensors):
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t if tuple(t.shape) == tuple(shape) else t.expand(shape) for t in tensors)


def broadcast_to(self, size):
    return self.expand(size)


def expand_as(self, other):
    return self.expand(other.shape)


def atleast_1d(*tensors):
    return _atleast(tensors, lambda t: t.reshape(1) if t.dim() == 0 else t)


def atleast_2d(*tensors):
    return _atleast(tensors, lambda t: t.reshape(1, 1) if t.dim() == 0 else t.unsqueeze(0) if t.dim() == 1 else t)


def atleast_3d(*tensors):
    def up(t):
        if t.dim() == 0:
            return t.reshape(1, 1, 1)
        if t.dim() == 1:
            return t.unsqueeze(0).unsqueeze(-1)
        return t.unsqueeze(-1) if t.dim() == 2 else t

    return _atleast(tensors, up)


def _atleast(tensors, up):
    if len(tensors) == 1 and isinstance(tensors[0], torch.Tensor):
        return up(tensors[0])
    if len(tensors) == 1:
        tensors = tensors[0]
    return tuple(up(t) for t in tensors)


def hstack(tensors):
    tensors = atleast_1d(list(tensors))
    return torch.cat(tensors, 0 if tensors[0].dim() == 1 else 1)


def vstack(tensors):
    return torch.cat(atleast_2d(list(tensors)), 0)


row_stack = vstack


def dstack(tensors):
    return torch.cat(atleast_3d(list(tensors)), 2)


def column_stack(tensors):
    return hstack([t.reshape(t.numel(), 1) if t.dim() <= 1 else t for t in tensors])


def flatten(self, start_dim=0, end_dim=-1):
    rank = self.dim()
    if rank == 0:
        return self.reshape(1)
    start, end = _dim(start_dim, rank), _dim(end_dim, rank)
    if start == end:
        return self
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    middle = 1
    for s in self.shape[start:end + 1]:
        middle = middle * s
    return self.reshape(*self.shape[:start], middle, *self.shape[end + 1:])


def unflatten(self, dim, sizes):
    dim = _dim(dim, self.dim())
    sizes = list(sizes)
    if -1 in [s for s in sizes if isinstance(s, int)]:
        known = 1
        for s in sizes:
            if not (isinstance(s, int) and s == -1):
                known = known * s
        sizes = [self.shape[dim] // known if isinstance(s, int) and s == -1 else s for s in sizes]
    return self.view(*self.shape[:dim], *sizes, *self.shape[dim + 1:])


def ravel(self):
    return self.reshape(-1)


def movedim(self, source, destination):
    rank = self.dim()
    source = [_dim(d, rank) for d in (source if hasattr(source, "__len__") else [source])]
    destination = [_dim(d, rank) for d in (destination if hasattr(destination, "__len__") else [destination])]
    order = [None] * rank
    for s, d in zip(source, destination):
        order[d] = s
    rest = iter(d for d in range(rank) if d not in source)
    return self.permute([next(rest) if o is None else o for o in order])


moveaxis = movedim


def swapaxes(self, axis0, axis1):
    return self.transpose(axis0, axis1)


swapdims = swapaxes


def tile(self, *dims):
    if len(dims) == 1 and hasattr(dims[0], "__len__"):
        dims = dims[0]
    dims = [1] * (self.dim() - len(dims)) + list(dims)
    return self.repeat(dims)


def fliplr(self):
    return self.flip([1])


def flipud(self):
    return self.flip([0])


def rot90(self, k=1, dims=(0, 1)):
    k %= 4
    if k == 1:
        return self.flip([dims[1]]).transpose(dims[0], dims[1])
    if k == 2:
        return self.flip(list(dims))
    if k == 3:
        return self.flip([dims[0]]).transpose(dims[0], dims[1])
    return self.clone()


def chunk(self, chunks, dim=0):
    """At most `chunks` pieces of ceil(size / chunks)."""
    size = self.shape[_dim(dim, self.dim())]
    step = max((size + chunks - 1) // chunks, 1)
    return self.split(step, dim)


def tensor_split(self, indices_or_sections, dim=0):
    size = self.shape[_dim(dim, self.dim())]
    if isinstance(indices_or_sections, int):
        n = indices_or_sections
        small, extra = size // n, size % n
        return self.split([small + 1] * extra + [small] * (n - extra), dim)
    points = [0, *[int(i) for i in indices_or_sections], size]
    return tuple(self[(slice(None),) * _dim(dim, self.dim()) + (slice(a, b),)] for a, b in zip(points, points[1:]))


def hsplit(self, indices_or_sections):
    return tensor_split(self, indices_or_sections, 0 if self.dim() == 1 else 1)


def vsplit(self, indices_or_sections):
    return tensor_split(self, indices_or_sections, 0)


def dsplit(self, indices_or_sections):
    return tensor_split(self, indices_or_sections, 2)


def meshgrid(*tensors, indexing="ij"):
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    tensors = [t.reshape(1) if t.dim() == 0 else t for t in tensors]
    swap = indexing == "xy" and len(tensors) >= 2
    order = [tensors[1], tensors[0], *tensors[2:]] if swap else tensors
    shape = [t.shape[0] for t in order]
    grids = [t.view([-1 if i == j else 1 for j in range(len(shape))]).expand(shape) for i, t in enumerate(order)]
    if swap:
        grids = [grids[1], grids[0], *grids[2:]]
    return tuple(grids)


def cartesian_prod(*tensors):
    if len(tensors) == 1:
        return tensors[0]
    return torch.stack([g.flatten() for g in meshgrid(*tensors)], 1)


def block_diag(*tensors):
    tensors = atleast_2d(list(tensors))
    cols = sum(t.shape[1] for t in tensors)
    rows, left = [], 0
    for t in tensors:
        rows.append(torch.nn.functional.pad(t, [left, cols - left - t.shape[1]]))
        left += t.shape[1]
    return torch.cat(rows, 0)


def diag(self, diagonal=0):
    if self.dim() == 2:
        return self.diagonal(diagonal)
    n = self.shape[0] + abs(diagonal)
    rows = torch.arange(n).unsqueeze(1)
    cols = torch.arange(n).unsqueeze(0)
    column = self.unsqueeze(1) if diagonal <= 0 else self.unsqueeze(0)
    if diagonal:
        column = torch.nn.functional.pad(column, [diagonal, 0] if diagonal > 0 else [0, 0, -diagonal, 0])
    return torch.where(cols - rows == diagonal, column, torch.zeros((), dtype=self.dtype))


def trace(self):
    return self.diagonal().sum()


def _indices(row, col, offset, lower, dtype):
    pairs = [(r, c) for r in range(row) for c in range(col) if (c - r <= offset if lower else c - r >= offset)]
    return torch.tensor([[r for r, _ in pairs], [c for _, c in pairs]], dtype=dtype)


def tril_indices(row, col, offset=0, *, dtype=torch.int64, device=None, layout=None):
    return _indices(row, col, offset, True, dtype)


def triu_indices(row, col, offset=0, *, dtype=torch.int64, device=None, layout=None):
    return _indices(row, col, offset, False, dtype)


def repeat_interleave(self, repeats=None, dim=None, *, output_size=None):
    if repeats is None:
        raise NotImplementedError("etch: repeat_interleave of counts alone has a data-dependent size")
    if isinstance(repeats, torch.Tensor):
        counts = repeats.tolist()
        counts = counts if isinstance(counts, list) else [counts]
        if len(counts) > 1:
            if dim is None:
                self, dim = self.reshape(-1), 0
            index = torch.tensor([i for i, n in enumerate(counts) for _ in range(n)], dtype=torch.int64)
            return self.index_select(dim, index)
        repeats = counts[0]
    if dim is None:
        self, dim = self.reshape(-1), 0
    dim = _dim(dim, self.dim())
    shape = list(self.shape)
    wide = self.unsqueeze(dim + 1).expand(*shape[:dim + 1], repeats, *shape[dim + 1:])
    return wide.reshape(*shape[:dim], shape[dim] * repeats, *shape[dim + 1:])


# Pointwise.


def square(self):
    return self * self


def clamp_min(self, min):
    return torch.clamp(self, min=min)


def clamp_max(self, max):
    return torch.clamp(self, max=max)


def true_divide(self, other):
    return self / other


def isnan(self):
    return self != self


def isinf(self):
    return self.abs() == math.inf


def isfinite(self):
    return (self == self) & (self.abs() != math.inf)


def isposinf(self):
    return self == math.inf


def isneginf(self):
    return self == -math.inf


def nan_to_num(self, nan=0.0, posinf=None, neginf=None):
    info = torch.finfo(self.dtype)
    out = torch.where(self != self, torch.full_like(self, 0.0 if nan is None else nan), self)
    out = torch.where(out == math.inf, torch.full_like(self, info.max if posinf is None else posinf), out)
    return torch.where(out == -math.inf, torch.full_like(self, info.min if neginf is None else neginf), out)


def isclose(self, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    close = (self == other) | ((self - other).abs() <= atol + (rtol * other).abs())
    return close | ((self != self) & (other != other)) if equal_nan else close


def allclose(self, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    return bool(isclose(self, other, rtol, atol, equal_nan).all())


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    if not isinstance(test_elements, torch.Tensor):
        found = elements == test_elements
    elif not isinstance(elements, torch.Tensor):
        found = (test_elements == elements).any()
    else:
        found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


def lerp(self, end, weight):
    return self + (end - self) * weight


def logit(self, eps=None):
    if eps is not None:
        self = torch.clamp(self, eps, 1 - eps)
    return (self / (1 - self)).log()


def xlogy(self, other):
    return torch.where(self == 0, torch.zeros_like(self), self * other.log())


def sinc(self):
    x = self * math.pi
    return torch.where(x == 0, torch.ones_like(x), x.sin() / torch.where(x == 0, torch.ones_like(x), x))


def deg2rad(self):
    return self * (math.pi / 180)


def rad2deg(self):
    return self * (180 / math.pi)


def frac(self):
    return self - self.trunc()


def fix(self):
    return self.trunc()


def positive(self):
    return self


def logaddexp(self, other):
    high = torch.maximum(self, other)
    return high + ((self - high).exp() + (other - high).exp()).log()


def logical_xor(self, other):
    return self.to(torch.bool) ^ other.to(torch.bool)


def heaviside(self, values):
    return torch.where(self == 0, values, (self > 0).to(self.dtype))


def hypot(self, other):
    return (self * self + other * other).sqrt()


# Reductions.


def logsumexp(self, dim, keepdim=False):
    dims = list(dim) if hasattr(dim, "__len__") else [dim]
    high = torch.amax(self, dims, True)
    high = torch.where(high.abs() == math.inf, torch.zeros_like(high), high)
    total = (self - high).exp().sum(dims, keepdim=True).log() + high
    if not keepdim:
        for d in sorted((_dim(d, self.dim()) for d in dims), reverse=True):
            total = total.squeeze(d)
    return total


def count_nonzero(self, dim=None):
    hits = self != 0
    return hits.sum() if dim is None else hits.sum(dim)


def norm(self, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    p = 2 if p is None or p == "fro" else p
    return torch.linalg.vector_norm(self, p, dim, keepdim, dtype=dtype)


def dist(self, other, p=2):
    return norm(self - other, p)


def nansum(self, dim=None, keepdim=False, *, dtype=None):
    clean = torch.where(self != self, torch.zeros_like(self), self)
    return clean.sum(dtype=dtype) if dim is None else clean.sum(dim, keepdim, dtype=dtype)


def nanmean(self, dim=None, keepdim=False, *, dtype=None):
    good = (self == self).to(self.dtype)
    count = good.sum() if dim is None else good.sum(dim, keepdim)
    return nansum(self, dim, keepdim, dtype=dtype) / count


# Products.


def outer(self, vec2):
    return self.unsqueeze(1) * vec2.unsqueeze(0)


ger = outer


def mv(self, vec):
    return torch.matmul(self, vec)


def dot(self, other):
    return (self * other).sum()


vdot = dot


def inner(self, other):
    if self.dim() == 0 or other.dim() == 0:
        return self * other
    return tensordot(self, other, ([-1], [-1]))


def tensordot(a, b, dims=2, out=None):
    if isinstance(dims, int):
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left, right = [_dim(d, a.dim()) for d in left], [_dim(d, b.dim()) for d in right]
    keep_a = [d for d in range(a.dim()) if d not in left]
    keep_b = [d for d in range(b.dim()) if d not in right]
    inner_size = 1
    for d in left:
        inner_size = inner_size * a.shape[d]
    shape = [a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b]
    return torch.mm(a.permute(keep_a + left).reshape(-1, inner_size), b.permute(right + keep_b).reshape(inner_size, -1)).reshape(shape)


def addmv(self, mat, vec, *, beta=1, alpha=1):
    return self * beta + torch.matmul(mat, vec) * alpha


def addr(self, vec1, vec2, *, beta=1, alpha=1):
    return self * beta + outer(vec1, vec2) * alpha


def addbmm(self, batch1, batch2, *, beta=1, alpha=1):
    return self * beta + torch.bmm(batch1, batch2).sum(0) * alpha


def kron(self, other):
    rank = max(self.dim(), other.dim())
    a = self.reshape([1] * (rank - self.dim()) + list(self.shape))
    b = other.reshape([1] * (rank - other.dim()) + list(other.shape))
    wide = a.reshape([s for d in a.shape for s in (d, 1)]) * b.reshape([s for d in b.shape for s in (1, d)])
    return wide.reshape([x * y for x, y in zip(a.shape, b.shape)])


def cross(self, other, dim=-1):
    (a0, a1, a2), (b0, b1, b2) = self.unbind(dim), other.unbind(dim)
    return torch.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], dim)


def cdist(x1, x2, p=2.0, compute_mode=None):
    return torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


def diff(self, n=1, dim=-1, prepend=None, append=None):
    parts = [t for t in (prepend, self, append) if t is not None]
    self = torch.cat(parts, dim) if len(parts) > 1 else self
    for _ in range(n):
        size = self.shape[dim]
        self = self.narrow(dim, 1, size - 1) - self.narrow(dim, 0, size - 1)
    return self


# Selection.


def take(self, index):
    return self.reshape(-1)[index]


def take_along_dim(self, indices, dim=None):
    if dim is None:
        return self.reshape(-1).gather(0, indices.reshape(-1))
    dim = _dim(dim, self.dim())
    shape = list(broadcast_shapes([1 if i == dim else s for i, s in enumerate(self.shape)],
                                  [1 if i == dim else s for i, s in enumerate(indices.shape)]))
    a = self.expand([self.shape[dim] if i == dim else s for i, s in enumerate(shape)])
    b = indices.expand([indices.shape[dim] if i == dim else s for i, s in enumerate(shape)])
    return a.gather(dim, b)


def index_fill(self, dim, index, value):
    positions = torch.arange(self.shape[dim])
    hit = (positions.unsqueeze(-1) == index.reshape(-1)).any(-1)
    hit = hit.view([-1 if i == _dim(dim, self.dim()) else 1 for i in range(self.dim())])
    return self.masked_fill(hit, value)


def bucketize(input, boundaries, *, out_int32=False, right=False):
    hits = input.unsqueeze(-1) >= boundaries if right else input.unsqueeze(-1) > boundaries
    return hits.sum(-1, dtype=torch.int32 if out_int32 else torch.int64)


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    right = right or side == "right"
    if sorter is not None:
        raise NotImplementedError("etch: searchsorted with sorter cannot be traced")
    if not isinstance(input, torch.Tensor):
        input = torch.tensor(input, dtype=sorted_sequence.dtype)
    if sorted_sequence.dim() == 1:
        return bucketize(input, sorted_sequence, out_int32=out_int32, right=right)
    hits = input.unsqueeze(-1) >= sorted_sequence.unsqueeze(-2) if right else input.unsqueeze(-1) > sorted_sequence.unsqueeze(-2)
    return hits.sum(-1, dtype=torch.int32 if out_int32 else torch.int64)


def _constant_list(self, what):
    values = self.reshape(-1).tolist()
    return values, self.dtype


def unique(self, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """Sizes depend on the data: possible for constants only."""
    if dim is not None:
        raise NotImplementedError("etch: torch.unique along a dimension cannot be traced")
    values, dtype = _constant_list(self, "unique")
    order = __builtins_sorted(set(values))
    where = {v: i for i, v in enumerate(order)}
    out = [torch.tensor(order, dtype=dtype)]
    if return_inverse:
        out.append(torch.tensor([where[v] for v in values], dtype=torch.int64).reshape(self.shape))
    if return_counts:
        out.append(torch.tensor([values.count(v) for v in order], dtype=torch.int64))
    return out[0] if len(out) == 1 else tuple(out)


__builtins_sorted = sorted


def unique_consecutive(self, return_inverse=False, return_counts=False, dim=None):
    if dim is not None:
        raise NotImplementedError("etch: torch.unique_consecutive along a dimension cannot be traced")
    values, dtype = _constant_list(self, "unique_consecutive")
    runs, inverse = [], []
    for v in values:
        if not runs or runs[-1][0] != v:
            runs.append([v, 0])
        runs[-1][1] += 1
        inverse.append(len(runs) - 1)
    out = [torch.tensor([v for v, _ in runs], dtype=dtype)]
    if return_inverse:
        out.append(torch.tensor(inverse, dtype=torch.int64).reshape(self.shape))
    if return_counts:
        out.append(torch.tensor([n for _, n in runs], dtype=torch.int64))
    return out[0] if len(out) == 1 else tuple(out)


def argwhere(self):
    return self.nonzero()


def softmax(self, dim, dtype=None):
    return torch.ops.aten.softmax.int(self, dim, dtype)


def log_softmax(self, dim, dtype=None):
    return torch.ops.aten.log_softmax.int(self, dim, dtype)


# Windows and types.


def _window(window_length, periodic, dtype, weights):
    if window_length == 1:
        return torch.ones(1, dtype=dtype)
    n = window_length + 1 if periodic else window_length
    x = torch.arange(n, dtype=dtype or torch.get_default_dtype()) * (2 * math.pi / (n - 1))
    return weights(x)[:window_length]


def hann_window(window_length, periodic=True, *, dtype=None, device=None, layout=None, requires_grad=False):
    return _window(window_length, periodic, dtype, lambda x: 0.5 - 0.5 * x.cos())


def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, device=None, layout=None, requires_grad=False):
    return _window(window_length, periodic, dtype, lambda x: alpha - beta * x.cos())


def blackman_window(window_length, periodic=True, *, dtype=None, device=None, layout=None, requires_grad=False):
    return _window(window_length, periodic, dtype, lambda x: 0.42 - 0.5 * x.cos() + 0.08 * (2 * x).cos())


_RANK = {name: i for i, name in enumerate(("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64",
                                           "complex64"))}


def promote_types(type1, type2):
    a, b = sorted((type1, type2), key=lambda t: _RANK[str(t).split(".")[1]])
    names = {str(a), str(b)}
    if names == {"torch.float16", "torch.bfloat16"}:
        return torch.float32
    if names == {"torch.uint8", "torch.int8"}:
        return torch.int16
    return b


def result_type(a, b):
    return (a + b).dtype if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor) else torch.tensor(a + b).dtype


def can_cast(from_, to):
    def kind(t):
        return 3 if t.is_complex else 2 if t.is_floating_point else 0 if t == torch.bool else 1

    return kind(from_) <= kind(to)


def is_same_size(a, b):
    return tuple(a.shape) == tuple(b.shape)


def view_as_real(input):
    return torch.ops.aten.view_as_real(input)


def unravel_index(indices, shape):
    out = []
    for size in reversed(tuple(shape)):
        out.append(indices % size)
        indices = indices // size
    return tuple(reversed(out))


def _from_functional(name):
    def fn(*args, **kwargs):
        return getattr(torch.nn.functional, name)(*args, **kwargs)

    fn.__name__ = name
    return fn


for _name in ("layer_norm", "group_norm", "embedding", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
              "pairwise_distance", "pixel_shuffle", "prelu", "celu", "selu", "hardshrink", "cosine_similarity", "gumbel_softmax"):
    globals().setdefault(_name, _from_functional(_name))


def dropout(input, p, train):
    return torch.nn.functional.dropout(input, p, train)


feature_dropout = dropout


def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=False):
    return torch.ops.aten.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)


__all__ = METHODS + _OTHER
for _name in __all__:
    if _name not in globals():
        globals()[_name] = _unavailable(_name)
del _name
