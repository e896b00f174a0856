"""torch._subclasses: every tensor here is lazy, none is a FakeTensor."""


class FakeTensor:
    pass


class FakeTensorMode:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: FakeTensorMode is not available")


class fake_tensor:
    FakeTensor, FakeTensorMode = FakeTensor, FakeTensorMode
