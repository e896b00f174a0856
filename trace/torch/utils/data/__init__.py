"""torch.utils.data: base classes for annotations and subclassing; nothing is loaded."""


class Dataset:
    def __class_getitem__(cls, item):
        return cls

    def __getitem__(self, index):
        raise NotImplementedError


class IterableDataset(Dataset):
    pass


class Sampler:
    def __class_getitem__(cls, item):
        return cls


class RandomSampler(Sampler):
    pass


class SequentialSampler(Sampler):
    pass


class BatchSampler(Sampler):
    pass


class TensorDataset(Dataset):
    pass


class Subset(Dataset):
    pass


class DataLoader:
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("etch: torch.utils.data.DataLoader is not available")


def get_worker_info():
    return None
