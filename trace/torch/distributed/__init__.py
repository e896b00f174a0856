"""torch.distributed: not available; the queries that model code makes before using it answer so."""


def is_available():
    return False


def is_initialized():
    return False


def is_torchelastic_launched():
    return False


def get_rank(group=None):
    return 0


def get_world_size(group=None):
    return 1


class ProcessGroup:
    pass


class Work:
    pass


class ReduceOp:
    SUM = AVG = PRODUCT = MIN = MAX = None


class group:
    WORLD = None


class GroupMember:
    WORLD = None


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name in ("tensor", "device_mesh", "fsdp", "algorithms", "nn", "checkpoint", "_functional_collectives"):
        from importlib import import_module

        try:
            return import_module("torch.distributed." + name)
        except ModuleNotFoundError:
            raise AttributeError(f"torch.distributed.{name} is not part of etch's torch") from None

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.distributed.{name} is not available")

    missing.__name__ = name
    return missing
