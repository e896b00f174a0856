"""End-to-end tests of the `etch` command line that need no PyTorch: export every test model with every recipe, replay the recorded PyTorch
results on etch's runtime, and check that bad input gives a clear error, a non-zero exit code and no output file.

    python tests/e2e.py BUILD [NAME_PART ...]        runs the tests whose name holds one of the parts
"""
import json
import os
import re
import shutil
import struct
import subprocess

import numpy as np

import weights
from odd_model import odd_model
from harness import ETCH, REFERENCE, ROOT, TINY, Skip, etch, main, ok, refused, sha, test

# Families: the recorded results of PyTorch eager, 8 tokens of prefill and three steps on the cache. float32 against float32 with another
# summation order: 1e-4 absolute and relative leaves a margin of about 20 over what is seen.

def export_family(name, recipe, tmp):
    model = weights.write_model(name, os.path.join(tmp, "model"))
    out = os.path.join(tmp, "out")
    ok("export", "--model", model, "--task", "text-generation", "--recipe", recipe, "--max_seq_len", "64", "-o", out)
    return os.path.join(out, "model.pte")


def family_test(name, recipe):
    def run(tmp):
        pte = export_family(name, recipe, tmp)
        ok("verify", pte, weights.golden(name), "--atol", "1e-4", "--rtol", "1e-4")
    run.__name__ = f"family_{name}_{recipe}"
    test(run)


for family in weights.names():
    for recipe in ("portable", "xnnpack"):
        family_test(family, recipe)


# The shipped example

@test
def a_prompt_of_a_chat_template_is_taken_to_the_byte(tmp):
    """Neither is its last newline dropped nor a second <s> put before it; without --templated, a line says that none is applied."""
    out, prompt = os.path.join(tmp, "out"), os.path.join(tmp, "prompt.txt")
    ok("export", "--model", TINY, "-o", out)
    pte = os.path.join(out, "model.pte")

    def ids(text, *args):
        with open(prompt, "w") as f:
            f.write(text)
        r = ok("generate", pte, "-f", prompt, "--ids", "-n", "1", *args)
        return [int(i) for i in r.stdout.split()[:-1]], r.stderr

    plain, said = ids("And he said\n")
    assert "chat template" not in said
    assert plain[0] == 0 and ids("And he said")[0] == plain
    templated, said = ids("<s>And he said\n", "--templated")
    assert templated[:-1] == plain and templated[-1] not in plain, (templated, plain)   # the newline
    assert ids("<s>And he said", "--templated")[0] == plain
    assert ids("<s>And he said")[0] == [0, *plain]
    with open(os.path.join(out, "tokenizer_config.json")) as f:
        config = json.load(f)
    for name, text in (("chat_template.jinja", "{{ messages }}"), ("chat_template.json", "{}"),
                       ("tokenizer_config.json", json.dumps({**config, "chat_template": "{{ messages }}"}))):
        path = os.path.join(out, name)
        with open(path, "w") as f:
            f.write(text)
        assert "the model has a chat template" in ids("And")[1] and "--templated" in ids("And")[1], name
        assert ids("And", "--quiet")[1] == "" and "chat" not in ids("And", "--templated")[1], name
        os.remove(path)


@test
def tiny_generates_what_pytorch_does(tmp):
    with open(os.path.join(ROOT, "tests", "tiny_golden.json")) as f:
        golden = json.load(f)
    for recipe in ("portable", "xnnpack"):
        out = os.path.join(tmp, recipe)
        ok("export", "--model", TINY, "--task", "text-generation", "--recipe", recipe, "-o", out)
        r = ok("generate", os.path.join(out, "model.pte"), "--prompt", golden["prompt"], "-n", str(golden["new_tokens"]))
        assert r.stdout == golden["text"] + "\n", f"{r.stdout!r} is not {golden['text']!r}"
        text = os.path.join(tmp, "prompt.txt")
        with open(text, "w") as f:
            f.write(golden["prompt"] + "\n")
        again = ok("generate", os.path.join(out, "model.pte"), "--prompt_file", text, "-n", str(golden["new_tokens"]), "--threads", "1")
        assert again.stdout == r.stdout, again.stdout
        refused("generate", os.path.join(out, "model.pte"), "-f", text, "-p", "x", says=["either --prompt TEXT or --prompt_file"], code=2)
        refused("generate", os.path.join(out, "model.pte"), "-f", tmp + "/none", says=["--prompt_file", "none"])
        files = set(os.listdir(out))
        assert {"model.pte", "tokenizer.json"} <= files, files


