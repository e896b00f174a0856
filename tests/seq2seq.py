"""`etch generate` with encoder-decoder programs: text or features go into the encoder, the decoder's tokens are those of PyTorch; no
PyTorch needed.

    python tests/seq2seq.py BUILD [NAME_PART ...]        runs the tests whose name holds one of the parts
"""
import json
import os
import random
import shutil

import numpy as np
from safetensors.numpy import load_file, save_file

import weights
from harness import ROOT, TINY, etch, main, ok, refused, test

TASK = {"t5": "text2text-generation", "whisper": "automatic-speech-recognition"}


def export(name, tmp, *flags):
    """The program's path; the folder has the model's tokenizer."""
    model, out = os.path.join(tmp, name), os.path.join(tmp, "out-" + name)
    weights.write_model(name, model, weights.GUIDE)
    ok("export", "--model", model, "--task", TASK[name], *flags, "-o", out)
    return os.path.join(out, "model.pte")


def cases(name):
    with open(os.path.join(weights.GUIDE, name, "generate.json")) as f:
        return json.load(f)


def source(name):
    return load_file(weights.golden(name, weights.GUIDE))["s0.encoder.in0"]


def save(file, **tensors):
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, file)
    return ("--inputs", file)


def ids_of(run):
    return [int(i) for i in run.stdout.split()]


def greedy_test(name, label, *flags):
    def run(tmp):
        pte, file = export(name, tmp, *flags), os.path.join(tmp, "in.safetensors")
        for case in cases(name):
            begin, tensors = case["begin"], {}
            if len(begin) > 1:
                tensors["decoder_input_ids"] = np.array([begin])
            if not case["prompt"]:
                tensors["input_features"] = source(name)
            args = ["-p", case["prompt"]] if case["prompt"] else []
            args += save(file, **tensors) if tensors else ()
            args += ["-n", str(len(case["ids"]) - len(begin)), "--repetition_penalty", str(case["repetition_penalty"])]
            got, want = ids_of(ok("generate", pte, *args, "--ids")), case["ids"]
            want = want[:-1] if want[-1] == (1 if name == "t5" else 2) else want   # the token that ends it
            if label == "float16":
                assert got[:case["far"]] == want[:case["far"]], (case, got)
                continue
            assert got == want, (case, got)
            assert ok("generate", pte, *args).stdout == case["text"] + "\n", case
    run.__name__ = f"greedy_{name}_{label}"
    test(run)


for each in TASK:
    greedy_test(each, "portable", "--recipe", "portable")
    greedy_test(each, "xnnpack")
    greedy_test(each, "float16", "--dtype", "float16")


@test
def beginnings(tmp):
    """decoder_input_ids: the program's start comes before them where they are without it; forced tokens are not printed."""
    pte, file = export("whisper", tmp), os.path.join(tmp, "in.safetensors")
    case = cases("whisper")[2]
    run = ("generate", pte, "-n", "12", "--repetition_penalty", "1.3")
    for begin in ([[4, 5]], [3, 4, 5], [[3, 4, 5]]):
        for kind in (np.int32, np.int64):
            args = save(file, input_features=source("whisper"), decoder_input_ids=np.array(begin, kind))
            assert ids_of(ok(*run, *args, "--ids")) == case["ids"], begin
    assert ok(*run, *args).stdout == case["text"] + "\n"
    for begin, says in (([[0.5]], ["'decoder_input_ids' are no whole numbers"]),
                        ([[-4]], ["'decoder_input_ids' has -4, which is no token"]),
                        ([[4], [5]], ["'decoder_input_ids' are no whole numbers [1, S]"]), ([[256]], ["token id 256"]),
                        ([32 * [4]], ["33 more tokens do not fit", "of 32 cache slots"])):
        refused(*run, *save(file, input_features=source("whisper"), decoder_input_ids=np.array(begin)), says=says)
    # The last slot of the cache, and what an empty beginning is.
    long = ok("generate", pte, "-n", "99", "--ids", *save(file, input_features=source("whisper"), decoder_input_ids=np.zeros((1, 0), int)))
    assert ids_of(long)[:3] == [3, 178, 178] and len(ids_of(long)) == 33 and "stopped: the cache is full" in long.stderr, long
    assert long.stderr.startswith("encoder in ") and "decoder began with 1 tokens in " in long.stderr, long.stderr


