"""Questions about symbolic sizes. A comparison is decided by the core; bool() of it is exact where the range decides."""
from torch import SymInt


class GuardOnDataDependentSymNode(RuntimeError):
    pass


class ShapeEnv:
    pass


class DimDynamic:
    pass


def guard_or_false(a):
    return bool(a)


guard_or_true = guard_size_oblivious = statically_known_true = definitely_true = sym_eq_true = guard_or_false


def definitely_false(a):
    return not a


def is_symbolic(x):
    return isinstance(x, SymInt)


def free_symbols(x):
    return set()


free_unbacked_symbols = free_symbols


def has_free_symbols(x):
    return isinstance(x, SymInt)


def constrain_range(a, *, min=None, max=None):
    return None


def guard_int(a):
    return int(a)


def guard_scalar(a):
    return a


def hint_int(a, fallback=None):
    return a.example if isinstance(a, SymInt) else int(a)


def expect_true(a, skip=0):
    return bool(a)
