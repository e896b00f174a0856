"""`etch export --pt2` on archives that PyTorch wrote (pt2/testdata), without PyTorch.

    python tests/pt2.py BUILD [NAME_PART ...]
"""
import os
import re
import struct
import subprocess
import zipfile

from harness import ETCH, ROOT, main, ok, refused, sha, test

DATA = os.path.join(ROOT, "pt2", "testdata")
IO = os.path.join(DATA, "io.safetensors")


def archive(name):
    return os.path.join(DATA, name + ".pt2")


def without_checksums(data):
    """The archive as PyTorch writes it when it is told not to compute CRC-32: what is behind them is read."""
    return re.sub(rb"(PK\x01\x02.{12}).{4}", rb"\1" + bytes(4), data, flags=re.DOTALL)


@test
def both_forms_compute_what_pytorch_recorded(tmp):
    for name in ("training", "core"):
        for recipe in ("portable", "xnnpack"):
            out = os.path.join(tmp, name + recipe)
            ok("export", "--pt2", archive(name), "--recipe", recipe, "-o", out)
            ok("verify", os.path.join(out, "model.pte"), IO, "--atol", "1e-5", "--rtol", "1e-5")
            assert sorted(os.listdir(out)) == ["model.pte", "report.json"]


@test
def quantization_applies(tmp):
    import json
    ok("export", "--pt2", archive("training"), "--qlinear", "8da8w", "--qlinear_group_size", "0", "-o", tmp)
    with open(os.path.join(tmp, "report.json")) as f:
        report = json.load(f)
    assert {w["name"] for w in report["weights"] if w["bits"] == 8} >= {"turned"}, report["weights"]
    assert report["job"]["pt2"] == archive("training") and "task" not in report["job"] and "dtype" not in report["job"], report["job"]
    assert any("'mask' is fixed to None" in n for n in report["notes"]), report["notes"]


@test
def trace_prints_the_graph_and_it_lowers(tmp):
    text = ok("trace", "--pt2", archive("core")).stdout
    assert 'fqn "head.weight"' in text and 'return "logits"' in text, text[:500]
    again = [os.path.join(tmp, x) for x in ("a", "b")]
    for out in again:
        ok("export", "--pt2", archive("core"), "-o", out)
    assert len({sha(os.path.join(out, "model.pte")) for out in again}) == 1


@test
def flags_that_speak_of_tracing_are_refused(tmp):
    for flag in (["--task", "text-generation"], ["--model", "x"], ["--dtype", "float32"], ["--max_seq_len", "8"], ["--use_custom_sdpa"],
                 ["--disable_dynamic_shapes"], ["--logits", "all"]):
        refused("export", "--pt2", archive("core"), *flag, "-o", os.path.join(tmp, "o"), says=[flag[0], "--pt2"], code=2, no_file=tmp)
    refused("export", "--pt2", os.path.join(tmp, "none.pt2"), "-o", os.path.join(tmp, "o"), says=["none.pt2"], no_file=tmp)


@test
def damaged_archives_are_refused_and_leave_no_file(tmp):
    with open(archive("training"), "rb") as f:
        whole = f.read()
    out, case = os.path.join(tmp, "out"), os.path.join(tmp, "case.pt2")

    def bad(data, *says):
        with open(case, "wb") as f:
            f.write(data)
        refused("export", "--pt2", case, "-o", out, says=["case.pt2", *says], no_file=out)

    def changed(old, new):
        assert old in whole and len(old) == len(new)
        return without_checksums(whole.replace(old, new, 1))
    bad(b"", "zip")
    bad(b"not a zip archive" * 20, "zip")
    bad(whole[: len(whole) // 2], "zip")
    bad(changed(b"aten.linear.default", b"aten.linaer.default"), "aten.linaer", "pt2.py:39")
    bad(changed(b'"use_pickle": false', b'"use_pickle": true '), "pickle")
    bad(changed(b'"as_int": 10', b'"as_int": 99'), "embedding.weight")
    bad(changed(b'"graph_module"', b'"graph_modulX"'), "graph_module")
    bad(changed(b"Symbol('", b"Symbol(("), "quoted")
    end = whole.rfind(b"PK\x06\x06")  # zip64 end record: number of entries
    bad(whole[:end + 32] + struct.pack("<Q", 1 << 60) + whole[end + 40:], "zip")
    for name in ("weight_1", "model.json"):
        with zipfile.ZipFile(archive("training")) as z:
            entry = next(i for i in z.infolist() if i.filename.endswith("/" + name))
        at = entry.header_offset + 30 + sum(struct.unpack_from("<HH", whole, entry.header_offset + 26))
        for i in (0, entry.file_size // 2, entry.file_size - 1):
            bad(whole[:at + i] + bytes([whole[at + i] ^ 1]) + whole[at + i + 1:], name, "CRC-32", f"{entry.CRC:08x} when")
    with zipfile.ZipFile(archive("training")) as z:
        names = {n: z.read(n) for n in z.namelist()}

    def packed(entries, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(case, "w", method) as z:
            for n, data in entries.items():
                z.writestr(n, data)
        with open(case, "rb") as f:
            return f.read()
    bad(packed(names, zipfile.ZIP_DEFLATED), "compressed")
    bad(packed({n: d for n, d in names.items() if not n.endswith("weight_1")}), "weight_1")
    bad(packed({n: d for n, d in names.items() if not n.endswith("model.json")}), "exported program")
    bad(packed({n: b"" if n.endswith("weight_1") else d for n, d in names.items()}), "without the values")
    bad(packed({n: b"[" * 100000 if n.endswith("model.json") else d for n, d in names.items()}), "models/model.json")
    with open(case, "wb") as f:  # zipped again without compression: as good as the original
        f.write(packed(names))
    ok("export", "--pt2", case, "-o", out)
    ok("verify", os.path.join(out, "model.pte"), IO)


@test
def mutated_archives_never_crash(tmp):
    with open(archive("core"), "rb") as f:
        whole = without_checksums(f.read())
    seed, case = 7, os.path.join(tmp, "case.pt2")
    for i in range(60):
        data = bytearray(whole)
        for _ in range(3):
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            data[seed % len(data)] = (seed >> 16) & 0xFF
        with open(case, "wb") as f:
            f.write(data)
        r = subprocess.run([ETCH, "export", "--pt2", case, "-q", "-o", os.path.join(tmp, "out")], capture_output=True, timeout=60)
        assert r.returncode in (0, 1), (i, r.returncode, r.stderr[-300:])


if __name__ == "__main__":
    main()
