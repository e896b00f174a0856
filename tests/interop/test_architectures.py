"""Architectures beyond the reference families, chosen so that every kind of layer is there: exported by the command line, run in the
official runtime and in etch's, against PyTorch eager. float32 in another summation order: 1e-4 absolute and relative. Text generation: a
prefill and steps, then a second, shorter text from position 0 on the same program (state starts afresh).

Also those that cannot be exported: the refusal names the reason. docs/MODELS.md is made from what is found here (results.py).
"""
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from safetensors.torch import save_file

import architectures
from official import Official

TOL = dict(atol=1e-4, rtol=1e-4)
LM, FILL, IMAGE, SEQ = "text-generation", "fill-mask", "image-classification", "text2text-generation"

CHOSEN = {
    ("mixture of experts", LM): "mixtral qwen3_moe olmoe gpt_oss granitemoe phimoe ernie4_5_moe glm4_moe llama4_text",
    ("latent attention", LM): "deepseek_v2 deepseek_v3 minicpm3 deepseek_v32",
    ("linear attention", LM): "qwen3_next olmo_hybrid kimi_linear minimax rwkv xlstm",
    ("state space", LM): "mamba mamba2 falcon_mamba jamba bamba granitemoehybrid zamba2 nemotron_h recurrent_gemma",
    ("short convolution", LM): "lfm2 lfm2_moe",
    ("alibi", LM): "bloom mpt",
    ("learned positions", LM): "opt xglm biogpt gpt_bigcode",
    ("decoder", LM): "cohere2 olmo2 stablelm phi3 exaone4 diffllama bitnet falcon",
    ("relative position bias", FILL): "mpnet deberta",
    ("encoder", FILL): "electra modernbert mobilebert squeezebert convbert nystromformer esm",
    ("encoder-decoder", SEQ): "bart pegasus marian m2m_100 mvp",
    ("encoder-decoder, experts", SEQ): "switch_transformers",
    ("relative position bias", SEQ): "umt5 longt5",
    ("convolution", IMAGE): "resnet convnext convnextv2 regnet mobilenet_v1 mobilenet_v2 bit poolformer",
    ("vision transformer", IMAGE): "levit beit dinov2 segformer swinv2 hiera clip siglip",
    ("detection", "object-detection"): "yolos",
    ("segmentation", "image-segmentation"): "segformer",
    ("encoder", "text-classification"): "deberta-v2",
    ("encoder", "token-classification"): "roberta",
    ("audio, a letter a frame", "ctc"): "wav2vec2 hubert wavlm",
    ("audio", "audio-classification"): "audio-spectrogram-transformer wav2vec2-bert",
}
TABLE = {f"{name} {task}": (name, kind, task) for (kind, task), names in CHOSEN.items() for name in names.split()}

# What is refused, and what the first line says.
REFUSED = {
    "jetmoe text-generation": ("mixture of experts", ["modeling_jetmoe.py:195", "depends on the model's inputs"]),
    "dbrx text-generation": ("mixture of experts", ["modeling_dbrx.py:", "aten::nonzero"]),
    "openai-gpt text-generation": ("learned positions", ["does not keep keys and values"]),
    "prophetnet text-generation": ("relative position bias", ["modeling_prophetnet.py:", "first tokens of a text"]),
    "xlnet text-generation": ("relative position bias", ["mems.0", "before the first token"]),
    "fnet fill-mask": ("encoder", ["modeling_fnet.py:", "torch.fft.fftn"]),
    "longformer fill-mask": ("encoder", ["modeling_longformer.py:", "data-dependent"]),
    "led text2text-generation": ("encoder-decoder", ["modeling_led.py:", "data-dependent"]),
}

# Two of each kind with XNNPACK, the first of them with the portable recipe too; with ETCH_ALL_ARCHITECTURES=1 all with both
# (docs/MODELS.md).
ALL = bool(os.environ.get("ETCH_ALL_ARCHITECTURES"))
CELLS = [(f"{name} {task}", recipe) for (_, task), names in CHOSEN.items() for recipe, some in (("xnnpack", 2), ("portable", 1))
         for name in names.split()[:None if ALL else some]]
SIZED = ("--image_size", architectures.IMAGE)
FLAGS = {LM: ("--max_seq_len", 64), IMAGE: SIZED, "object-detection": SIZED, "image-segmentation": SIZED}


def export(folder, task, recipe):
    etch = os.path.join(os.environ.get("ETCH_BUILD", "build"), "etch")
    task, flags = architectures.NAMED.get(task, task), FLAGS.get(task, ())
    command = [etch, "export", "--model", folder, "--task", task, "--recipe", recipe, *flags, "-o", folder / recipe]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def exported(tmp_path_factory, request):
    """exported(key, recipe) -> (folder, the export's outcome). The models of all collected tests are exported by two processes while tests
    run."""
    root = tmp_path_factory.mktemp("architectures")
    wanted = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")
              and "architecture" in item.callspec.params]
    futures = {}
    with ThreadPoolExecutor(2) as pool:
        for params in wanted:
            key = params["architecture"]
            name, _, task = key.partition(" ")
            folder = root / key.replace(" ", "-")
            if not folder.exists():
                architectures.tiny(name, task).save_pretrained(folder)
            futures[key, params["recipe"]] = (folder, pool.submit(export, folder, task, params["recipe"]))
        yield lambda key, recipe: (futures[key, recipe][0], futures[key, recipe][1].result())


@pytest.mark.parametrize("architecture, recipe", CELLS)
def test_runs_in_both_runtimes(architecture, recipe, exported, etch, result):
    name, kind, task = TABLE[architecture]
    folder, outcome = exported(architecture, recipe)
    result.of(name, kind, architectures.NAMED.get(task, task), recipe)
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    single = "one token a call" in outcome.stderr
    if single:
        result.note("one token a call")
    calls = architectures.cases(architectures.stored(folder, task), task, single)
    program = Official(folder / recipe / "model.pte")
    for method, ins, outs in calls:
        for got, want in zip(program(method, ins), outs, strict=True):
            result.close(got, want, **TOL)
    save_file(architectures.recorded(calls), folder / f"{recipe}.safetensors")
    etch("verify", folder / recipe / "model.pte", folder / f"{recipe}.safetensors", "--atol", "1e-4", "--rtol", "1e-4")


@pytest.mark.parametrize("architecture, recipe", [(key, "portable") for key in REFUSED])
def test_refusal_names_the_reason(architecture, recipe, exported, result):
    kind, says = REFUSED[architecture]
    name, _, task = architecture.partition(" ")
    folder, outcome = exported(architecture, recipe)
    result.of(name, kind, task, recipe)
    first = outcome.stderr.splitlines()[0]
    assert outcome.returncode == 1 and all(text in first for text in says), outcome.stderr[-1000:]
    assert not (folder / recipe / "model.pte").exists()
    result.refused(first.split(f"{folder}: ", 1)[-1])
