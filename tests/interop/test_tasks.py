"""The tasks beside text-generation, on the reference families, in the official runtime against PyTorch eager. float32, 1e-4 absolute and
relative."""
import os
import sys

import pytest
import torch
import transformers as T
from safetensors.torch import save_file

from official import Official

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REFERENCE = os.environ.get("ETCH_REFERENCE") or os.path.join(os.path.dirname(ROOT), "shared", "reference")
if not os.path.isfile(os.path.join(REFERENCE, "families.py")):
    pytest.skip("no reference families", allow_module_level=True)
sys.path.insert(0, REFERENCE)
import families  # noqa: E402

TOL = dict(atol=1e-4, rtol=1e-4)
TASKS = {name: families.task(name) for name in families.TABLE if families.task(name) != "text-generation"}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            families.make(name).save_pretrained(made[name])
        return made[name]
    return make


def masked(program, model):
    for length in (8, 1, 5):
        ids, mask = torch.randint(0, 256, (1, length)), torch.ones(1, length, dtype=torch.int64)
        if length == 5:
            mask[0, 3:] = 0
        yield program("forward", [ids, mask])[0], model(ids, mask).logits


def image(program, model):
    x = torch.randn(1, 3, model.config.image_size, model.config.image_size)
    yield program("forward", [x])[0], model(x).logits


def detection(program, model):
    x = torch.randn(1, 3, 64, 64)
    got, want = program("forward", [x]), model(x)
    yield got[0], want.logits
    yield got[1], want.pred_boxes


def seq2seq(program, model):
    audio = model.main_input_name == "input_features"
    x = torch.randn(1, model.config.num_mel_bins, 2 * model.config.max_source_positions) if audio else torch.randint(0, 256, (1, 7))
    states = program("encoder", [x])[0]
    yield states, model.get_encoder()(x).last_hidden_state
    ids = torch.tensor([[model.config.decoder_start_token_id]])
    for i in range(4):  # a runner's loop: the sampler's token is the next step's input
        logits = program("text_decoder", [ids[:, i:].contiguous(), states, torch.tensor([i])])[0]
        want = model(**{model.main_input_name: x}, decoder_input_ids=ids).logits[:, -1:]
        yield logits, want
        token = program("sampler", [logits])[0]
        yield token, want.argmax(-1)
        ids = torch.cat([ids, token], 1)


@torch.no_grad()
def greedy(model, x, penalty):
    """Ids of transformers' greedy generation, up to the first that another summation order may choose otherwise."""
    out = T.GenerationMixin.generate(model, **{model.main_input_name: x}, do_sample=False, max_new_tokens=12, repetition_penalty=penalty,
                                     output_scores=True, return_dict_in_generate=True)
    top = torch.stack(out.scores)[:, 0].topk(2).values
    near = [i for i, margin in enumerate((top[:, 0] - top[:, 1]).tolist()) if margin < 1e-3]
    ids = out.sequences[0].tolist()
    return ids[:1 + near[0]] if near else ids


@pytest.mark.parametrize("recipe", ["portable", "xnnpack"])
@pytest.mark.parametrize("name", [name for name in TASKS if TASKS[name] in ("text2text-generation", "automatic-speech-recognition")])
def test_generates(name, recipe, folder, etch, tmp_path):
    """`etch generate` on an encoder-decoder program against the model's own generation."""
    model = T.AutoModelForSeq2SeqLM if TASKS[name] == "text2text-generation" else T.AutoModelForSpeechSeq2Seq
    etch("export", "--model", folder(name), "--task", TASKS[name], "--recipe", recipe, "-o", tmp_path)
    model = model.from_pretrained(folder(name)).eval()
    torch.manual_seed(3)
    audio, longest, c = model.main_input_name == "input_features", 0, model.config
    for length in (1, 7, 30):
        x = torch.randn(1, c.num_mel_bins, 2 * c.max_source_positions) if audio else torch.randint(3, 256, (1, length))
        save_file({model.main_input_name: x}, tmp_path / "in.safetensors")
        for penalty in (1.0, 1.5):
            want = greedy(model, x, penalty)
            got = etch("generate", tmp_path / "model.pte", "--inputs", tmp_path / "in.safetensors", "--ids", "-n", 12,
                       "--repetition_penalty", penalty)
            got = [int(i) for i in got.split()]
            eos = model.generation_config.eos_token_id
            assert got[:len(want)] == [i for i in want if i != eos], (want, got)
            longest = max(longest, len(want))
    assert longest > 4


RUN = {"fill-mask": (T.AutoModelForMaskedLM, masked, ()), "image-classification": (T.AutoModelForImageClassification, image, ()),
       "object-detection": (T.AutoModelForObjectDetection, detection, ("--image_size", 64)),
       "text2text-generation": (T.AutoModelForSeq2SeqLM, seq2seq, ()),
       "automatic-speech-recognition": (T.AutoModelForSpeechSeq2Seq, seq2seq, ())}
KIND = {"fill-mask": "encoder", "image-classification": "vision", "object-detection": "detection",
        "text2text-generation": "encoder-decoder",
        "automatic-speech-recognition": "encoder-decoder"}


@pytest.mark.parametrize("recipe", ["portable", "xnnpack"])
@pytest.mark.parametrize("name", list(TASKS))
def test_task(name, recipe, folder, etch, result, tmp_path):
    auto, run, flags = RUN[TASKS[name]]
    result.of(name, KIND[TASKS[name]], TASKS[name], recipe)
    etch("export", "--model", folder(name), "--task", TASKS[name], "--recipe", recipe, *flags, "-o", tmp_path)
    torch.manual_seed(0)
    model = auto.from_pretrained(folder(name)).eval()
    with torch.no_grad():
        for got, want in run(Official(tmp_path / "model.pte"), model):
            result.close(got, want, **TOL)
