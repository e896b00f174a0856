"""docs/EXPORTING.md says the truth: every command in it is run, section by section, in a folder where tiny models of the same architectures
have the names that the guide uses; and each program has the methods that the guide's table of its task lists.

    python tests/guide.py BUILD [NAME_PART ...]
"""
import json
import os
import re
import shlex
import shutil
import subprocess

import weights
from harness import ETCH, ROOT, TINY, main, test

MODELS = {
    "SmolLM3-3B": ("smollm3", weights.HERE), "gemma-3-4b-it": ("gemma3", weights.MULTIMODAL),
    "Voxtral-Mini-3B-2507": ("voxtral", weights.MULTIMODAL),
    "granite-speech-3.3-2b": ("granite_speech", weights.MULTIMODAL), "t5-small": ("t5", weights.GUIDE),
    "whisper-tiny": ("whisper", weights.GUIDE),
    "vit-base-patch16-224": ("vit", weights.GUIDE), "dit-base-finetuned-rvlcdip": ("dit", weights.GUIDE),
    "mobilevit-xx-small": ("mobilevit", weights.GUIDE),
    "bert-base-uncased": ("bert", weights.GUIDE), "Qwen3-Embedding-0.6B": ("qwen3_embedding", weights.EMBEDDING),
}


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def prepare(tmp):
    """The folder that the reader of the guide has: models, and files of inputs and recorded results."""
    import numpy as np
    from safetensors.numpy import load_file, save_file
    for shown, (name, here) in MODELS.items():
        weights.write_model(name, os.path.join(tmp, shown), here)
    os.makedirs(os.path.join(tmp, "models"))
    os.symlink(TINY, os.path.join(tmp, "models", "tiny"))
    for name in ("whisper", "vit", "mobilevit", "bert"):
        shutil.copy(weights.golden(name, weights.GUIDE), os.path.join(tmp, name + ".safetensors"))
    shutil.copy(weights.golden("qwen3_embedding", weights.EMBEDDING), os.path.join(tmp, "embedding.safetensors"))
    shutil.copy(os.path.join(ROOT, "img", "testdata", "photo.png"), os.path.join(tmp, "cat.png"))
    with open(os.path.join(weights.MULTIMODAL, "gemma3", "generate.json")) as f, open(os.path.join(tmp, "chat.txt"), "w") as chat:
        chat.write(json.load(f)["chat"])
    features = load_file(weights.golden("whisper", weights.GUIDE))["s0.encoder.in0"]
    save_file({"input_features": features}, os.path.join(tmp, "features.safetensors"))
    save_file({"in0": np.arange(3, 8, dtype=np.int64)[None]}, os.path.join(tmp, "ids.safetensors"))


def check_methods(section, pte):
    """The methods of a table in a task's section; of two encoders one is there."""
    tables = [set(re.findall(r"^\| `(\w+)` \| `", table, re.M)) for table in section.split("| method |")[1:]]
    shown = subprocess.run([ETCH, "inspect", pte], capture_output=True, text=True, check=True).stdout
    found = set(re.findall(r"^method (\w+)", shown, re.M))
    encoders = {"vision_encoder", "audio_encoder"}
    assert any(found - encoders == t - encoders and found <= t and bool(found & encoders) == bool(t & encoders)
               for t in tables), (found, tables)


def commands(section):
    return [shlex.split(c) for block in blocks(section, "sh") for c in block.replace("\\\n", " ").splitlines() if c.strip()]


def run_section(section, tmp):
    prepare(tmp)
    for code in blocks(section, "python"):
        with open(os.path.join(tmp, re.match(r"# (\w+\.py)", code).group(1)), "w") as f:
            f.write(code)
    env = {**os.environ, "PATH": os.path.dirname(ETCH) + os.pathsep + os.environ["PATH"]}
    for words in commands(section):
        r = subprocess.run(words, cwd=tmp, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert words[0] == "etch" and r.returncode == 0, f"{words}\nexit {r.returncode}\n{r.stdout[-1000:]}\n{r.stderr[-2000:]}"
        if words[1] == "export" and "--task-file" not in words:
            task = words[words.index("--task") + 1] if "--task" in words else "text-generation"
            assert task == section.split("\n")[0], f"{task} stands in the section {section[:30]}"
            check_methods(section, os.path.join(tmp, words[words.index("-o") + 1], "model.pte"))


with open(os.path.join(ROOT, "docs", "EXPORTING.md"), encoding="utf-8") as guide:
    SECTIONS = [s for s in re.split(r"^##+ ", guide.read(), flags=re.M) if commands(s)]


def section_test(section):
    def run(tmp):
        run_section(section, tmp)
    run.__name__ = "guide_" + re.sub(r"\W+", "_", section.split("\n")[0])
    test(run)


for each in SECTIONS:
    section_test(each)


@test
def every_model_of_the_guide(tmp):
    exports = [words for section in SECTIONS for words in commands(section) if words[1] == "export"]
    assert {words[words.index("--model") + 1] for words in exports} == {*MODELS, "models/tiny"}


main()
