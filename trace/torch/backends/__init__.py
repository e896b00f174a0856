"""torch.backends: flags that change nothing here; no accelerator is available."""
import contextlib
import sys
import types


class _Backend(types.ModuleType):
    enabled = False
    benchmark = False
    deterministic = True
    allow_tf32 = False
    version = staticmethod(lambda: None)
    is_available = staticmethod(lambda: False)
    is_built = staticmethod(lambda: False)
    is_acl_available = staticmethod(lambda: False)
    flags = staticmethod(lambda *args, **kwargs: contextlib.nullcontext())
    preferred_linalg_library = staticmethod(lambda *args: None)
    enable_flash_sdp = enable_mem_efficient_sdp = enable_math_sdp = enable_cudnn_sdp = staticmethod(lambda enabled: None)
    flash_sdp_enabled = mem_efficient_sdp_enabled = cudnn_sdp_enabled = staticmethod(lambda: False)
    math_sdp_enabled = staticmethod(lambda: True)


for _name in ("cuda", "cudnn", "mps", "mkl", "mkldnn", "openmp", "opt_einsum", "quantized", "cpu", "xnnpack", "xeon", "mha"):
    _module = _Backend("torch.backends." + _name)
    globals()[_name] = sys.modules["torch.backends." + _name] = _module
cuda.matmul = types.SimpleNamespace(allow_tf32=False, fp32_precision="ieee", allow_fp16_reduced_precision_reduction=False,  # noqa: F821
                                    allow_bf16_reduced_precision_reduction=False)
cudnn.conv = cudnn.rnn = types.SimpleNamespace(fp32_precision="ieee")  # noqa: F821
quantized.engine = "none"  # noqa: F821
fp32_precision = "ieee"
del _name, _module
