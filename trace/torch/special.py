"""torch.special: aliases of functions of the torch namespace."""
import torch


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    alias = {"expit": "sigmoid", "exp2": "exp2", "logit": "logit", "erf": "erf", "log1p": "log1p", "softmax": "softmax",
             "log_softmax": "log_softmax", "xlogy": "xlogy", "sinc": "sinc", "gammaln": "lgamma", "i0": "i0"}.get(name, name)
    found = torch.__dict__.get(alias)
    if found is not None:
        return found

    def missing(*args, **kwargs):
        raise NotImplementedError(f"etch: torch.special.{name} cannot be traced")

    return missing
