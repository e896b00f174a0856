"""torch.linalg: norms and products; decompositions are not available."""
import torch

_aten = torch.ops.aten


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    if dim is not None and not hasattr(dim, "__len__"):
        dim = [dim]
    return _aten.linalg_vector_norm(x, ord, None if dim is None else list(dim), keepdim, dtype=dtype)


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None, out=None):
    if ord in ("nuc", -2) or (ord in (2, "fro") and dim is not None and hasattr(dim, "__len__") and len(dim) == 2 and ord == 2):
        raise NotImplementedError(f"etch: torch.linalg.norm of order {ord!r} cannot be traced")
    return vector_norm(A, 2 if ord in (None, "fro") else ord, dim, keepdim, dtype=dtype)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    if ord != "fro":
        raise NotImplementedError(f"etch: torch.linalg.matrix_norm of order {ord!r} cannot be traced")
    return vector_norm(A, 2, dim, keepdim, dtype=dtype)


def matmul(input, other):
    return torch.matmul(input, other)


def multi_dot(tensors):
    out = tensors[0]
    for t in tensors[1:]:
        out = torch.matmul(out, t)
    return out


def cross(input, other, *, dim=-1):
    return torch.cross(input, other, dim)


def vecdot(x, y, *, dim=-1):
    return (x * y).sum(dim)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    return A.diagonal(offset, dim1, dim2)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """Forward or backward substitution over a static size: one row a step."""
    if not left:
        return solve_triangular(A.transpose(-2, -1), B.transpose(-2, -1), upper=not upper, unitriangular=unitriangular).transpose(-2, -1)
    n = A.shape[-1]
    if not isinstance(n, int):
        raise NotImplementedError("etch: solve_triangular of a symbolic size cannot be traced")
    rows = {}
    for i in reversed(range(n)) if upper else range(n):
        known = sorted(rows)
        row = B[..., i:i + 1, :]
        if known:
            first, last = known[0], known[-1] + 1
            row = row - torch.matmul(A[..., i:i + 1, first:last], torch.cat([rows[k] for k in known], -2))
        rows[i] = row if unitriangular else row / A[..., i:i + 1, i:i + 1]
    return torch.cat([rows[i] for i in range(n)], -2)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.linalg.{name} cannot be traced")

    missing.__name__ = name
    return missing
