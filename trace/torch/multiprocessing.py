"""torch.multiprocessing: not available (process start methods); any use names itself."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.multiprocessing.{name} is not available")

    missing.__name__ = name
    return missing
