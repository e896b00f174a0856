"""End-to-end tests of tasks with several methods, of their flags, and of task files; no PyTorch needed.

    python tests/tasks.py BUILD [NAME_PART ...]        runs the tests whose name holds one of the parts
"""
import json
import os
import shutil

import weights
from harness import ROOT, TINY, etch, main, ok, refused, sha, test

TOL = ("--atol", "1e-4", "--rtol", "1e-4")  # float32 in another summation order; about 1e-5 is seen


# Models with an image or audio encoder: the encoder, the prompt's embeddings, the decoder over both, greedy steps.

def multimodal_test(name):
    def run(tmp):
        model, out = weights.write_model(name, os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
        ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
        ok("verify", os.path.join(out, "model.pte"), weights.golden(name, weights.MULTIMODAL), *TOL)
    run.__name__ = f"multimodal_{name}"
    test(run)


for family in weights.names(weights.MULTIMODAL):
    multimodal_test(family)


def ids_of(run):
    return [int(i) for i in run.stdout.split()]


@test
def images_in_a_prompt(tmp):
    """The greedy tokens of PyTorch, on the ids and pixels of transformers' processor (generate.json), whatever the tokens of one call."""
    with open(os.path.join(weights.MULTIMODAL, "gemma3", "generate.json")) as f:
        golden = json.load(f)
    model, out = weights.write_model("gemma3", os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
    pte, chat, photo = os.path.join(out, "model.pte"), os.path.join(tmp, "chat.txt"), os.path.join(ROOT, "img", "testdata", golden["image"])

    def args(text, *more):
        with open(chat, "w") as f:
            f.write(text)
        return "generate", pte, "-f", chat, "--templated", "-n", str(len(golden["new_ids"])), *more

    want, image, mark = golden["prompt_ids"] + golden["new_ids"], ("--image", photo), "<image_soft_token>"
    export = ("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
    for flags in (["--recipe", "portable"], ["--prefill_chunk", "7"], ["--disable_dynamic_shapes"],
                  ["--use_custom_sdpa", "--use_custom_kv_cache", "--logits", "last"], ["--dtype", "float16"], []):
        ok(*export, *flags)
        for text in (golden["chat"], golden["chat"].replace(mark, 4 * mark)):
            got = ids_of(ok(*args(text, *image, "--ids")))
            assert got == want or "float16" in flags and got[:28] == want[:28], (flags, got, want)
    told = ok(*args(golden["chat"], *image))
    assert told.stdout.startswith("Is this \n\n\n\n a cat?\n") and mark not in told.stdout and "vision_encoder in" in told.stderr, told
    # Two images, each in its place.
    with open(photo, "rb") as f, open(os.path.join(tmp, "dark.ppm"), "wb") as g:
        file = f.read()
        g.write(file[:13] + bytes(v // 4 for v in file[13:]))
    dark = ("--image", os.path.join(tmp, "dark.ppm"))
    one, other = (ids_of(ok(*args(f"<bos>{mark}, {mark}?", *images, "--ids"))) for images in (image + dark, dark + image))
    assert one[:12] == other[:12] and one[:12].count(250) == 8 and one[12:] != other[12:], (one, other)
    assert one == ids_of(ok(*args(f"<bos>{4 * mark}, {4 * mark}?", *image, *dark, "--ids"))), (one, other)
    # --stop with a special token: after which letter does the model write one?
    special = {251: "<start_of_image>", 252: "<end_of_image>"}
    for letter in "abcdefghijklmnopqrstuvwxyz":
        ids = ids_of(ok(*args(f"<bos>{mark}{letter}", *image, "--ids")))
        at = next((i for i, token in enumerate(ids) if i > 5 and token in special), None)
        if at:
            break
    assert ids_of(ok(*args(f"<bos>{mark}{letter}", *image, "--ids", "--stop", special[ids[at]]))) == ids[:at]
    # Text alone, and what does not fit.
    assert len(ids_of(ok("generate", pte, "-p", "A cat", "-n", "3", "--ids"))) == 6 + 3
    refused(*args(golden["chat"]), says=["token 250 ('<image_soft_token>'), the place of an image", "none is given"])
    for n, images in ((0, image), (2, image), (3, image), (5, image), (1, image + dark), (3, image + dark)):
        refused(*args("<bos>" + n * mark, *images), says=["--image", mark, f"has {n} of them", f"gives {4 * len(images) // 2} rows",
                                                          f"write {len(images) // 2} "])
    refused(*args("<bos>" + mark + 70 * "a", *image), says=["75 more tokens do not fit", "64"])
    refused(*args(golden["chat"], "--image", os.path.join(tmp, "none.png")), says=["--image", "none.png"])
    refused(*args(golden["chat"], "--image", chat), says=["--image", "chat.txt", "neither a PNG nor a PPM"])
    refused(*args(golden["chat"], *9 * image), says=["--image", "more than 8 times"], code=2)
    os.remove(os.path.join(out, "preprocessor_config.json"))
    refused(*args(golden["chat"], *image), says=["--image", "how the model's images are prepared"])


@test
def images_where_none_belongs(tmp):
    """A program for text, and one for audio: it still continues text, but not with an audio token in it."""
    with open(os.path.join(weights.MULTIMODAL, "gemma3", "generate.json")) as f:
        photo = os.path.join(ROOT, "img", "testdata", json.load(f)["image"])
    out = os.path.join(tmp, "out")
    pte = os.path.join(out, "model.pte")
    ok("export", "--model", TINY, "-o", out)
    refused("generate", pte, "-p", "And", "--image", photo, says=["--image", "no method 'vision_encoder'"], code=2)
    model = weights.write_model("voxtral", os.path.join(tmp, "model"), weights.MULTIMODAL)
    shutil.copy(os.path.join(weights.MULTIMODAL, "gemma3", "tokenizer.json"), model)
    ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
    refused("generate", pte, "-p", "And", "--image", photo, says=["--image", "no method 'vision_encoder'"], code=2)
    assert len(ids_of(ok("generate", pte, "-p", "And", "-n", "3", "--ids"))) == 4 + 3
    refused("generate", pte, "-p", "4", says=["token 24 ('4'), the place of sound"])


@test
def prepared_inputs(tmp):
    """What a processor has made, images or sound: the greedy tokens of PyTorch (golden.safetensors)."""
    import numpy as np
    from safetensors.numpy import load_file, save_file
    out, file = os.path.join(tmp, "out"), os.path.join(tmp, "inputs.safetensors")
    run = ("generate", os.path.join(out, "model.pte"), "--ids", "--inputs", file)
    for name in ("gemma3", "granite_speech", "voxtral"):
        model = weights.write_model(name, os.path.join(tmp, name), weights.MULTIMODAL)
        io = load_file(weights.golden(name, weights.MULTIMODAL))
        encoder = "vision_encoder" if name == "gemma3" else "audio_encoder"
        key = "pixel_values" if name == "gemma3" else "input_features"
        ids, features, rows = io["s1.token_embedding.in0"], io[f"s0.{encoder}.in0"], io[f"s0.{encoder}.out0"].shape[1]
        steps = sorted(int(k[1:k.index(".")]) for k in io if k.endswith("text_decoder.out0"))
        want = [*ids[0].tolist(), *(int(io[f"s{i}.text_decoder.out0"][0, -1].argmax()) for i in steps[:4])]
        ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)

        def save(**tensors):
            save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, file)
        ones = np.ones_like(ids)
        save(input_ids=ids, attention_mask=ones, token_type_ids=ones, **{key: features})
        assert ids_of(ok(*run, "-n", "4")) == want, name
        token = int(ids[0][3])
        one = np.concatenate([ids[:, :4], ids[:, 3 + rows:]], 1)[0].astype(np.int32)   # one token in the rows' place
        save(input_ids=one, **{key: features.astype(np.float64)})
        assert ids_of(ok(*run, "-n", "4")) == want, name
        save(input_ids=ids[:, 1:], **{key: features})
        assert ids_of(ok(*run, "-n", "1"))[:-1] == want[1:-4]
        save(input_ids=np.append(ids, token)[None], **{key: features})
        refused(*run, says=["--inputs", f"token {token} ", f"has {rows + 1} of them, and the encoder gives {rows} rows"])
        save(input_ids=ids)
        refused(*run, says=[f"the prompt has token {token}, the place of "])
    # A processor for images gives these beside the pixels.
    ok("export", "--model", os.path.join(tmp, "gemma3"), "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
    image = np.zeros((2, 3, 32, 32), np.float32)
    two = np.array([[1, *4 * [250], 40, *4 * [250], 41]])
    save(input_ids=two, pixel_values=image, image_sizes=np.full((2, 2), 32))
    assert ids_of(ok(*run, "-n", "1"))[:-1] == two[0].tolist()
    for tensors, says in (({"image_sizes": np.full((2, 2), 31)}, ["'image_sizes': an image is smaller"]),
                          ({"image_sizes": np.full((2, 3), 32)}, ["'image_sizes': these are not"]),
                          ({"attention_mask": np.array([[0, 1]])}, ["'attention_mask': it leaves something out"]),
                          ({"image_grid_thw": np.ones((1, 3), np.int64)}, ["'image_grid_thw': no program takes it"]),
                          ({"input_features": image}, ["pixel_values and input_features"]),
                          ({"pixel_values": image[:, :, :16]}, ["--inputs: vision_encoder", "input 0"]),
                          ({"pixel_values": image[0]}, ["--inputs: vision_encoder", "4 dimensions"]),
                          ({"pixel_values": image[:0]}, ["--inputs: vision_encoder", "no values"]),
                          ({"pixel_values": two}, ["--inputs: vision_encoder", "4 dimensions"]),
                          ({"input_ids": -two}, ["'input_ids' has -1, which is no token"]),
                          ({"input_ids": np.where(two == 41, 300, two)}, ["token_embedding", "300"]),
                          ({"input_ids": image}, ["'input_ids' are no whole numbers [1, S]"]),
                          ({"input_ids": two[:, :0]}, ["the prompt has no tokens"])):
        save(**{"input_ids": two, "pixel_values": image, **tensors})
        r = etch(*run)
        assert r.returncode in (1, 2) and all(word in r.stderr for word in says), (says, r.stderr)
    save(other=image)
    refused(*run, says=["--inputs", "'other': no program takes it"])
    save(attention_mask=np.ones((1, 3)))
    refused(*run, says=["--inputs", "none of input_ids, pixel_values and input_features"])
    save(pixel_values=image[:1])
    refused(*run, says=["--inputs has no input_ids"], code=2)
    assert len(ids_of(ok(*run, "-p", "a<image_soft_token>b", "-n", "2"))) == 1 + 6 + 2
    photo = os.path.join(ROOT, "img", "testdata", "photo.ppm")
    refused(*run, "-p", "a<image_soft_token>b", "--image", photo, says=["--inputs", "--image"], code=2)
    save(input_ids=np.array([40, 41, 42]))
    assert ids_of(ok(*run, "-n", "1"))[:3] == [40, 41, 42]
    assert ok(*run[:2], *run[3:], "-n", "1").stdout.startswith("DEF ")
    refused(*run, "-p", "a", says=["--inputs has input_ids"], code=2)
    refused(*run, "--templated", says=["--inputs has input_ids"], code=2)
    refused(*run, "--image", photo, says=["--image: token 250", "has 0 of them"])
    refused("generate", run[1], "--inputs", photo, says=["--inputs", "photo.ppm"])
    ok("export", "--model", TINY, "-o", out)
    save(input_ids=np.array([[5, 6, 7]]), attention_mask=np.ones((1, 3), np.int64))
    assert ids_of(ok(*run, "-n", "3"))[:3] == [5, 6, 7]
    save(input_ids=np.array([[5, 6, 7]]), pixel_values=image)
    refused(*run, says=["--inputs: the program has no method 'vision_encoder'"], code=2)


@test
def processors_of_either_file(tmp):
    """What a preprocessor_config.json says, the same in processor_config.json, as transformers has saved it since 5.0."""
    for name, part in (("gemma3", "image_processor"), ("voxtral", "feature_extractor")):
        model, out = weights.write_model(name, os.path.join(tmp, name), weights.MULTIMODAL), os.path.join(tmp, "out")
        args = ("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "-o", out)
        ok(*args)
        want = sha(os.path.join(out, "model.pte"))
        plain, nested = (os.path.join(model, file) for file in ("preprocessor_config.json", "processor_config.json"))
        with open(plain) as f:
            values = json.load(f)
        assert values, name
        with open(nested, "w") as f:
            json.dump({"processor_class": "SomeProcessor", part: values}, f)
        with open(plain, "w") as f:
            json.dump({"size": 7, "feature_size": 3}, f)   # not read
        ok(*args)
        assert sha(os.path.join(out, "model.pte")) == want, name


@test
def embedding_model(tmp):
    """As it is published: the base model's names in the checkpoint, the causal model's in the config, the pooling beside them."""
    model, out = weights.write_model("qwen3_embedding", os.path.join(tmp, "model"), weights.EMBEDDING), os.path.join(tmp, "out")
    for task, golden in (("text-generation", "generate"), ("feature-extraction", "golden")):
        for recipe in ("portable", "xnnpack"):
            ok("export", "--model", model, "--task", task, "--recipe", recipe, "--max_seq_len", "64", "-o", out)
            ok("verify", os.path.join(out, "model.pte"), os.path.join(weights.EMBEDDING, "qwen3_embedding", golden + ".safetensors"), *TOL)


@test
def embedding_by_an_encoder(tmp):
    """Of an encoder-decoder model, feature-extraction is the encoder."""
    import numpy as np
    from safetensors.numpy import load_file, save_file
    io, model, out = load_file(weights.golden("t5", weights.GUIDE)), weights.write_model("t5", tmp + "/model", weights.GUIDE), tmp + "/out"
    ids, states = io["s0.encoder.in0"], io["s0.encoder.out0"]
    save_file({"s0.forward.in0": ids, "s0.forward.in1": np.ones_like(ids), "s0.forward.out0": states}, tmp + "/io.safetensors")
    ok("export", "--model", model, "--task", "feature-extraction", "-o", out)
    ok("verify", out + "/model.pte", tmp + "/io.safetensors", *TOL)


@test
def portable_tasks(tmp):
    """The kernels alone, on what docs/EXPORTING.md exports for XNNPACK: steps of an encoder-decoder, images, masked tokens."""
    out = os.path.join(tmp, "out")
    for name, task in (("t5", "text2text-generation"), ("whisper", "automatic-speech-recognition"), ("dit", "image-classification"),
                       ("bert", "fill-mask")):
        model = weights.write_model(name, os.path.join(tmp, name), weights.GUIDE)
        ok("export", "--model", model, "--task", task, "--recipe", "portable", "-o", out)
        ok("verify", os.path.join(out, "model.pte"), weights.golden(name, weights.GUIDE), *TOL)


@test
def encoder_flags(tmp):
    """--q*_encoder touch the encoder alone, and are refused where they cannot be honoured."""
    model, out = weights.write_model("gemma3", os.path.join(tmp, "model"), weights.MULTIMODAL), os.path.join(tmp, "out")
    ok("export", "--model", model, "--task", "multimodal-text-to-text", "--max_seq_len", "64", "--qlinear_encoder", "8da8w",
       "--qembedding_encoder", "4w", "-o", out)
    with open(os.path.join(out, "report.json")) as f:
        schemes = {w["name"]: w["scheme"] for w in json.load(f)["weights"]}
    assert set(schemes.values()) == {"8da8w", "4w"} and not [n for n in schemes if "language_model" in n], schemes
    bad = os.path.join(tmp, "bad")
    for flags, says in ((["--qlinear_encoder", "8da4w"], "no encoder"), (["--qembedding_encoder", "8w"], "no encoder"),
                        (["--qlinear_encoder_group_size", "32"], "without --qlinear_encoder"),
                        (["--qlinear_encoder", "5w"], "--qlinear_encoder: '5w'"),
                        (["--qlinear_encoder", "8da4w", "--qlinear_encoder_group_size", "48"], "--qlinear_encoder_group_size 48"),
                        (["--qlinear_encoder", "8da4w", "--recipe", "portable"], "--qlinear_encoder 8da4w needs --recipe xnnpack")):
        refused("export", "--model", TINY, *flags, "-o", bad, says=[says], code=2, no_file=bad)


TASK_FILE = '''import torch
from torch.export import Dim

MODEL = "AutoModel"
OPTIONS = {"max_seq_len": 64}


def methods(model, options):
    length = Dim("length", min=1, max=options["max_seq_len"])

    def embed(input_ids, attention_mask):
        states = model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(states.dtype)
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)

    ids = (torch.int64, [1, length])
    return {"embed": (embed, {"input_ids": ids, "attention_mask": ids}, ["embedding"])}


def metadata(model, options):
    return {"embedding_size": model.config.hidden_size}
'''
OWN_CLASS = '''import torch
from transformers import LlamaConfig, LlamaModel, PreTrainedModel

class Scored(PreTrainedModel):
    """The best logit over the tied table, and a counter that persists between calls."""
    config_class = LlamaConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = LlamaModel(config)
        self.post_init()

class Counted(torch.nn.Module):
    def __init__(self, scored):
        super().__init__()
        self.scored = scored
        self.register_buffer("calls", torch.zeros(1, dtype=torch.int64))

    def forward(self, input_ids):
        self.calls.add_(1)
        last = self.scored.model(input_ids=input_ids, use_cache=False).last_hidden_state[:, -1]
        return (last @ self.scored.model.get_input_embeddings().weight.T).amax(-1), self.calls + 0

MODEL = Scored

def methods(model, options):
    return {"score": (Counted(model), {"input_ids": (torch.int64, [1, 4])}, ["best", "calls"])}
'''


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


@test
def task_files(tmp):
    import numpy as np
    from safetensors.numpy import load_file, save_file
    model, out = weights.write_model("llama", os.path.join(tmp, "model")), os.path.join(tmp, "out")
    ok("export", "--model", model, "--task-file", write(tmp + "/embed.py", TASK_FILE), "-o", out)
    shown = ok("inspect", out + "/model.pte").stdout
    assert "method embed" in shown and "embedding_size = 64" in shown, shown
    save_file({"in0": np.arange(5)[None], "in1": np.array([[1, 1, 1, 0, 0]])}, tmp + "/in.safetensors")
    save_file({"in0": np.arange(3)[None], "in1": np.ones((1, 3), np.int64)}, tmp + "/short.safetensors")
    vectors = []
    for name in ("in", "short"):  # what the mask hides changes nothing
        ok("run", out + "/model.pte", "--method", "embed", "--inputs", f"{tmp}/{name}.safetensors", "--outputs", f"{tmp}/{name}.out")
        vectors.append(next(iter(load_file(f"{tmp}/{name}.out").values())))
    assert abs(np.linalg.norm(vectors[0]) - 1) < 1e-5 and np.abs(vectors[0] - vectors[1]).max() < 1e-5
    ok("export", "--model", model, "--task-file", write(tmp + "/own.py", OWN_CLASS), "-o", out)
    io = load_file(weights.golden("llama"))
    ids, logits = io["s0.forward.in0"][:, :4], io["s0.forward.out0"][:, 3]
    save_file({k: v for i in range(2) for k, v in {f"s{i}.score.in0": np.ascontiguousarray(ids), f"s{i}.score.out0": logits.max(-1),
                                                   f"s{i}.score.out1": np.array([i + 1])}.items()}, tmp + "/io.safetensors")
    ok("verify", out + "/model.pte", tmp + "/io.safetensors", *TOL)


@test
def bad_task_files(tmp):
    """Each fault is told by the file, and by its line where it has one."""
    model, bad = weights.write_model("llama", os.path.join(tmp, "model")), os.path.join(tmp, "bad")
    line = TASK_FILE[:TASK_FILE.index("mask.sum(1)")].count("\n") + 1
    cases = (("mask.sum(1)", "mask.sum(9)", f"bad.py:{line}: ", 1), ("import torch\n", "import toch\n", "bad.py:1: ModuleNotFoundError", 1),
             ("def methods(", "def methds(", "no function methods", 2), ("return {", "return {(:", "SyntaxError", 1),
             ('"AutoModel"', '"AutoModl"', "'AutoModl' is not one of transformers' auto classes", 2),
             ("min=1, max=options", "min=1)  # options", "largest value", 2),
             ("(embed, {", "(7, {", "not (callable", 2),
             ('"embedding_size": model', '"embedding_size": model, "x": model', "metadata() gave", 2),
             ("input_ids=input_ids, ", "input_ids=model, ", "bad.py:12: TypeError", 1),
             ("import torch\n", 'open("/tmp/x", "w")\nimport torch\n', "the sandbox stopped it", 1))
    for old, new, says, code in cases:
        assert old in TASK_FILE, old
        file = write(tmp + "/bad.py", TASK_FILE.replace(old, new, 1))
        refused("export", "--model", model, "--task-file", file, "-o", bad, says=[says, "bad.py"], code=code, no_file=bad)
    file = write(tmp + "/bad.py", TASK_FILE)
    refused("export", "--model", model, "--task-file", file, "--task", "fill-mask", "-o", bad, says=["--task-file"], code=2, no_file=bad)
    refused("export", "--model", model, "--task-file", file, "--logits", "last", "-o", bad, says=["does not apply"], code=2, no_file=bad)
    refused("export", "--model", model, "--task-file", tmp + "/none.py", "-o", bad, says=["no such file"], code=1, no_file=bad)


main()