@test
def sources(tmp):
    """What the encoder takes, by text and by file; what it does not take is told with its sizes."""
    photo, file = os.path.join(ROOT, "img", "testdata", "photo.png"), os.path.join(tmp, "in.safetensors")
    pte, prompt = export("t5", tmp, "--max_seq_len", "16"), cases("t5")[0]["prompt"]
    run, want = ("generate", pte, "-n", "12", "--ids"), cases("t5")[0]["ids"]
    ids = [25, 26]
    with open(os.path.join(tmp, "p.txt"), "w") as f:
        f.write(prompt + "\n")
    assert ids_of(ok(*run, "-f", f.name)) == want
    whole = ok(*run, *save(file, input_ids=np.array([[*ids, 1]]), attention_mask=np.ones((1, 3), int))).stdout
    assert ok(*run, *save(file, input_ids=np.array([*ids, 1], np.int32))).stdout == whole
    takes = "encoder takes ids i64 [1, 4096]"
    for tensors, says, code in (({"input_features": source("whisper")}, [takes, "no features"], 2),
                                ({"input_ids": np.array([[1]]), "input_features": source("whisper")}, [takes, "no features"], 2),
                                ({"decoder_input_ids": np.array([[3]])}, [takes, "--prompt TEXT"], 2),
                                ({"input_ids": np.array([[256]])}, ["encoder, of 1 tokens", "256"], 1),
                                ({"input_ids": np.zeros((1, 0), int)}, ["the prompt has no tokens"], 2),
                                ({"input_ids": np.ones((1, 4097), int)}, ["encoder, of 4097 tokens", "[1, 4097]", "[1, 4096]"], 1),
                                ({"input_ids": np.ones((1, 2))}, ["'input_ids' are no whole numbers"], 1),
                                ({"input_ids": np.ones((2, 2), int)}, ["'input_ids' are no whole numbers [1, S]"], 1),
                                ({"input_ids": np.ones((1, 2), int), "attention_mask": np.array([[1, 0]])}, ["leaves something out"], 1),
                                ({"labels": np.ones((1, 2), int)}, ["'labels': no program takes it", "decoder_input_ids"], 1)):
        refused(*run, *save(file, **tensors), says=says, code=code)
    refused(*run, "-p", "a", *save(file, input_ids=np.array([[1]])), says=["--inputs has input_ids"], code=2)
    for flags, says in ((["--chat", "a"], ["--chat is for", "--prompt TEXT"]),
                        (["-p", "a", "--image", photo], ["--image is for", "vision_encoder"]),
                        (["-p", "a", "--kv_cache", "int8"], ["kv_cache int8", "writes no cache"])):
        r = etch(*run, *flags)
        assert r.returncode in (1, 2) and all(word in r.stderr for word in says), r.stderr
    pte = export("whisper", tmp)
    run, features, takes = ("generate", pte, "-n", "12", "--ids"), source("whisper"), "encoder takes features f32 [1, 16, 64]"
    for kind in (np.float64, np.float32):
        assert ids_of(ok(*run, *save(file, input_features=features.astype(kind)))) == cases("whisper")[0]["ids"]
    assert len(ids_of(ok(*run, *save(file, input_features=features.astype(np.float16))))) == 13
    short = features[:, :, :60]
    for tensors, says, code in (({"input_features": short}, ["encoder, of 'input_features'", "[1, 16, 60]", "[1, 16, 64]"], 1),
                                ({"input_features": np.concatenate(2 * [features])}, ["[2, 16, 64]", "[1, 16, 64]"], 1),
                                ({"input_features": features[0]}, ["encoder, of 'input_features'", "rank 2"], 1),
                                ({"input_features": features.astype(np.int64)}, ["'input_features' is i64, no floats"], 1),
                                ({"input_ids": np.array([[1]])}, [takes, "input_features"], 2),
                                ({"input_ids": np.array([[1]]), "input_features": features}, [takes, "no text"], 2)):
        refused(*run, *save(file, **tensors), says=says, code=code)
    refused(*run, "-p", "a", says=[takes, "give --inputs FILE with input_features"], code=2)
    refused(*run, "-p", "a", *save(file, input_features=features), says=[takes, "no text"], code=2)
    refused(*run, "--templated", *save(file, input_features=features), says=["--templated is for a prompt"], code=2)
    # Ids need no tokenizer; and a program that only continues text takes no beginning.
    os.remove(os.path.join(os.path.dirname(pte), "tokenizer.json"))
    assert ids_of(ok(*run, *save(file, input_features=features))) == cases("whisper")[0]["ids"]
    refused(*run[:-1], *save(file, input_features=features), says=["no tokenizer beside the program"])
    ok("export", "--model", TINY, "-o", os.path.join(tmp, "tiny"))
    refused("generate", os.path.join(tmp, "tiny", "model.pte"), "-p", "a", *save(file, decoder_input_ids=np.array([[1]])),
            says=["--inputs has decoder_input_ids"], code=2)


@test
def sampled_and_stopped(tmp):
    """The other options reach the decoder's loop: draws by a seed, a text that ends it, quantized weights."""
    pte, case = export("t5", tmp, "--qlinear", "8da4w", "--qlinear_encoder", "8da4w"), cases("t5")[0]
    run = ("generate", pte, "-p", case["prompt"], "-n", "12", "-q")
    text = ok(*run).stdout.rstrip("\n")
    assert text and ok(*run, "--stop", text[3:]).stdout == text[:3] + "\n"
    draws = [ok(*run, "--temperature", "1.5", "--top_k", "50", "--top_p", "0.9", "--seed", str(s)).stdout for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2], draws
    assert ok(*run).stderr == ""
    templated = ok(*run, "--templated", "--ids").stdout   # without </s>
    assert len(templated.split()) == 13


@test
def damaged_inputs(tmp):
    """Bytes that are not what they were: an answer or an error, no crash."""
    pte, file = export("whisper", tmp), os.path.join(tmp, "in.safetensors")
    save(file, input_features=source("whisper"), decoder_input_ids=np.array([[3, 4]]))
    with open(file, "rb") as f:
        whole = bytearray(f.read())
    head, rng = 8 + int.from_bytes(whole[:8], "little"), random.Random(5)
    for _ in range(60):
        bad = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            bad[rng.randrange(head if rng.random() < 0.8 else len(bad))] = rng.choice(b'0129[]{}",:FI\x00\xff ')
        with open(file, "wb") as f:
            f.write(bad[:rng.choice((len(bad), len(bad), head, rng.randrange(len(bad))))])
        r = etch("generate", pte, "--inputs", file, "-n", "2", "--ids")
        assert r.returncode in (0, 1, 2), (r.returncode, bad[:head], r.stderr)
    shutil.rmtree(os.path.dirname(pte))


main()
