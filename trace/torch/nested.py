"""torch.nested: not available (nested tensors); any use names itself."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.nested.{name} is not available")

    missing.__name__ = name
    return missing
