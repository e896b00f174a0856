"""multimodal-text-to-text on tiny models with an image or audio encoder: exported by the command line, run end to end (encode, embed,
splice, generate) in the official runtime and in etch's, against PyTorch eager. float32 in another summation order: 1e-4 absolute and
relative; about 1e-5 is seen.
"""
import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMultimodalLM

import weights
from official import Official

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "tools", "golden"))
import multimodal as golden  # noqa: E402

TOL = dict(atol=1e-4, rtol=1e-4)
NAMES = weights.names(weights.MULTIMODAL)
FLAGS = {"portable": (), "xnnpack": (), "custom": ("--use_custom_sdpa", "--use_custom_kv_cache")}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = weights.write_model(name, tmp_path_factory.mktemp(name), weights.MULTIMODAL)
        return made[name]
    return make


def generate(program, encoder, token, ids, features):
    """A runner's loop with the program's own outputs: greedy tokens."""
    rows = program(encoder, [features])[0]
    embeds = program("token_embedding", [ids])[0]
    embeds[ids == token] = rows[0]
    tokens, position = [], 0
    for _ in range(golden.NEW):
        logits = program("text_decoder", [embeds, torch.arange(position, position + embeds.shape[1])])[0]
        position += embeds.shape[1]
        tokens.append(logits[0, -1].argmax().item())
        embeds = program("token_embedding", [torch.tensor([[tokens[-1]]])])[0]
    return tokens


