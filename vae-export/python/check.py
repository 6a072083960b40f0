"""Computes the stored rows by ONNX Runtime and by PyTorch, and compares with what the model gave.

    python check.py [onnx] [pytorch]

It needs numpy and safetensors, and onnxruntime or torch. The exit code is 1 where something differs by more than 1e-5 of the
largest number; of scores, which may be near 0 where their parts are not, by more than 1e-5 if all are below 1.
"""

import sys
from pathlib import Path

import numpy
from safetensors.numpy import load_file

FOLDER = Path(__file__).parent
TOLERANCE = 1e-5


def by_onnx(graph, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FOLDER / f"{graph}.onnx"), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def by_pytorch(graph, inputs):
    import torch

    sys.path.insert(0, str(FOLDER))
    from model import Model

    with torch.no_grad():
        found = getattr(Model(), graph)(**{name: torch.from_numpy(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in found.items()}


def difference(name, found, expected):
    """Largest difference over the largest number; one where a whole number or a truth differs."""
    if found.shape != expected.shape:
        return 1.0
    if expected.dtype.kind != "f":
        return float((found != expected).any())
    least = 1.0 if name == "score" else 1e-30
    scale = max(float(numpy.abs(expected).max(initial=0)), least)
    return float(numpy.abs(found - expected).max(initial=0)) / scale


def main():
    graphs = {}
    for key, value in load_file(FOLDER / "rows.safetensors").items():
        graph, way, name = key.split(".", 2)
        graphs.setdefault(graph, {"in": {}, "out": {}})[way][name] = value
    worst = 0.0
    for how in sys.argv[1:] or ["onnx", "pytorch"]:
        compute = {"onnx": by_onnx, "pytorch": by_pytorch}[how]
        for graph, stored in sorted(graphs.items()):
            first = {name: value[:1] for name, value in stored["in"].items()}
            whole, alone = compute(graph, stored["in"]), compute(graph, first)
            for name, expected in sorted(stored["out"].items()):
                found = max(difference(name, whole[name], expected), difference(name, alone[name], expected[:1]))
                print(f"{how} {graph} {name} {list(expected.shape)}: {found:.1e}")
                worst = max(worst, found)
    print(f"the largest difference is {worst:.1e} of the largest number")
    return int(not worst <= TOLERANCE)


sys.exit(main())
