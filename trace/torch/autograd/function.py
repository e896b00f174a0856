"""autograd.Function: apply() is the forward pass."""


class FunctionCtx:
    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def mark_dirty(self, *args):
        return None

    def mark_non_differentiable(self, *args):
        return None

    def set_materialize_grads(self, value):
        return None

    def save_for_forward(self, *tensors):
        return None


class Function:
    @classmethod
    def apply(cls, *args, **kwargs):
        ctx = FunctionCtx()
        ctx.needs_input_grad = (False,) * len(args)
        if cls.setup_context is not Function.setup_context:
            out = cls.forward(*args, **kwargs)
            cls.setup_context(ctx, args, out)
            return out
        return cls.forward(ctx, *args, **kwargs)

    @staticmethod
    def setup_context(ctx, inputs, output):
        return None

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for a custom autograd.Function.")


def once_differentiable(fn):
    return fn