def check_metadata(name, program):
    with open(os.path.join(weights.MULTIMODAL, name, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(weights.MULTIMODAL, name, "preprocessor_config.json")) as f:
        processor = json.load(f)
    text = config["text_config"]
    want = {"modality": "vision" if "vision_config" in config else "audio", "get_max_seq_len": 64, "get_vocab_size": text["vocab_size"],
            "get_n_layers": text["num_hidden_layers"], "get_bos_id": text["bos_token_id"], "get_n_kv_heads": text["num_key_value_heads"],
            "use_kv_cache": 1}
    for key, value in {**want, **processor}.items():
        if value is None:
            assert key not in program.methods()
            continue
        got = program.constant(key)
        value = list(value.values()) if isinstance(value, dict) else value
        assert got == value if isinstance(value, str) else got == pytest.approx(value), key


@pytest.mark.parametrize("name", NAMES)
def test_golden_is_what_pytorch_says(name, folder):
    now, _ = golden.record(name, golden.load(folder(name)))
    want = load_file(os.path.join(weights.MULTIMODAL, name, "golden.safetensors"))
    assert now.keys() == want.keys()
    for key in want:
        torch.testing.assert_close(now[key], want[key], **TOL)


@pytest.mark.parametrize("variant", list(FLAGS))
@pytest.mark.parametrize("name", NAMES)
def test_runs_in_both_runtimes(name, variant, folder, etch, result, tmp_path):
    result.of(name, "multimodal", "multimodal-text-to-text", variant)
    recipe = "portable" if variant == "portable" else "xnnpack"
    task = "image-text-to-text" if variant == "portable" else "multimodal-text-to-text"  # two names of one task
    etch("export", "--model", folder(name), "--task", task, "--recipe", recipe, "--max_seq_len", 64, *FLAGS[variant], "-o", tmp_path)
    pte, recorded = tmp_path / "model.pte", os.path.join(weights.MULTIMODAL, name, "golden.safetensors")
    etch("verify", pte, recorded, "--atol", "1e-4", "--rtol", "1e-4")
    io, program = load_file(recorded), Official(pte)
    check_metadata(name, program)
    calls = sorted((int(k[1:k.index(".")]), k.split(".")[1]) for k in io if k.endswith("out0"))
    for step, method in calls:
        ins = [io[k] for k in sorted(k for k in io if k.startswith(f"s{step}.{method}.in"))]
        result.close(program(method, ins)[0], io[f"s{step}.{method}.out0"], **TOL)
    encoder, ids = calls[0][1], io["s1.token_embedding.in0"]
    token = program.constant(encoder.replace("encoder", "token_id"))
    chosen = [io[f"s{step}.text_decoder.out0"][0, -1].argmax().item() for step, method in calls if method == "text_decoder"]
    assert generate(Official(pte), encoder, token, ids, io[f"s0.{encoder}.in0"]) == chosen[:golden.NEW]


QUANTIZED = ["--use_custom_sdpa", "--use_custom_kv_cache", "--qlinear", "8da4w", "--qembedding", "8w"]
ENCODER = ["--qlinear_encoder", "8da4w,8da8w", "--qlinear_encoder_group_size", 32]


@pytest.mark.parametrize("name", NAMES)
def test_quantized_parts(name, folder, etch, tmp_path):
    """--qlinear leaves the encoder in float; with --qlinear_encoder both runtimes agree on it (5e-3 of the largest value, as in
    test_quantized.py)."""
    io = load_file(os.path.join(weights.MULTIMODAL, name, "golden.safetensors"))
    calls = sorted((int(k[1:k.index(".")]), k.split(".")[1]) for k in io if k.endswith("out0"))
    encoder = calls[0][1]
    for flags in ([], [*ENCODER, "--qembedding_encoder", "8w"] if name == "gemma3" else ENCODER):
        etch("export", "--model", folder(name), "--task", "multimodal-text-to-text", "--max_seq_len", 64, *QUANTIZED, *flags, "-o",
             tmp_path)
        with open(tmp_path / "report.json") as f:
            weights_of = [(w["name"], w["scheme"]) for w in json.load(f)["weights"]]  # a tied table has two entries
        text = {scheme for key, scheme in weights_of if "language_model" in key or "lm_head" in key}
        parts = {scheme for key, scheme in weights_of if "language_model" not in key and "lm_head" not in key}
        assert text == {"8da4w", "8w"}
        assert parts >= ({"8da4w", "8w"} if "--qembedding_encoder" in flags else {"8da4w"}) if flags else not parts, weights_of
        program, record, largest = Official(tmp_path / "model.pte"), {}, 0
        for step, method in calls:
            ins = [io[k] for k in sorted(k for k in io if k.startswith(f"s{step}.{method}.in"))]
            out = program(method, ins)[0].contiguous()
            largest = max(largest, out.abs().max().item())
            record.update({f"s{step}.{method}.in{i}": t for i, t in enumerate(ins)}, **{f"s{step}.{method}.out0": out})
        save_file(record, tmp_path / "official.safetensors")
        etch("verify", tmp_path / "model.pte", tmp_path / "official.safetensors", "--atol", 5e-3 * largest, "--rtol", 0)
        got, want = record[f"s0.{encoder}.out0"], io[f"s0.{encoder}.out0"]
        error = ((got - want).pow(2).mean().sqrt() / want.pow(2).mean().sqrt()).item()
        print(f"{name} {'quantized' if flags else 'float'} encoder: relative RMS {error:.4f}")
        assert error < (0.35 if flags else 1e-5)  # 4-bit weights and 8-bit activations in tiny random layers: 0.12 to 0.26 seen


# name: the encoder's input, and what get_image_features or get_audio_features takes beside it
OTHERS = {"llava": ((1, 3, 32, 32), {}), "llava_next": ((1, 2, 3, 32, 32), {"image_sizes": torch.tensor([[32, 32]])}),
          "mistral3": ((1, 3, 32, 32), {"image_sizes": torch.tensor([[32, 32]])}), "internvl": ((1, 3, 32, 32), {}),
          "glmasr": ((1, 16, 64), {"input_features_mask": torch.ones(1, 64, dtype=torch.int64)})}


@pytest.mark.parametrize("name", list(OTHERS))
def test_other_interfaces(name, etch, tmp_path):
    """The parts of models that take their input in other ways, in the official runtime."""
    shape, others = OTHERS[name]
    torch.manual_seed(0)
    AutoModelForMultimodalLM.from_config(golden.multimodal_configs.OTHERS[name]()).save_pretrained(tmp_path)
    if name == "glmasr":
        (tmp_path / "preprocessor_config.json").write_text('{"feature_size": 16, "nb_max_frames": 64}')
    etch("export", "--model", tmp_path, "--task", "multimodal-text-to-text", "--max_seq_len", 32, "-o", tmp_path)
    program, model, x = Official(tmp_path / "model.pte"), golden.load(tmp_path), torch.randn(shape)
    with torch.no_grad():
        vision = "image" in model.input_modalities
        out = (model.get_image_features if vision else model.get_audio_features)(x, **others)
        out = out.pooler_output if hasattr(out, "pooler_output") else out
        rows = torch.cat([part.reshape(-1, part.shape[-1]) for part in out])[None]
        torch.testing.assert_close(program("vision_encoder" if vision else "audio_encoder", [x])[0], rows, **TOL)
        ids = torch.randint(0, 200, (1, 6))
        embeds = program("token_embedding", [ids])[0]
        got = [program("text_decoder", [embeds[:, a:b].contiguous(), torch.arange(a, b)])[0] for a, b in ((0, 5), (5, 6))]
        torch.testing.assert_close(torch.cat(got, 1), model(input_ids=ids).logits, **TOL)


# What a processor writes in the place of an image, and what the prompt for `etch generate` has there. The decoders are causal: their own
# generate() does what a runner does.
MARK, BEGIN, END = "<image_soft_token>", "<start_of_image>", "<end_of_image>"
PLACES = {"llava": (16 * MARK, MARK), "internvl": (BEGIN + 4 * MARK + END, BEGIN + MARK + END),
          "mistral3": (2 * (2 * MARK + BEGIN),) * 2}  # two rows of two tokens, each with one more at its end: written out


@pytest.mark.parametrize("n_images", [1, 2])
@pytest.mark.parametrize("name", list(PLACES))
def test_generates_from_images(name, n_images, etch, tmp_path):
    """Image files to text: the greedy tokens of transformers' generate() with the pixels of its processor (img/testdata), without and
    with a penalty for tokens that the text has."""
    data = os.path.join(ROOT, "img", "testdata")
    model = AutoModelForMultimodalLM.from_config(golden.multimodal_configs.OTHERS[name](), attn_implementation="eager").eval()
    model.load_state_dict({key: torch.from_numpy(weights.tensor(key, list(v.shape))).to(v.dtype) for key, v in model.state_dict().items()})
    model.save_pretrained(tmp_path)
    tokenizer = golden.multimodal_configs.tokenizer()
    tokenizer.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    with open(os.path.join(data, "processors.json")) as f:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(json.load(f)["bilinear_down"]))
    pixels = load_file(os.path.join(data, "images.safetensors"))["bilinear_down"]
    files = [os.path.join(data, "photo.ppm"), str(tmp_path / "negative.ppm")][:n_images]
    if n_images == 2:  # mean and deviation are 0.5: the pixels change their sign
        with open(files[0], "rb") as f:
            photo = f.read()
        with open(files[1], "wb") as f:
            f.write(photo[:13] + bytes(255 - v for v in photo[13:]))
        pixels = torch.cat([pixels, -pixels])
    full, short = (f"<bos>Is {' or '.join([part] * n_images)} a cat?\n" for part in PLACES[name])
    ids = tokenizer(full, add_special_tokens=False, return_tensors="pt")["input_ids"]
    more = {"image_sizes": torch.tensor([[32, 32]] * n_images)} if name == "mistral3" else {}
    etch("export", "--model", tmp_path, "--task", "multimodal-text-to-text", "--max_seq_len", 96, "-o", tmp_path)
    (tmp_path / "chat.txt").write_text(short)
    images = [word for file in files for word in ("--image", file)]
    found, made = [], str(tmp_path / "inputs.safetensors")
    save_file({"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels, **more}, made)
    for penalty in (1.0, 1.4, 0.8):
        want = model.generate(input_ids=ids, pixel_values=pixels, max_new_tokens=12, do_sample=False, repetition_penalty=penalty, **more)
        for prompt in (["-f", tmp_path / "chat.txt", "--templated", *images], ["--inputs", made]):
            got = etch("generate", tmp_path / "model.pte", *prompt, "--ids", "-n", 12, "--repetition_penalty", penalty)
            assert [int(i) for i in got.split()] == want[0].tolist(), (penalty, prompt)
        found.append(got)
    assert len({*found}) > 1, found
