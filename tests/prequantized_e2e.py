"""Pre-quantised inputs end to end, without PyTorch: a GGUF file or a GPTQ checkpoint gives the program that safetensors of its dequantised
weights give, schemes that hold the integers keep them, and what cannot be read is refused.
"""
import json
import os
import struct

import numpy as np
from harness import main, ok, refused, test
from prequantized import gguf_header, packed_config, to_gguf, to_packed, write_gguf
from safetensors.numpy import load_file, save_file
from weights import tensor

# Rows of 256 values: whole blocks of every type.
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
          "num_hidden_layers": 2, "head_dim": 32,
          "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 96, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
          "hidden_act": "silu",
          "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
          "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}}
KINDS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "F16", "BF16", "F32"]


def llama():
    h, mlp, kv = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["num_key_value_heads"] * CONFIG["head_dim"]
    shapes = {"model.embed_tokens.weight": (96, h), "lm_head.weight": (96, h), "model.norm.weight": (h,)}
    for i in range(CONFIG["num_hidden_layers"]):
        for name, shape in {"self_attn.q_proj": (h, h), "self_attn.k_proj": (kv, h), "self_attn.v_proj": (kv, h),
                            "self_attn.o_proj": (h, h),
                            "mlp.gate_proj": (mlp, h), "mlp.up_proj": (mlp, h), "mlp.down_proj": (h, mlp), "input_layernorm": (h,),
                            "post_attention_layernorm": (h,)}.items():
            shapes[f"model.layers.{i}.{name}.weight"] = shape
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def folder(tmp, name, config=None, weights=None):
    path = os.path.join(tmp, name)
    os.makedirs(path)
    if config:
        with open(os.path.join(path, "config.json"), "w") as f:
            json.dump(config, f)
    if weights:
        save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, os.path.join(path, "model.safetensors"),
                  metadata={"format": "pt"})
    return path


def logits(tmp, model, *flags):
    out = os.path.join(tmp, "out")
    ok("export", "--model", model, "--max_seq_len", "16", "-q", "-o", out, *flags)
    save_file({"in0": np.array([[3, 14, 15, 9, 2, 6]]), "in1": np.arange(6)}, os.path.join(tmp, "in.safetensors"))
    ok("run", os.path.join(out, "model.pte"), "--inputs", os.path.join(tmp, "in.safetensors"), "--outputs",
       os.path.join(tmp, "out.safetensors"))
    with open(os.path.join(out, "report.json")) as f:
        return next(iter(load_file(os.path.join(tmp, "out.safetensors")).values())), json.load(f)["weights"]


@test
def gguf_of_every_type_equals_its_dequantised_weights(tmp):
    model = folder(tmp, "gguf")
    weights, kinds = llama(), {}
    for i, name in enumerate(n for n, w in weights.items() if w.ndim > 1):
        kinds[name] = KINDS[i % len(KINDS)]
    stored = to_gguf(CONFIG, weights, os.path.join(model, "m.gguf"), kinds.get, "llama", paired=True)
    got, report = logits(tmp, model, "--gguf_file", "m.gguf")  # no config.json: from the metadata
    want, _ = logits(tmp, folder(tmp, "plain", CONFIG, stored))
    assert np.array_equal(got, want), np.abs(got - want).max()
    assert {w["name"]: w["source"] for w in report} == {n: k for n, k in kinds.items() if k not in ("F16", "BF16", "F32")}
    _, report = logits(tmp, model, "--gguf_file", "m.gguf", "--qlinear", "8w", "--qlinear_group_size", "32", "--qembedding", "8w",
                       "--qembedding_group_size", "32")
    for w in report:  # exact where groups of 32 have no offset
        kept = w.get("source") in ("Q4_0", "Q5_0", "Q8_0")
        assert kept == (w["relative_rms_error"] == 0) and (not kept or w["groups_kept"] == w["groups"]), w


@test
def integers_that_fit_are_kept(tmp):
    weights = llama()
    linear = [n for n in weights if n.endswith("proj.weight")]
    tensors, stored = to_packed(weights, linear.__contains__, "gptq", group=64)
    exact, _ = logits(tmp, folder(tmp, "plain", CONFIG, stored))
    model = folder(tmp, "gptq", packed_config(CONFIG, "gptq", group=64), tensors)
    got, report = logits(tmp, model, "--qlinear", "8da4w", "--qlinear_group_size", "64")
    by_name = {w["name"]: w for w in report}
    for name in linear:  # kept; the error is that of the scales, f16 -> bf16, at most 2^-9
        w = by_name[name]
        assert w["source"] == "GPTQ 4 bits" and w["groups_kept"] == w["groups"] == weights[name].size // 64, w
        assert 0 < w["relative_rms_error"] < 2 ** -9, w
    assert "source" not in by_name["lm_head.weight"]
    assert np.abs(got - exact).max() < 0.2 * np.abs(exact).max()
    # stored as values, with the scales as they are
    _, report = logits(tmp, model, "--qlinear", "4w", "--qlinear_group_size", "64", "--recipe", "portable")
    assert all((w["relative_rms_error"] == 0) == ("source" in w) for w in report), report


