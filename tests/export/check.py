"""Computes exported models by ONNX Runtime and PyTorch, and takes weights back that were changed in PyTorch.

    python3 tests/export/check.py EXPORTS target/debug/vae

EXPORTS is a folder of exports, as the tests of vae-export write where KEEP_EXPORTS names one; each is held against its own rows, as
its check.py does. It needs Python 3.11 with numpy, onnxruntime, safetensors and torch.
"""

import contextlib
import csv
import importlib.util
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

# A table of numbers and names, with gaps; every fifth row is written twice, and two rows stand out.
ROWS = "\n".join(
    ["a,b,kind,c"]
    + [
        f"{(i * i % 31) / 7:.3f},{'' if i % 9 == 4 else i % 13},{['red', 'green', 'blue'][i % 3]},{400 if i % 200 == 7 else (i * 7 % 23) / 5}"
        for i in range(400)
    ]
)
TRAIN = "--dataset rows.csv --hidden 16 --latent 3 --epochs 2 --batch-size 50 --threads 1 --quiet"
MODELS = [
    "--variant vae",
    "--variant vae --norm batch",
    "--variant vae --prior vamp --prior-components 4",
    "--variant hvae",
    "--variant vq",
    "--variant ae",
]


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(folder):
    """What the check.py of an export finds: its exit code, and its last line."""
    said = io.StringIO()
    sys.modules.pop("model", None)
    sys.path.insert(0, str(folder))
    argv, sys.argv = sys.argv, ["check.py"]
    try:
        with contextlib.redirect_stdout(said):
            load(folder / "check.py", "check")
    except SystemExit as end:
        return end.code, said.getvalue().splitlines()[-1]
    finally:
        sys.argv = argv
        sys.path.remove(str(folder))


def round_trip(vae, arguments, folder):
    """The largest difference between a module whose weights were changed and the model that they were brought back to."""
    def run(line):
        subprocess.run([vae, *line.split()], cwd=folder, check=True, stderr=subprocess.DEVNULL)

    run(f"{arguments} {TRAIN} --out run")
    run("export run --out first")
    module = load(folder / "first/model.py", "model").Model()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    save_file(module.state_dict(), folder / "tuned.safetensors")
    run("import run tuned.safetensors --out tuned")
    run("export tuned --dataset rows.csv --no-score --out second")
    code, line = check(folder / "second")
    assert code == 0, line
    stored, worst = load_file(folder / "second/rows.safetensors"), 0.0
    for graph in ["encoder", "decoder"]:
        inputs = {key.split(".", 2)[2]: torch.from_numpy(value) for key, value in stored.items() if key.startswith(f"{graph}.in")}
        with torch.no_grad():
            found = getattr(module, graph)(**inputs)
        for name, value in found.items():
            expected = torch.from_numpy(stored[f"{graph}.out.{name}"])
            scale = max(expected.abs().max().item(), 1e-30)
            worst = max(worst, (value - expected).abs().max().item() / scale)
    return worst


def served(vae, folder):
    """What docs/serve_score.py answers to rows of the table as they are, beside the table that `vae score` writes."""
    def run(line):
        subprocess.run([vae, *line.split()], cwd=folder, check=True, stderr=subprocess.DEVNULL)

    run("--preset anomaly --dataset rows.csv --epochs 2 --quiet --out anomaly")
    run("export anomaly --format onnx --out graphs")
    run("score anomaly --dataset rows.csv --unsorted --out scores.csv")
    with open(folder / "scores.csv", newline="") as file:
        expected = list(csv.DictReader(file))
    script = pathlib.Path(__file__).parents[2] / "docs/serve_score.py"
    server = subprocess.Popen([sys.executable, script, folder / "graphs/score.onnx"], stderr=subprocess.DEVNULL)
    try:
        worst, rows = 0.0, ROWS.split("\n")[1:41]
        for row, of in zip(rows, expected):
            for attempt in range(100):
                try:
                    answer = json.load(urllib.request.urlopen("http://127.0.0.1:8000", row.encode()))
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            worst = max(worst, abs(answer["score"] - float(of["score"])) / max(1.0, abs(float(of["score"]))))
            assert answer["anomaly"] == (of["anomaly"] == "1"), (row, answer, of)
        return worst
    finally:
        server.kill()


def main():
    exports, vae = pathlib.Path(sys.argv[1]), str(pathlib.Path(sys.argv[2]).resolve())
    folders, failed = sorted(exports.iterdir()), 0
    for folder in folders:
        code, line = check(folder)
        if code != 0:
            failed += 1
            print(f"{folder.name}: {line}")
    print(f"{len(folders)} exports by ONNX Runtime and PyTorch, {failed} differ")
    for arguments in MODELS:
        with tempfile.TemporaryDirectory() as place:
            place = pathlib.Path(place)
            (place / "rows.csv").write_text(ROWS)
            worst = round_trip(vae, arguments, place)
        print(f"{arguments}: weights changed in PyTorch come back, with outputs that differ by {worst:.1e}")
        failed += worst > 1e-5
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        (place / "rows.csv").write_text(ROWS)
        worst = served(vae, place)
    print(f"40 rows of CSV, sent to docs/serve_score.py, get their scores, which differ by {worst:.1e}")
    sys.exit(failed > 0 or worst > 1e-5 or len(folders) < 60)


main()