@test
def a_text_ends_before_a_stop(tmp):
    """At the first of the texts, wherever the tokens end, and not at one in the prompt; a special token is no text, and ends it, too."""
    ok("export", "--model", TINY, "-o", tmp)
    run = ("generate", os.path.join(tmp, "model.pte"), "-p", "In the beginning", "-n", "40")
    whole, ids = ok(*run).stdout[:-1], ok(*run, "--ids").stdout.split()
    new = whole[len("In the beginning"):]
    for part in (new[7:12], new[3:4], new[-3:], new[11:13]):
        at = new.index(part)
        assert ok(*run, "--stop", part).stdout == "In the beginning" + new[:at] + "\n", part
        assert ok(*run, "--stop", "no such text", "--stop", part, "--stop", part + "x").stdout == "In the beginning" + new[:at] + "\n", part
        some = ok(*run, "--stop", part, "--ids").stdout.split()
        assert some == ids[:len(some)] and (len(some) < len(ids) or part == new[-3:]), (some, ids)
    assert ok(*run, "--stop", "In the beginning", "--stop", new[-4:] + "?").stdout == whole + "\n"
    assert ok(*run, "--stop", "</s>").stdout == whole + "\n"
    refused(*run, "--stop", "</s> ", says=["--stop '</s> '", "alone"], code=2)
    refused(*run, "--stop", "", says=["--stop needs a value"], code=2)
    refused(*run, *9 * ("--stop", "x"), says=["--stop", "more than 8 times"], code=2)


@test
def sampling_is_cut_and_penalised(tmp):
    ok("export", "--model", TINY, "-o", tmp)
    run = ("generate", os.path.join(tmp, "model.pte"), "-p", "In the beginning", "-n", "40", "--ids")
    greedy = ok(*run).stdout
    drawn = [ok(*run, "--temperature", "3", "--seed", "1", *more).stdout for more in ((), ("--min_p", "0"), ("--repetition_penalty", "1"))]
    assert drawn[0] == drawn[1] == drawn[2] != greedy, drawn
    assert ok(*run, "--temperature", "3", "--seed", "1", "--min_p", "1").stdout == greedy
    assert ok(*run, "--temperature", "3", "--seed", "1", "--min_p", "0.3").stdout not in (greedy, drawn[0])
    many, few = (len(set(ids.split())) for ids in (ok(*run, "--repetition_penalty", "1.5").stdout, greedy))
    assert many > few, (many, few)
    refused(*run, "--min_p", "1.5", says=["--min_p: 1.5 is outside 0 to 1"], code=2)
    for value in ("0", "1e300", "0.001"):
        refused(*run, "--repetition_penalty", value, says=["--repetition_penalty", "0.01 to 100"], code=2)
    for flag in ("--min_p", "--repetition_penalty"):
        refused(*run, flag, "-1", says=[flag, "not a number"], code=2)


@test
def export_is_deterministic(tmp):
    hashes = set()
    for i in range(2):
        model = os.path.join(tmp, f"copy{i}")
        shutil.copytree(TINY, model)
        out = os.path.join(tmp, f"out{i}")
        ok("export", "--model", model, "--recipe", "xnnpack", "-o", out)
        hashes.add(sha(os.path.join(out, "model.pte")))
    assert len(hashes) == 1, hashes


@test
def trace_prints_a_graph_with_state_dict_names(tmp):
    r = ok("trace", "--model", TINY, "--task", "text-generation")
    assert r.stdout.startswith("etch-graph"), r.stdout[:100]
    for name in weights_of(TINY):
        assert f'"{name}"' in r.stdout, name


