"""ONNX graphs of `azimuth export --onnx`, run by ONNX Runtime and compared with our own outputs.

Makes weights of SiamMask (sharp, base, box) and PolarMask-R50 by the rule of the golden cases (tests/golden/fill.py),
exports them with --example, and for every graph: checks it with the onnx package, runs it on the example's inputs, and
prints the largest deviation from our outputs relative to the largest value of each, and the kinds of nodes. Sharp's
graphs are also run one after the other on the golden case's pictures and compared with the PyTorch reference's values.

    python bench/peers/check_onnx.py --build build/release [--only sharp,base,box,polarmask] [--out DIR] [--batch N]

Exits with 1 if a deviation is above 1e-4 of the largest value (the golden cases' own tolerance), a Transpose node is
there, or a graph is refused.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

from safetensors_io import read_safetensors, write_safetensors

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/golden"))
import fill  # noqa: E402

TOLERANCE = 1e-4
GOLDEN = ROOT / "tests/golden/siammask/forward_t127_s255"


def siammask_shapes(variant):
    shapes = json.loads(GOLDEN.with_suffix(".json").read_text())["state_dict"]
    absent = {"sharp": (), "base": ("refine_model.",), "box": ("refine_model.", "mask_model.")}[variant]
    return {name: shape for name, shape in shapes.items() if not name.startswith(absent or "-")}


def polarmask_shapes():
    """Of R50-FPN and head, named as in mmdetection 1.x (specs/polarmask.md, section 11)."""
    shapes = {"backbone.conv1.weight": [64, 3, 7, 7]}

    def norm(name, channels, statistics=True):
        leaves = ("weight", "bias", "running_mean", "running_var") if statistics else ("weight", "bias")
        shapes.update({f"{name}.{leaf}": [channels] for leaf in leaves})

    norm("backbone.bn1", 64)
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        planes = 64 << stage
        for block in range(blocks):
            name = f"backbone.layer{stage + 1}.{block}"
            for i, shape in enumerate(([planes, inputs, 1, 1], [planes, planes, 3, 3], [4 * planes, planes, 1, 1])):
                shapes[f"{name}.conv{i + 1}.weight"] = shape
                norm(f"{name}.bn{i + 1}", shape[0])
            if block == 0:
                shapes[f"{name}.downsample.0.weight"] = [4 * planes, inputs, 1, 1]
                norm(f"{name}.downsample.1", 4 * planes)
            inputs = 4 * planes

    def conv(name, out, inside, kernel):
        shapes.update({f"{name}.weight": [out, inside, kernel, kernel], f"{name}.bias": [out]})

    for i, channels in enumerate((512, 1024, 2048)):
        conv(f"neck.lateral_convs.{i}.conv", 256, channels, 1)
    for i in range(5):
        conv(f"neck.fpn_convs.{i}.conv", 256, 256, 3)
        shapes[f"bbox_head.scales_bbox.{i}.scale"] = shapes[f"bbox_head.scales_mask.{i}.scale"] = []
    for tower in ("cls_convs", "reg_convs", "mask_convs"):
        for i in range(4):
            shapes[f"bbox_head.{tower}.{i}.conv.weight"] = [256, 256, 3, 3]
            norm(f"bbox_head.{tower}.{i}.gn", 256, statistics=False)
    for layer, channels in (("cls", 80), ("reg", 4), ("mask", 36), ("centerness", 1)):
        conv(f"bbox_head.polar_{layer}", channels, 256, 3)
    return shapes


def filled(shapes):
    return {name: fill.tensor(name, tuple(shape)) for name, shape in shapes.items()
            if not name.endswith("num_batches_tracked")}


def session(file):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def run_graph(file, tensors):
    graph = session(file)
    names = [o.name for o in graph.get_outputs()]
    return dict(zip(names, graph.run(names, {i.name: tensors[i.name] for i in graph.get_inputs()})))


class Checks:
    def __init__(self):
        self.failed = 0

    def line(self, name, ok, text):
        self.failed += not ok
        print(f"{name:18} {'ok' if ok else 'FAIL'}  {text}", flush=True)

    def graph(self, name, file):
        model = onnx.load(str(file))
        onnx.checker.check_model(model, full_check=True)
        counts = collections.Counter(node.op_type for node in model.graph.node)
        tensors = read_safetensors(file.with_suffix(".safetensors"))
        outputs = run_graph(file, tensors)
        parts = []
        for key, value in outputs.items():
            if value.shape != tensors[key].shape:
                sys.exit(f"{name}: {key} is {value.shape}, ours {tensors[key].shape}")
            deviation = float(np.abs(value.astype(np.float64) - tensors[key]).max() / np.abs(tensors[key]).max())
            parts.append((deviation if np.isfinite(deviation) else np.inf, key))
        worst, key = max(parts)
        self.line(name, worst <= TOLERANCE and counts["Transpose"] == 0,
                  f"{worst:.1e} of the largest value at worst ({key}, {len(parts)} outputs); "
                  f"{sum(counts.values())} nodes, {counts['Transpose']} Transpose; "
                  + ", ".join(f"{n} {t}" for t, n in sorted(counts.items())))

    def golden(self, stem):
        """The three graphs in a row, against the values that the PyTorch reference stored."""
        case = json.loads(GOLDEN.with_suffix(".json").read_text())
        stored = read_safetensors(GOLDEN.with_suffix(".safetensors"))
        pictures = {name: fill.tensor(name, tuple(d["shape"]), d["seed"], d["offset"], d["scale"])
                    for name, d in case["inputs"].items()}
        kernels = run_graph(f"{stem}-template.onnx", {"template": pictures["template"]})
        found = run_graph(f"{stem}-search.onnx", {"search": pictures["search"], **kernels})
        values = {"cls": found["classes"], "loc": found["boxes"], "corr": found["correlation"],
                  "x.p0": found["p0"], "x.p1": found["p1"], "x.p2": found["p2"]}
        for row, column in case["net"]["refine_positions_row_col"]:
            cells = np.array([[0, row, column]], np.int32)
            masks = run_graph(f"{stem}-refine.onnx", {**found, "cells": cells})["masks"]
            values[f"refine.{row}_{column}"] = masks
        compared = []
        for key, value in values.items():
            match = [k for k in stored if k.endswith(".value") and k[:-6] == key]
            if match:
                index, want = stored[f"{key}.index"], stored[f"{key}.value"]
                largest = float(stored[f"{key}.stats"][3])
                compared.append((float(np.abs(value.reshape(-1)[index] - want).max() / largest), key))
        worst, key = max(compared)
        missing = sorted(set(values) - {k for _, k in compared})
        self.line("sharp/golden", worst <= TOLERANCE and not missing,
                  f"{worst:.1e} of the largest value at worst ({key}, {len(compared)} tensors of the PyTorch reference)"
                  + (f"; not stored: {missing}" if missing else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--only", default="sharp,base,box,polarmask")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path, help="keep the files there")
    options = parser.parse_args()
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, batch {options.batch}")
    checks = Checks()
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or pathlib.Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        binary = options.build / "azimuth"
        for variant in options.only.split(","):
            weights = out / f"{variant}.weights.safetensors"
            polarmask = variant == "polarmask"
            write_safetensors(weights, filled(polarmask_shapes() if polarmask else siammask_shapes(variant)))
            stem = out / variant
            command = [binary, "export", weights, "--onnx", f"{stem}.onnx", "--example", "--batch", options.batch]
            command += ["--size", "256x320"] if polarmask else []
            done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
            parts = {"polarmask": [""], "sharp": ["-template", "-search", "-refine"]}.get(variant, ["-template", "-search"])
            for part in parts:
                checks.graph(variant + part.replace("-", "/"), pathlib.Path(f"{stem}{part}.onnx"))
            if variant == "sharp" and options.batch == 1:
                checks.golden(stem)
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
