"""etch, the official runtime, llama.cpp and PyTorch eager in turn, on the same shapes with random weights, in one run on one machine.

    .venv-official/bin/python bench/peers/run.py [--threads N] [--pairs N] [--runs N] [--json] SHAPE...

Shapes: smollm2-135m qwen3-0.6b (decoders: 8da4w + 8w against the same .pte and Q4_0) vit-base mobilevit efficientnet-b0 bert-base
whisper-tiny (fp32: the same .pte, and eager). Whatever it needs is made in build/bench and kept there: models, programs, the official
runner (its C++ libraries are in the executorch wheel; decoders go through the Python binding, see official.py) and llama.cpp (from the
source package llama-cpp-python). Each pair runs all peers one after the other; a ratio is the median over pairs, with the least and the
largest.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "bench")
ETCH = os.path.join(ROOT, "build", "etch")
LLAMA = "llama-cpp-python==0.3.36"
DECODERS = ("smollm2-135m", "qwen3-0.6b")
# task, method, sizes of its inputs ("": those of the program)
ENCODERS = {
    "vit-base": ("image-classification", "forward", ""), "mobilevit": ("image-classification", "forward", ""),
    "efficientnet-b0": ("image-classification", "forward", ""), "bert-base": ("fill-mask", "forward", "1x128,1x128"),
    "whisper-tiny": ("automatic-speech-recognition", "encoder", ""),
}
HEADLINE = ["--use_custom_sdpa", "--use_custom_kv_cache", "--qlinear", "8da4w", "--qembedding", "8w", "--qparams", "minmax",
            "--max_seq_len", "2048"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(*command, **kw):
    r = subprocess.run(command, capture_output=True, text=True, **kw)
    if r.returncode:
        sys.exit(f"{' '.join(command)}\nended with {r.returncode}:\n{r.stdout[-1000:]}{r.stderr[-3000:]}")
    return r.stdout


def made(name, make):
    """The path of something in the work folder, made when it is not there yet."""
    path = os.path.join(WORK, name)
    if not os.path.exists(path):
        say(f"making {name}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        make(path)
    return path


def official_runner(path):
    import executorch
    package = os.path.dirname(executorch.__file__) if executorch.__file__ else list(executorch.__path__)[0]
    include, lib = os.path.join(package, "include"), os.path.join(package, "lib")
    libraries = [f for f in sorted(glob.glob(lib + "/libexecutorch*.so")) if "openvino" not in f and "qnn" not in f]
    run("g++", "-std=c++17", "-O2", "-w", "-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED", "-DET_USE_THREADPOOL",
        "-I" + include,
        "-I" + os.path.join(include, "executorch/runtime/core/portable_type/c10"), os.path.join(HERE, "official.cpp"), "-o", path,
        "-Wl,--no-as-needed", *libraries, "-Wl,-rpath," + lib)


def llama_bench(path):
    folder = os.path.dirname(path)
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, LLAMA)
    with tarfile.open(glob.glob(folder + "/llama_cpp_python-*.tar.gz")[0]) as t:
        t.extractall(folder, filter="data")
    source = glob.glob(folder + "/llama_cpp_python-*/vendor/llama.cpp")[0]
    build = os.path.join(folder, "build")
    # GCC 12 loses the tile configuration of llama.cpp's AMX code (an illegal instruction at its first product); clang keeps it.
    compilers = ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"] if shutil.which("clang++") else []
    run("cmake", "-S", source, "-B", build, *compilers, "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF",
        "-DLLAMA_CURL=OFF",
        "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_SERVER=OFF")
    run("cmake", "--build", build, "--target", "llama-bench", "-j", str(os.cpu_count()))
    os.symlink(next(f for f in glob.glob(build + "/**/llama-bench", recursive=True) if os.path.isfile(f)), path)


def encoder_program(shape, task):
    model = made(f"{shape}/model/config.json",
                 lambda p: run(sys.executable, os.path.join(HERE, "make_encoder.py"), shape, os.path.dirname(p)))
    command = [ETCH, "export", "--model", os.path.dirname(model), "--task", task, "--recipe", "xnnpack", "-o"]
    return os.path.dirname(model), made(f"{shape}/out/model.pte", lambda p: run(*command, os.path.dirname(p)))


def decoder_program(shape):
    model = made(f"{shape}/model/config.json",
                 lambda p: run(sys.executable, os.path.join(ROOT, "bench", "make_model.py"), shape, os.path.dirname(p)))
    command = [ETCH, "export", "--model", os.path.dirname(model), *HEADLINE, "-o"]
    return made(f"{shape}/out/model.pte", lambda p: run(*command, os.path.dirname(p)))


def etch_bench(*args):
    return json.loads(run(ETCH, "bench", *args, "--json"))


def encoder_pair(shape, a):
    task, method, sizes = ENCODERS[shape]
    model, pte = encoder_program(shape, task)
    threads, runs = str(a.threads), str(a.runs)
    runner = made("official", official_runner)
    ours = etch_bench(pte, "-t", threads, "-n", runs, "--method", method,
                      *(["--shapes", sizes] if sizes else []))["methods"][0]["ms"]["p50"]
    theirs = json.loads(run(runner, pte, method, threads, runs, *(sizes.split(",") if sizes else [])))
    eager = json.loads(run(sys.executable, os.path.join(HERE, "eager.py"), model, threads, runs))
    return {"etch ms": ours, "official ms": statistics.median(theirs["ms"]), "eager ms": statistics.median(eager["ms"])}


def decoder_pair(shape, a):
    pte, threads = decoder_program(shape), str(a.threads)
    bench = made("llama.cpp/llama-bench", llama_bench)
    q4 = made(f"{shape}/q4_0.gguf", lambda p: run(sys.executable, os.path.join(HERE, "make_gguf.py"), shape, p))
    ours = etch_bench(pte, "-t", threads, "-n", str(a.runs), "--tokens", "64")
    theirs = json.loads(run(sys.executable, os.path.join(HERE, "official.py"), pte, threads, "32", str(a.runs), "128",
                            "512").splitlines()[-1])
    llama = {(r["n_prompt"], r["n_gen"]): r["avg_ts"]
             for r in json.loads(run(bench, "-m", q4, "-t", threads, "-p", "128,512", "-n", "64", "-r", str(a.runs),
                                                                               "-o", "json"))}
    out = {"etch load to first token ms": ours["load_to_first_token_ms"],
           "official load to first token ms": theirs["load_to_first_token_ms"],
           "etch memory MiB": ours["peak_anonymous_bytes"] / 2**20, "official memory MiB": theirs["anonymous_mib"],
           "bandwidth share": ours["bandwidth_share"], "official binding ms": theirs["binding_ms"]}
    for p in ours["prefill"]:
        n = p["tokens"]
        out.update({f"etch prefill {n} tok/s": p["tokens_per_s"], f"official prefill {n} tok/s": theirs["prefill"][str(n)],
                    f"llama.cpp prefill {n} tok/s": llama[n, 0]})
    first = ours["decode"][0]["tokens_per_s"]
    out.update({"etch decode tok/s": first, "official decode tok/s": theirs["decode"], "llama.cpp decode tok/s": llama[0, 64]})
    for d in ours["decode"][1:]:
        out[f"decode at {d['context']} against empty"] = d["tokens_per_s"] / first
    for kind in ("float16", "int8", "int4"):
        narrow = etch_bench(pte, "-t", threads, "-n", "1", "--tokens", "64", "--kv_cache", kind)
        out[f"memory MiB, cache {kind}"] = narrow["peak_anonymous_bytes"] / 2**20
        for d in narrow["decode"][1:]:
            out[f"decode at {d['context']} against empty, cache {kind}"] = d["tokens_per_s"] / first
    return out


def ratios(pairs):
    """etch against each peer, by figure: (median, least, largest) over the pairs."""
    out = {}
    for key in pairs[0]:
        if not key.startswith("etch "):
            continue
        for peer in ("official", "eager", "llama.cpp"):
            other = key.replace("etch", peer, 1)
            if other in pairs[0]:
                r = [p[key] / p[other] for p in pairs]
                out[f"{key[5:]}: etch / {peer}"] = (statistics.median(r), min(r), max(r))
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("shapes", nargs="+", choices=(*DECODERS, *ENCODERS), metavar="SHAPE")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--runs", type=int, default=3, help="timed calls of each peer in a pair")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    result = {}
    for shape in a.shapes:
        pair = decoder_pair if shape in DECODERS else encoder_pair
        pairs = [pair(shape, a) for _ in range(a.pairs)]
        result[shape] = {"pairs": pairs, "ratios": ratios(pairs)}
        if a.json:
            continue
        print(f"{shape}, {a.threads} threads, median of {a.pairs} pairs")
        for key in pairs[0]:
            print(f"  {statistics.median(x[key] for x in pairs):12.2f}  {key}")
        for key, (mid, low, high) in result[shape]["ratios"].items():
            print(f"  {mid:12.3f}  {key}  ({low:.3f} to {high:.3f})")
        sys.stdout.flush()
    if a.json:
        json.dump(result, sys.stdout, indent=1)
        print()


main()
