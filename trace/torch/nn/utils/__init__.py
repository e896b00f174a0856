"""torch.nn.utils: weight norm, vector conversions."""
from torch.nn.utils import parametrizations, parametrize, rnn  # noqa: F401
from torch.nn.utils.weight_norm import remove_weight_norm, spectral_norm, weight_norm  # noqa: F401


def _training_only(name):
    def fn(*args, **kwargs):
        raise NotImplementedError(f"etch traces inference: torch.nn.utils.{name} is not available")

    fn.__name__ = name
    return fn


clip_grad_norm_ = _training_only("clip_grad_norm_")
clip_grad_value_ = _training_only("clip_grad_value_")
clip_grads_with_norm_ = _training_only("clip_grads_with_norm_")
get_total_norm = _training_only("get_total_norm")


def skip_init(module_cls, *args, **kwargs):
    return module_cls(*args, **kwargs)