@test
def what_was_assumed_of_sizes(tmp):
    """Told when some sizes are left out by it; all of it is in the report."""
    r = ok("export", "--model", TINY, "-o", tmp)
    assert len(r.stderr.splitlines()) == 2, r.stderr
    with open(os.path.join(tmp, "report.json")) as f:
        report = json.load(f)
    assert report["notes"] == [] and [a["assumed"] for a in report["assumptions"]] == ["s0 != 1", "s0 > 1"], report
    assert all(".py:" in a["where"] for a in report["assumptions"]), report
    for body, said in (("out.logits * (2 if input_ids.shape[1] % 48 else 1)", "input_ids [1, 48]"),
                       ("out.logits * (2 if input_ids.shape[1] < 50 else 1)", "input_ids [1, 50]"),
                       ("out.logits * (2 if input_ids.shape[1] < 70 else 1)", None),
                       ("out.logits * (2 if input_ids.shape[1] >= 2 else 1)", None)):
        told = ok("check", "--model", odd_model(os.path.join(tmp, str(abs(hash(body)))), body), "--trust_remote_code", "--max_seq_len",
                  "64").stderr
        lines = [line for line in told.splitlines() if "traced with" in line]
        assert len(lines) == bool(said) and all(f"does not hold for {said}: " in line and "odd.py:" in line for line in lines), told