@test
def gptq_in_shards_with_moved_columns(tmp):
    weights = llama()
    tensors, stored = to_packed(weights, lambda n: n.endswith("proj.weight"), "gptq", bits=8, symmetric=False, checkpoint_format="gptq_v2",
                                act_order=True)
    model = folder(tmp, "gptq", packed_config(CONFIG, "gptq", bits=8, checkpoint_format="gptq_v2", desc_act=True))
    halves = ({k: v for k, v in tensors.items() if k.endswith("scales") == last} for last in (False, True))
    index = {}
    for i, part in enumerate(halves):
        file = f"model-{i + 1:05}-of-00002.safetensors"
        save_file({k: np.ascontiguousarray(v) for k, v in part.items()}, os.path.join(model, file), metadata={"format": "pt"})
        index.update(dict.fromkeys(part, file))
    with open(os.path.join(model, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {}, "weight_map": index}, f)
    got, report = logits(tmp, model)
    want, _ = logits(tmp, folder(tmp, "plain", CONFIG, stored))
    assert np.array_equal(got, want), np.abs(got - want).max()
    assert all(w["source"] == "GPTQ 8 bits" and w["scheme"] == "float" and "dequantised" in w["reason"] for w in report), report[0]


@test
def damaged_gguf_files_are_refused(tmp):
    model, path = folder(tmp, "m", CONFIG), os.path.join(tmp, "m", "m.gguf")

    def bad(data, *says, **kw):
        with open(path, "wb") as f:
            f.write(data)
        refused("export", "--model", model, "--gguf_file", "m.gguf", "-o", os.path.join(tmp, "o"), says=("--gguf_file", *says),
                no_file=os.path.join(tmp, "o"), **kw)

    pairs = {"general.architecture": "llama"}
    row = [("a", (4, 32), 2, 0)]  # Q4_0: 4 blocks of 18 bytes
    whole = gguf_header(pairs, row) + bytes(96)
    bad(whole[:-30], "'a' ends after", "incomplete")
    bad(whole[:40], "incomplete")
    bad(b"", "empty or incomplete")
    bad(b"PK" + whole[2:], "no GGUF file")
    bad(whole[:4] + struct.pack("<I", 1) + whole[8:], "version 1")
    bad(whole[:8] + struct.pack("<Q", 1 << 60) + whole[16:], "more than the file has room for")
    bad(whole[:16] + struct.pack("<Q", 1 << 60) + whole[24:], "incomplete")
    bad(gguf_header(pairs, row + [("b", (4, 32), 2, 64)]) + bytes(512), "'a' and 'b' overlap")
    bad(gguf_header(pairs, [("a", (4, 256), 16, 0)]) + bytes(512), "IQ2_XXS")
    bad(gguf_header(pairs, [("a", (4, 30), 2, 0)]) + bytes(512), "rows of 30 values")
    bad(gguf_header(pairs, [("a", (1 << 40, 1 << 40), 0, 0)]) + bytes(512), "more bytes than can be counted")
    refused("export", "--model", model, "--gguf_file", "other.gguf", "-o", tmp, says=("no such file",))
    refused("export", "--model", path, "-o", tmp, says=("--gguf_file",), code=2)


@test
def unreadable_quantization_is_refused(tmp):
    weights = {"model.norm.weight": np.ones(256, np.float32)}

    def bad(config, tensors, *says):
        model = folder(tmp, f"m{len(os.listdir(tmp))}", config, {**weights, **tensors})
        refused("export", "--model", model, "-o", os.path.join(tmp, "o"), says=says)

    base = "model.layers.0.mlp.up_proj."
    packed = {base + "qweight": np.zeros((32, 512), np.int32), base + "qzeros": np.zeros((8, 64), np.int32),
              base + "scales": np.ones((8, 512), np.float16)}
    bad({**CONFIG, "quantization_config": {"quant_method": "mxfp4"}}, {}, "'mxfp4'", "gptq")
    bad({**CONFIG, "quantization_config": {"load_in_4bit": True}}, {}, "bitsandbytes")
    bad(packed_config(CONFIG, "gptq", checkpoint_format="marlin"), packed, "marlin")
    bad(packed_config(CONFIG, "awq", version="gemv"), packed, "gemv")
    bad(packed_config(CONFIG, "gptq", bits=3), packed, "3 bits")
    bad(packed_config(CONFIG, "gptq"), {k: v for k, v in packed.items() if not k.endswith("scales")}, "lacks " + base + "scales")
    bad(packed_config(CONFIG, "gptq"), {**packed, base + "scales": np.ones((8, 500), np.float16)}, base + "weight", "do not fit")
    model = folder(tmp, "unknown")
    write_gguf(os.path.join(model, "m.gguf"), {"general.architecture": "nothing"}, {"a": ("F32", (4,), bytes(16))})
    refused("export", "--model", model, "--gguf_file", "m.gguf", "-o", os.path.join(tmp, "o"), says=("'nothing'", "config.json"))


main()
