"""Writes tests/multimodal/NAME/{config.json, preprocessor_config.json, tensors.json, golden.safetensors} with PyTorch and transformers
(tools/requirements-official.txt).

golden.safetensors holds what a runner does, in the naming of `etch verify`: the encoder's call, the prompt's embeddings, the decoder's
prefill with the encoder's rows in the place of the image or audio token, then greedy steps; from PyTorch eager in float32.

generate.json, of the model that has a tokenizer (generate_image): a prompt with an image, as transformers' processor makes ids and
pixels of it, and the greedy tokens.

    python tools/golden/multimodal.py [NAME ...]
"""
import json
import os
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMultimodalLM

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "..", "..", "tests")
sys.path[:0] = [HERE, TESTS]
import multimodal_configs  # noqa: E402
import weights  # noqa: E402

FOLDER = os.path.join(TESTS, "multimodal")
NEW = 4
PHOTO = os.path.join(TESTS, "..", "img", "testdata", "photo.ppm")
FEATURES = {"gemma3": (1, 3, 32, 32), "voxtral": (2, 16, 64), "granite_speech": (1, 40, 16)}


def load(folder):
    return AutoModelForMultimodalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def encode(model, features):
    """[1, N, D]"""
    get = model.get_image_features if "image" in model.input_modalities else model.get_audio_features
    out = get(features).pooler_output
    return out.reshape(1, -1, out.shape[-1])


def record(name, model):
    """Calls in order, as {"s<step>.<method>.in<i>" or "out<i>": tensor}."""
    g = torch.Generator().manual_seed(7)
    features = torch.randn(FEATURES[name], generator=g)
    vision = "image" in model.input_modalities
    token = model.config.image_token_id if vision else model.config.audio_token_id
    out, step = {}, 0

    def call(method, ins, result):
        nonlocal step
        for i, t in enumerate(ins):
            out[f"s{step}.{method}.in{i}"] = t.clone().contiguous()
        out[f"s{step}.{method}.out0"] = result.clone().contiguous()
        step += 1

    with torch.no_grad():
        rows = encode(model, features)
        call("vision_encoder" if vision else "audio_encoder", [features], rows)
        words = torch.randint(30, 200, (1, 5), generator=g)
        ids = torch.cat([words[:, :3], torch.full((1, rows.shape[1]), token), words[:, 3:]], 1)
        embeds = model.get_input_embeddings()(ids)
        call("token_embedding", [ids], embeds)
        spliced = torch.where((ids == token)[..., None], 0, embeds)
        spliced[ids == token] = rows[0]
        cache, position = None, 0
        for i in range(1 + NEW):
            r = model(inputs_embeds=spliced, past_key_values=cache, use_cache=True)
            cache, end = r.past_key_values, position + spliced.shape[1]
            call("text_decoder", [spliced, torch.arange(position, end)], r.logits)
            position, next_id = end, r.logits[:, -1].argmax(-1, keepdim=True)
            if i == NEW:
                break
            ids = torch.cat([ids, next_id], 1)
            spliced = model.get_input_embeddings()(next_id)
            call("token_embedding", [next_id], spliced)
        # The parts must say what the whole model says of the features and all tokens at once: the golden checks itself.
        whole = model(input_ids=ids, **{model_input(model): features}, use_cache=False).logits
        joined = torch.cat([out[k] for k in sorted((k for k in out if k.endswith("text_decoder.out0")),
                                                   key=lambda k: int(k[1:k.index(".")]))], 1)
        diff = (whole - joined).abs().max().item()
    assert diff < 2e-4, diff
    return out, diff


def greedy(model, ids, rows, token, n):
    """n tokens at the most, without the one that ends the text, from ids [1, S] with rows [1, N, D] where it has the token."""
    embed, found, cache = model.get_input_embeddings(), [], None
    with torch.no_grad():
        at = ids == token
        embeds = embed(torch.where(at, 0, ids))
        embeds[at] = rows[0]
        while len(found) < n:
            r = model(inputs_embeds=embeds, past_key_values=cache, use_cache=True)
            top, cache = r.logits[0, -1].topk(2), r.past_key_values
            assert top.values[0] - top.values[1] > 1e-3, top  # else another summation order may choose the other
            if top.indices[0] == model.config.get_text_config().eos_token_id:
                break
            found.append(top.indices[0].item())
            embeds = embed(torch.tensor([found[-1:]]))
    return found


def generate_image(folder, model, processor):
    """The prompt is as its template writes it; `chat` is what a user of `etch generate` makes of it. Needs Pillow."""
    from PIL import Image
    from transformers import Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    whole = Gemma3Processor(Gemma3ImageProcessorPil(**processor), multimodal_configs.tokenizer(), image_seq_length=4)
    prompt = "<bos>Is this <start_of_image> a cat?\n"
    inputs = whole(text=prompt, images=[[Image.open(PHOTO)]], add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        new = greedy(model, inputs["input_ids"], encode(model, inputs["pixel_values"]), model.config.image_token_id, 12)
    chat = prompt.replace("<start_of_image>", "\n\n<start_of_image><image_soft_token><end_of_image>\n\n")
    with open(os.path.join(folder, "generate.json"), "w") as f:
        json.dump({"image": os.path.basename(PHOTO), "chat": chat, "prompt_ids": inputs["input_ids"][0].tolist(), "new_ids": new}, f,
                  indent=2)
        f.write("\n")


def model_input(model):
    return "pixel_values" if "image" in model.input_modalities else "input_features"


def write(name):
    config, processor = multimodal_configs.TABLE[name]()
    folder = os.path.join(FOLDER, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(processor, f, indent=2, sort_keys=True)
        f.write("\n")
    with tempfile.TemporaryDirectory() as tmp:
        AutoModelForMultimodalLM.from_config(config).save_pretrained(tmp)
        shapes = {k: list(v.shape) for k, v in sorted(load_file(os.path.join(tmp, "model.safetensors")).items())}
        with open(os.path.join(tmp, "config.json")) as f:
            config = json.load(f)
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump(config, f, indent=2, sort_keys=True)
            f.write("\n")
        with open(os.path.join(folder, "tensors.json"), "w") as f:
            f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(s)}" for k, s in shapes.items()) + "\n}\n")
        weights.write_model(name, tmp, FOLDER)
        model = load(tmp)
        if name == "gemma3":
            multimodal_configs.tokenizer().backend_tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
            generate_image(folder, model, processor)
    out, diff = record(name, model)
    save_file(out, os.path.join(folder, "golden.safetensors"))
    print(name, f"self-check {diff:.1e}, logits up to {max(t.abs().max() for k, t in out.items() if 'decoder.out' in k):.2f}", flush=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or multimodal_configs.TABLE:
        write(each)