@test
def sharded_checkpoint_gives_the_same_file(tmp):
    from safetensors.numpy import load_file, save_file
    model = weights.write_model("llama", os.path.join(tmp, "one"))
    ok("export", "--model", model, "--recipe", "portable", "--max_seq_len", "64", "-o", os.path.join(tmp, "a"))
    shards = os.path.join(tmp, "two")
    os.makedirs(shards)
    shutil.copy(os.path.join(model, "config.json"), shards)
    tensors = load_file(os.path.join(model, "model.safetensors"))
    where, keys = {}, sorted(tensors)
    for i in range(2):
        part = f"model-0000{i + 1}-of-00002.safetensors"
        mine = keys[i::2]
        save_file({k: tensors[k] for k in mine}, os.path.join(shards, part), metadata={"format": "pt"})
        where.update({k: part for k in mine})
    with open(os.path.join(shards, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": where}, f)
    ok("export", "--model", shards, "--recipe", "portable", "--max_seq_len", "64", "-o", os.path.join(tmp, "b"))
    assert sha(os.path.join(tmp, "a", "model.pte")) == sha(os.path.join(tmp, "b", "model.pte"))


def weights_of(folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        return [k for k in json.loads(f.read(n)) if k != "__metadata__"]


SCHEMES = [  # of linears, group, of embeddings, group, type, recipe
    ("8da4w", 32, "4w", 0, "float32", "xnnpack"), ("8da4w", 0, "8w", 32, "float16", "xnnpack"),
    ("8da8w", 0, "4w", 32, "bfloat16", "xnnpack"),
    ("4w", 32, "4w", 64, "float32", "xnnpack"), ("8w", 0, "8w", 0, "float32", "xnnpack"), ("8w", 32, "8w", 0, "float16", "portable"),
]


def scheme_test(linear, group, embedding, embedding_group, dtype, recipe):
    def run(tmp):
        flags = ["--qlinear", linear, "--qembedding", embedding, "--qembedding_group_size", str(embedding_group), "--dtype", dtype,
                 "--recipe", recipe]
        ok("export", "--model", TINY, *flags, *(["--qlinear_group_size", str(group)] if linear != "8da8w" else []), "-o", tmp)
        with open(os.path.join(tmp, "report.json")) as f:
            report = json.load(f)
        file = json.loads(ok("inspect", "--json", os.path.join(tmp, "model.pte")).stdout)
        named = {e["key"]: e["bytes"] for e in file["named_data"]}
        tables = [t for t in file["methods"][0]["tensors"] if t["place"] == "constant" and len(t["shape"]) == 2]
        assert report["program"]["bytes"] == file["bytes"] == os.path.getsize(os.path.join(tmp, "model.pte"))
        first = file["segments"][0]
        # named data that are constants too
        twice = sum(s["bytes"] for s in file["segments"][1:] if s["offset"] < first["offset"] + first["bytes"])
        assert report["program"]["named_bytes"] == sum(named.values()) - twice and report["program"]["constant_bytes"] == first["bytes"]
        assert len({w["name"] for w in report["weights"]}) == len(report["weights"]) - 1 == 29  # the embedding is the head too
        for i, w in enumerate(report["weights"]):
            if i and recipe == "xnnpack":
                held = named[w["name"]] + named.get("scale_" + w["name"], 0)
            else:  # in the portable program: integers and scales, or one table of floats
                assert i or w["name"] == "model.embed_tokens.weight", w
                wanted = [([w["rows"], w["columns"]], dtype[0])]
                if not i:
                    wanted = [([w["rows"], w["columns"] * w["bits"] // 8], "u" if w["bits"] == 4 else "i"),
                              ([w["rows"], w["columns"] // w["group"]], dtype[0])]
                held = sum(next(t["bytes"] for t in tables if t["shape"] == shape and t["dtype"][0] == kind) for shape, kind in wanted)
            assert w["bytes"] == held, (w, held)
    run.__name__ = f"report_counts_bytes_{linear}_{group}_{embedding}_{embedding_group}_{dtype}_{recipe}"
    test(run)


for scheme in SCHEMES:
    scheme_test(*scheme)


# Commands on official files, where the reference folder is present

def official(case):
    folder = os.path.join(REFERENCE, "official", case)
    if not os.path.exists(os.path.join(folder, "model.pte")):
        raise Skip("the reference folder is absent")
    return os.path.join(folder, "model.pte"), os.path.join(folder, "io.safetensors")


def official_test(case):
    def run(tmp):
        ok("verify", *official(case))
        ok("verify", *official(case), "--ties")
    run.__name__ = "official_" + case.replace("-", "_")
    test(run)


for case in ("llama-portable", "bert-fp32", "vit-fp32", "mobilevit-fp32", "llama-8da4w", "llama-8da8w", "llama-4w", "llama-8w"):
    official_test(case)


@test
def verify_rejects_wrong_outputs(tmp):
    """Each change is small beside the outputs, and beyond the default tolerance of its kind."""
    from safetensors.numpy import load_file, save_file
    import numpy as np

    def one_value(x, part):
        y = x.copy()
        y.flat[x.size // 2] += part * np.abs(x).max()
        return y
    changes = {
        "llama-8da8w": (lambda x: 1.01 * x, lambda x: one_value(x, 0.02), lambda x: np.roll(x, 1, 1), lambda x: np.roll(x, 1, 2)),
        "llama-8w": (lambda x: 1.001 * x, lambda x: one_value(x, 2e-4), lambda x: np.roll(x, 1, 1), lambda x: x * np.nan),
    }
    for case, wrong in changes.items():
        pte, io = official(case)
        g = load_file(io)
        for i, change in enumerate(wrong):
            bad = os.path.join(tmp, f"{case}{i}.safetensors")
            save_file({**g, "s0.forward.out0": np.ascontiguousarray(change(g["s0.forward.out0"]).astype(np.float32))}, bad)
            for more in ([], ["--ties"]):
                r = etch("verify", pte, bad, *more)
                assert r.returncode == 1 and "BEYOND" in r.stdout, f"{case}, change {i} {more}: exit {r.returncode}\n{r.stdout}{r.stderr}"


@test
def run_and_inspect_an_export(tmp):
    from safetensors.numpy import load_file, save_file
    import numpy as np
    pte = export_family("llama", "xnnpack", tmp)
    g = load_file(weights.golden("llama"))
    save_file({"in0": g["s0.forward.in0"], "in1": g["s0.forward.in1"]}, os.path.join(tmp, "in.safetensors"))
    ok("run", pte, "--inputs", os.path.join(tmp, "in.safetensors"), "--outputs", os.path.join(tmp, "out.safetensors"))
    out = load_file(os.path.join(tmp, "out.safetensors"))["out0"]
    np.testing.assert_allclose(out, g["s0.forward.out0"], atol=1e-4, rtol=1e-4)
    info = json.loads(ok("inspect", pte, "--json").stdout)
    assert any(m["name"] == "forward" for m in info["methods"]), info
    text = ok("inspect", pte).stdout
    for word in ("forward", "delegates (XnnpackBackend)", "get_vocab_size"):
        assert word in text, word


@test
def bench_and_profile_measure_what_ran(tmp):
    pte = export_family("llama", "xnnpack", tmp)
    r = json.loads(ok("bench", pte, "--runs", "2", "--tokens", "3", "--threads", "1", "--json").stdout)
    assert r["threads"] == 1 and r["read_bytes_per_s"] > 1e8 and r["peak_anonymous_bytes"] > 1e4, r
    assert 0 < r["load_ms"] < r["load_to_first_token_ms"], r
    assert [d["context"] for d in r["decode"]][0] == 0 and all(d["tokens"] == 3 and d["tokens_per_s"] > 0 for d in r["decode"]), r
    near, far = r["decode"]
    assert "of_empty" not in near and far["context"] > 0, r
    # Against steps on an empty cache in turn with it, whose sum is not printed: between the least and the greatest there can be.
    assert 0 < far["of_empty"] < 100, r
    assert all(p["ms"]["min"] <= p["ms"]["p50"] <= p["ms"]["max"] for p in r["prefill"]) and r["prefill"], r
    rows = json.loads(ok("inspect", pte, "--json").stdout)
    linears = sum(d["nodes"].get("XNNFullyConnected", 0) for m in rows["methods"] for d in m["delegates"])
    trace = os.path.join(tmp, "t.json")
    p = json.loads(ok("profile", pte, "--shapes", "1x1,1", "--runs", "3", "--trace", trace, "--json").stdout)
    found = [row for row in p["rows"] if row["name"] == "XNNFullyConnected"]
    assert linears and sum(row["count"] for row in found) == linears, (linears, found)
    # Every weight of the linears is read once a token: what bench reports is that and the rows of the embedding.
    assert 0 < sum(row["weight_bytes"] for row in found) <= r["weight_bytes_per_token"], (found, r)
    assert abs(sum(row["ms"] for row in p["rows"]) - p["ms"]) < 1e-3 * p["ms"] + 1e-6
    with open(trace) as f:
        events = json.load(f)["traceEvents"]
    steps = [e for e in events if e["cat"] == "instruction"]
    assert all(e["ph"] == "X" and e["dur"] >= 0 and e["ts"] >= 0 for e in events) and len(steps) > 3
    for e in events:  # nodes lie within the delegate's instruction
        if e["cat"] == "node":
            assert any(s["ts"] <= e["ts"] + 1e-3 and e["ts"] + e["dur"] <= s["ts"] + s["dur"] + 1e-3 and s["name"] == "delegate"
                       for s in steps), e
    assert "share" in ok("profile", pte, "--shapes", "1x1,1", "--by", "step", "--top", "3").stdout
    assert re.search(r"@ +[1-9]\d* .* tokens/s, +\d+ % of @0 ", ok("bench", pte, "--runs", "1", "--tokens", "1").stdout)
    assert "forward(i64[1, 2], i64[2])" in ok("bench", pte, "--method", "forward", "--shapes", "1x2,2", "--runs", "1").stdout
    refused("bench", pte, "--method", "forward", "--shapes", "1x2", says=["--shapes", "input 1"], code=2)
    assert "share" in ok("profile", pte, "--shapes", "1x1,1", "--position", "5").stdout
    refused("profile", pte, "--shapes", "1x1,1", "--position", "100000", says=["100000"])   # beyond the cache
    refused("profile", pte, "--shapes", "1x2x3,2", says=["--shapes", "input 0", "2 dimensions"], code=2)
    refused("profile", pte, "--shapes", "1x1,1,7", says=["--shapes", "7"], code=2)
    refused("bench", os.path.join(tmp, "none.pte"), says=["none.pte"])
    refused("profile", pte, "--method", "backward", says=["backward"])
    refused("profile", pte, "--shapes", "1x1,1", "--trace", os.path.join(tmp, "no", "t.json"), says=["t.json"])


# Images

@test
def an_image_is_prepared_as_its_folder_says(tmp):
    """The pixels are those of transformers' processor (img/testdata, tools/golden/images.py); the answer has labels."""
    from safetensors.numpy import load_file, save_file
    data = os.path.join(ROOT, "img", "testdata")
    with open(os.path.join(data, "processors.json")) as f:
        processor = json.load(f)["bilinear_down"]
    model, out = weights.write_model("vit", os.path.join(tmp, "model"), weights.GUIDE), os.path.join(tmp, "out")
    config = os.path.join(out, "preprocessor_config.json")
    for dtype in ("float32", "float16"):
        with open(os.path.join(model, "preprocessor_config.json"), "w") as f:
            json.dump(processor, f)
        ok("export", "--model", model, "--task", "image-classification", "--dtype", dtype, "-o", out)
        pte, photo = os.path.join(out, "model.pte"), os.path.join(data, "photo.ppm")
        pixels = load_file(os.path.join(data, "images.safetensors"))["bilinear_down"]
        save_file({"in0": pixels.astype(dtype)}, os.path.join(tmp, "in"))
        ok("run", pte, "--inputs", os.path.join(tmp, "in"), "--outputs", os.path.join(tmp, "want"))
        said = ok("run", pte, "--image", photo, "--outputs", os.path.join(tmp, "got")).stdout
        want, got = (load_file(os.path.join(tmp, name))["out0"].astype("float64") for name in ("want", "got"))
        assert abs(got - want).max() <= (1e-5 if dtype == "float32" else 2e-3) * abs(want).max(), (got, want)
        share = np.exp(got[0]) / np.exp(got[0]).sum()
        lines = [f"{100 * share[i]:6.2f} %  LABEL_{i}" for i in np.argsort(-share)]
        assert said.splitlines() == lines, (said, lines)
    png = etch("run", pte, "--image", os.path.join(data, "photo.png"))
    assert png.stdout == said or "without libpng" in png.stderr, png
    refused("run", pte, "--image", os.path.join(tmp, "none.png"), says=["--image", "none.png"])
    refused("run", pte, "--image", os.path.join(data, "processors.json"), says=["processors.json", "neither a PNG nor a PPM"])
    for field, says in (({"do_pad": True}, ["preprocessor_config.json", "'do_pad' is not supported"]),
                        ({"size": {"height": 40, "width": 32}}, ["32 x 40 pixels", "exported for 32 x 32", "--image_size"])):
        with open(config, "w") as f:
            json.dump({**processor, **field}, f)
        refused("run", pte, "--image", photo, says=says)
    # A processor in processor_config.json comes first, as in transformers; that file without one says nothing.
    nested = os.path.join(out, "processor_config.json")
    with open(nested, "w") as f:
        json.dump({"processor_class": "SomeProcessor", "image_processor": processor}, f)
    assert ok("run", pte, "--image", photo).stdout == said
    os.remove(config)
    assert ok("run", pte, "--image", photo).stdout == said
    with open(nested, "w") as f:
        json.dump({"image_processor": {**processor, "do_pad": True}}, f)
    refused("run", pte, "--image", photo, says=["processor_config.json: image_processor: 'do_pad' is not supported"])
    for text in ("{}", '{"image_processor": null}'):
        with open(nested, "w") as f:
            f.write(text)
        refused("run", pte, "--image", photo, says=["--image", "preprocessor_config.json"])
    ok("export", "--model", TINY, "-o", out)
    refused("run", pte, "--image", photo, says=["no input for pixels"], code=2)


# Bad input

@test
def bad_command_lines(tmp):
    refused("exprot", says=["export"], code=2)
    refused("export", "-o", tmp + "/o", says=["--model", "--pt2"], code=2, no_file=tmp)
    refused("export", "--model", TINY, "-o", tmp + "/o", "--recipee", "xnnpack", says=["--recipe"], code=2, no_file=tmp)
    refused("export", "--model", TINY, "-o", tmp + "/o", "--recipe", "tpu", says=["tpu", "xnnpack"], code=2, no_file=tmp)
    refused("export", "--model", TINY, "-o", tmp + "/o", "--max_seq_len", "0", says=["--max_seq_len"], code=2, no_file=tmp)
    refused("export", "--model", TINY, "-o", tmp + "/o", "--task", "juggling", says=["juggling", "text-generation"], code=2, no_file=tmp)
    refused("export", "--model", TINY, "-o", tmp + "/o", "--qlinear_group_size", "32", says=["--qlinear"], code=2, no_file=tmp)
    # Flags of the official exporter for other devices, and one that would change the integers.
    for flag, value, says in (("--device", "cuda:0", "processors"), ("--qlinear_packing_format", "tile_packed_to_4d", "CUDA"),
                              ("--qlinear_encoder_packing_format", "tile_packed_to_4d", "CUDA"),
                              ("--quantize_dtype", "bfloat16", "--dtype")):
        refused("export", "--model", TINY, "-o", tmp + "/o", flag, value, says=[f"{flag} {value}", says], code=2, no_file=tmp)
    ok("check", "--model", TINY, "--device", "cpu")


def source_of(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


@test
def help_fits_a_screen(tmp):
    """At most 40 lines of 100 columns, in which every flag stands; those of `export` stand in the guide too."""
    job = source_of("cli", "job_opts.h")
    rows = {part: set(re.findall(r'\{ "(--[\w-]+)"(?!, NULL, ETCH_OPT_ONLY)',
                                 re.search(rf"#define ETCH_JOB_{part}_OPTS?\(job\)((?:.*\\\n)*.*)", job)[1]))
            for part in ("MODEL", "PT2", "LOWER")}
    assert {"--model", "--offline"} <= rows["MODEL"] and rows["PT2"] == {"--pt2"} and {"--qlinear", "--qparams"} <= rows["LOWER"], rows
    commands = re.findall(r'COMMAND\((\w+), "(\w+)"', source_of("cli", "commands.def"))
    assert len(commands) >= 12, commands
    for name, command in commands:
        text = ok(command, "--help").stdout
        assert "Usage: etch " + command in text, command
        assert len(text.splitlines()) <= 40 and max(map(len, text.splitlines())) <= 100, text
        code = source_of("cli", f"cmd_{name}.c")
        flags = set(re.findall(r'\{ "(--[\w-]+)"', code)).union(*(rows[part] for part in rows if f"ETCH_JOB_{part}_OPT" in code))
        for flag in flags:
            assert re.search(rf"{flag}\b(?![-_])", text), f"{command} --help does not speak of {flag}"
            guide = source_of("docs", "EXPORTING.md")
            assert command != "export" or re.search(rf"{flag}\b(?![-_])", guide), f"docs/EXPORTING.md does not speak of {flag}"


@test
def bad_models(tmp):
    out = os.path.join(tmp, "out")

    def case(says, config=None, blob=None, **kw):
        model = os.path.join(tmp, "model")
        shutil.rmtree(model, ignore_errors=True)
        weights.write_model("llama", model)
        if config is not None:
            with open(os.path.join(model, "config.json")) as f:
                j = json.load(f)
            j.update(config)
            with open(os.path.join(model, "config.json"), "w") as f:
                json.dump(j, f)
        if blob is not None:
            path = os.path.join(model, "model.safetensors")
            with open(path, "rb") as f:
                data = f.read()
            data = blob(data)
            os.remove(path)
            if data is not None:
                with open(path, "wb") as f:
                    f.write(data)
        refused("export", "--model", model, "--recipe", "portable", "-o", out, says=says, no_file=out if os.path.exists(out) else None,
                **kw)

    def header(data, change):
        n, = struct.unpack("<Q", data[:8])
        j = json.loads(data[8:8 + n])
        change(j)
        h = json.dumps(j).encode()
        return struct.pack("<Q", len(h)) + h + data[8 + n:]

    def overlap(j):
        names = [k for k in j if k != "__metadata__"]
        j[names[1]]["data_offsets"][0] -= 4
        j[names[1]]["data_offsets"][1] -= 4

    refused("export", "--model", os.path.join(tmp, "nothing"), "-o", out, says=["nothing"])
    case(["no weights", "safetensors"], blob=lambda d: None)
    case(["model.safetensors"], blob=lambda d: d[:len(d) // 2])
    case(["model.safetensors"], blob=lambda d: d[:5])
    case(["model.safetensors"], blob=lambda d: struct.pack("<Q", 1 << 60) + d[8:])
    case(["model.safetensors"], blob=lambda d: header(d, overlap))
    case(["lm_head.weight"], config={"tie_word_embeddings": False})
    case(["warp_drive"], config={"model_type": "warp_drive", "architectures": ["WarpDriveForCausalLM"]})
    case([], config={"hidden_size": 65})


@test
def a_task_that_the_model_does_not_do(tmp):
    model = weights.write_model("llama", os.path.join(tmp, "model"))
    out = os.path.join(tmp, "out")
    refused("export", "--model", model, "--task", "image-classification", "-o", out, says=["image-classification"], no_file=out)


@test
def what_cannot_be_traced_is_named_with_its_source_line(tmp):
    """Models of the library whose own code branches on data, needs an operator that etch cannot give a symbolic size, continues a text by
    other code than it begins one, or is that of an encoder."""
    refused_models = os.path.join(ROOT, "tests", "refused")
    for name, task, says in (("longformer", "fill-mask", ["data-dependent control flow", "modeling_longformer.py:"]),
                             ("xlnet", "text-generation", ["mems.0", "before the first token"]),
                             ("dbrx", "text-generation", ["aten::nonzero", "modeling_dbrx.py:"]),
                             ("prophetnet", "text-generation", ["modeling_prophetnet.py:", "first tokens of a text", "u0 == 0"]),
                             ("prophetnet", "text2text-generation", ["modeling_prophetnet.py:", "first tokens of a text",
                                                                     "--task feature-extraction"]),
                             ("roformer", "text-generation", ["RoFormerLayer", '"is_decoder": true', "fill-mask"])):
        model, out = weights.write_model(name, os.path.join(tmp, name), refused_models), os.path.join(tmp, "out")
        refused("export", "--model", model, "--task", task, "--recipe", "portable", "-o", out, says=says, no_file=out)


@test
def full_disk_leaves_no_file(tmp):
    if os.geteuid() != 0:
        raise Skip("mounting a small file system needs root")
    mount = os.path.join(tmp, "small")
    os.makedirs(mount)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True).returncode:
        raise Skip("this machine cannot mount a small file system")
    try:
        refused("export", "--model", TINY, "-o", os.path.join(mount, "out"), says=["No space left"], no_file=mount)
    finally:
        subprocess.run(["umount", mount], check=False)


@test
def killed_writers_leave_all_or_nothing(tmp):
    """SIGKILL, SIGINT and SIGTERM at 30 moments of writing a 64 MB program: the folder holds the whole file or nothing at all."""
    import signal
    import time
    import numpy as np
    from safetensors.numpy import save_file
    model, graph, out = (os.path.join(tmp, n) for n in ("model", "graph", "out"))
    os.makedirs(model)
    save_file({"w": np.ones((1 << 12, 1 << 12), dtype=np.float32)}, os.path.join(model, "model.safetensors"))
    with open(graph, "w") as f:
        f.write('etch-graph 1\nmethod "forward"\n%0 = input "x" : f32[1, 4096]\n%1 = file "model.safetensors" "w" : f32[4096, 4096]\n'
                '%2 = aten::mm(%0, %1) : f32[1, 4096]\nreturn "y" %2\nend\n')
    command = [ETCH, "lower", graph, "--recipe", "portable", "--weights", model, "--quiet", "-o", os.path.join(out, "model.pte")]
    os.makedirs(out)
    start = time.monotonic()
    subprocess.run(command, check=True)
    took, whole = time.monotonic() - start, sha(command[-1])
    seen = set()
    for i in range(30):
        shutil.rmtree(out)
        os.makedirs(out)
        p = subprocess.Popen(command)
        time.sleep(took * (i + 0.5) / 28)
        p.send_signal((signal.SIGKILL, signal.SIGINT, signal.SIGTERM)[i % 3])
        p.wait()
        left = os.listdir(out)
        assert left in ([], ["model.pte"]), left
        assert not left or sha(command[-1]) == whole
        seen.add(len(left))
    assert 0 in seen, "no process was killed before its file was whole"


@test
def mutated_programs_never_crash(tmp):
    import random
    pte = export_family("llama", "xnnpack", tmp)
    with open(pte, "rb") as f:
        data = f.read()
    random.seed(0)
    head = 40000 if len(data) > 40000 else len(data)
    bad = os.path.join(tmp, "bad.pte")
    for i in range(60):
        b = bytearray(data)
        if i % 6 == 0:
            b = b[:random.randrange(len(b))]
        else:
            for _ in range(random.choice((1, 4, 16))):
                b[random.randrange(min(head, len(b)))] = random.randrange(256)
        with open(bad, "wb") as f:
            f.write(bytes(b))
        for args in (["inspect", bad], ["verify", bad, weights.golden("llama")]):
            r = etch(*args, timeout=60)
            assert r.returncode in (0, 1), f"mutation {i}: {args[0]} ended with {r.returncode}\n{r.stderr[-500:]}"


main()
