"""safetensors.torch for the tracer: loading gives lazy tensors, saving is not available."""
from safetensors import safe_open, serialize

save = save_file = save_model = serialize


def storage_ptr(tensor):
    return tensor.untyped_storage().data_ptr()


def storage_size(tensor):
    return tensor.untyped_storage().nbytes()


def load_file(filename, device="cpu"):
    with safe_open(filename, framework="pt") as f:
        return {name: f.get_tensor(name) for name in f.keys()}


def load(data):
    raise NotImplementedError("etch: weights are read from files, not from bytes in memory")


def load_model(model, filename, strict=True, device="cpu"):
    missing, unexpected = model.load_state_dict(load_file(filename), strict=strict)
    return set(missing), list(unexpected)
