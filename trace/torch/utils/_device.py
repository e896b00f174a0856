"""torch.utils._device: the default device is kept by the core; `with torch.device(...)` sets it."""


class DeviceContext:
    def __init__(self, device):
        from torch import device as make

        self.device = make(device)

    def __enter__(self):
        return self.device.__enter__()

    def __exit__(self, *exc):
        return self.device.__exit__(*exc)
