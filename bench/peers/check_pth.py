#!/usr/bin/env python3
"""Checkpoints to and from real PyTorch, and TensorBoard's reading of a run.

    pip install torch torchvision tensorboard       (in an environment of your own)
    ninja -C build/release azimuth tool_forward
    bench/peers/check_pth.py [--build build/release] [--run RUN] [--out DIR]

Writes .pth files with PyTorch (torchvision's resnet50, and a detector with PolarMask's names), in the zip and the legacy
layout, imports them, and compares every stage's output with PyTorch's; exports them again and loads that with
torch.load(weights_only=True). With --run, reads RUN/events with TensorBoard and compares it with RUN/metrics.jsonl.
Prints a line a check, worst deviation as a share of the tolerance (that of tests/golden/polarmask/forward_*), and fails
where one is above 1.
"""
import argparse
import collections
import json
import math
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torchvision

from safetensors_io import read_safetensors, write_safetensors


class Scale(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(value))


class ConvBlock(nn.Module):
    """A convolution under the name `conv`, and group norm with ReLU where it has a norm."""

    def __init__(self, channels, kernel, stride=1, norm=False):
        super().__init__()
        self.conv = nn.Conv2d(channels, 256, kernel, stride, kernel // 2, bias=not norm)
        if norm:
            self.gn = nn.GroupNorm(32, 256)

    def forward(self, x):
        x = self.conv(x)
        return torch.relu(self.gn(x)) if hasattr(self, "gn") else x


def stages_of(backbone, x):
    x = backbone.maxpool(backbone.relu(backbone.bn1(backbone.conv1(x))))
    stages = []
    for layer in (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        x = layer(x)
        stages.append(x)
    return stages


class PolarMask(nn.Module):
    """R50-FPN and head, named as in mmdetection 1.x (specs/polarmask.md, section 11)."""

    def __init__(self):
        super().__init__()
        self.backbone = torchvision.models.resnet50(weights=None)
        del self.backbone.fc
        self.neck = nn.Module()
        self.neck.lateral_convs = nn.ModuleList(ConvBlock(c, 1) for c in (512, 1024, 2048))
        self.neck.fpn_convs = nn.ModuleList(ConvBlock(256, 3, stride) for stride in (1, 1, 1, 2, 2))
        head = self.bbox_head = nn.Module()
        for tower in ("cls_convs", "reg_convs", "mask_convs"):
            setattr(head, tower, nn.ModuleList(ConvBlock(256, 3, norm=True) for _ in range(4)))
        for layer, channels in (("cls", 80), ("reg", 4), ("mask", 36), ("centerness", 1)):
            setattr(head, f"polar_{layer}", nn.Conv2d(256, channels, 3, padding=1))
        head.scales_bbox = nn.ModuleList(Scale(0.8 + 0.1 * i) for i in range(5))
        head.scales_mask = nn.ModuleList(Scale(1.2 - 0.1 * i) for i in range(5))

    def forward(self, x):
        out = {}
        stages = stages_of(self.backbone, x)
        merged = [lateral(c) for lateral, c in zip(self.neck.lateral_convs, stages[1:])]
        for i in (1, 0):
            merged[i] = merged[i] + nn.functional.interpolate(merged[i + 1], scale_factor=2, mode="nearest")
        convs, pyramid = self.neck.fpn_convs, []
        for i, m in enumerate(merged):
            pyramid.append(convs[i](m))
        pyramid.append(convs[3](pyramid[-1]))
        pyramid.append(convs[4](torch.relu(pyramid[-1])))
        for i, c in enumerate(stages):
            out[f"c{i + 2}"] = c
        head = self.bbox_head
        for i, p in enumerate(pyramid):
            towers = []
            for tower in (head.cls_convs, head.reg_convs, head.mask_convs):
                y = p
                for block in tower:
                    y = block(y)
                towers.append(y)
            out[f"p{i + 3}"] = p
            out[f"cls{i + 3}"] = head.polar_cls(towers[0])
            out[f"ctr{i + 3}"] = head.polar_centerness(towers[0])
            out[f"box{i + 3}"] = torch.exp(head.scales_bbox[i].scale * head.polar_reg(towers[1]))
            out[f"mask{i + 3}"] = torch.exp(head.scales_mask[i].scale * head.polar_mask(towers[2]))
        return out


def scramble_norms(model, generator):
    """Statistics and affine parameters as of a trained network; small last norms of a block keep activations tame."""
    draw = lambda like, low, high: torch.rand(like.shape, generator=generator) * (high - low) + low
    with torch.no_grad():
        for name, m in model.named_modules():
            if isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                last = name.endswith("bn3")
                m.weight.copy_(draw(m.weight, 0.1, 0.5) if last else draw(m.weight, 0.5, 1.5))
                m.bias.copy_(draw(m.bias, -0.3, 0.3))
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.copy_(draw(m.running_mean, -0.5, 0.5))
                m.running_var.copy_(draw(m.running_var, 0.5, 2))
                m.num_batches_tracked.fill_(12345)


def share_of_tolerance(name, own, expected):
    expected = expected.numpy().astype(np.float64)
    if own.shape != expected.shape:
        sys.exit(f"{name}: shape {own.shape}, PyTorch has {expected.shape}")
    if name[0] in "cp" and name[1].isdigit():
        tolerance = 1e-4 * expected.std() + 1e-4 * np.abs(expected)
    elif name.startswith(("cls", "ctr")):
        tolerance = 1e-4 + 1e-4 * np.abs(expected)
    else:
        tolerance = 2e-4 * np.abs(expected)
    share = float(np.max(np.abs(own - expected) / tolerance))
    return share if math.isfinite(share) else math.inf


class Checks:
    def __init__(self):
        self.failed = 0

    def line(self, name, ok, text):
        self.failed += not ok
        print(f"{name} {'ok' if ok else 'FAIL'} {text}", flush=True)

    def outputs(self, name, own, expected):
        shares = {key: share_of_tolerance(key, own[key], value) for key, value in expected.items()}
        worst = max(shares, key=shares.get)
        self.line(name, shares[worst] <= 1, f"{shares[worst]:.3g} of the tolerance at worst ({worst}; {len(shares)} tensors)")


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout.strip()


def check_checkpoint(checks, name, state, payload, expected, style, paths):
    """Saves `payload` both ways, imports, compares outputs; exports and compares the tensors with `state`."""
    imported, output = paths.out / "imported.safetensors", paths.out / "output.safetensors"
    for layout in ("zip", "legacy"):
        file = paths.out / f"{name}_{layout}.pth"
        torch.save(payload, file, _use_new_zipfile_serialization=layout == "zip")
        print(run(paths.build / "azimuth", "import", file, "--out", imported))
        run(paths.build / "tests/tool_forward", style, imported, paths.out / "input.safetensors", output)
        checks.outputs(f"import/{name}_{layout}", read_safetensors(output), expected)
    exported = paths.out / f"{name}_exported.pth"
    print(run(paths.build / "azimuth", "export", imported, "--pth", exported))
    loaded = torch.load(exported, weights_only=True)
    same = list(loaded) == sorted(state) and all(
        loaded[k].dtype == v.dtype and loaded[k].shape == v.shape and torch.equal(loaded[k], v) for k, v in state.items())
    checks.line(f"export/{name}", same, f"{len(loaded)} tensors, torch.load(weights_only=True), {'equal' if same else 'differ'}")


def check_events(checks, folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "events"), size_guidance={"scalars": 0})
    events.Reload()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    wanted = {}
    for line in lines:
        for key, value in line.items():
            if key != "step":
                group = "val" if key == "val_score" else "train"
                wanted.setdefault(f"{group}/{key}", []).append((line["step"], np.float32(value)))
    found = {tag: [(s.step, np.float32(s.value)) for s in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    files = len(list((folder / "events").iterdir()))
    checks.line(f"events/{folder.name}", found == wanted,
                f"{files} event files, {len(found)} tags, {len(lines)} log lines: TensorBoard's values and metrics.jsonl's "
                + ("agree" if found == wanted else "differ"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--run", type=pathlib.Path, action="append", default=[], help="a run folder (repeatable)")
    parser.add_argument("--out", type=pathlib.Path, help="keep the files there")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checks = Checks()
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        options.out = options.out or pathlib.Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        generator = torch.Generator().manual_seed(options.seed)
        image = torch.randn(1, 3, 128, 160, generator=generator) * 60
        write_safetensors(options.out / "input.safetensors", {"input": image})

        resnet = torchvision.models.resnet50(weights=None)
        scramble_norms(resnet, generator)
        stages = stages_of(resnet.eval(), image)
        without_fc = {f"backbone.{k}": v for k, v in resnet.state_dict().items() if not k.startswith("fc.")}
        check_checkpoint(checks, "torchvision_resnet50", without_fc, resnet.state_dict(),
                         {f"c{i + 2}": c for i, c in enumerate(stages)}, "pytorch", options)

        detector = PolarMask()
        scramble_norms(detector, generator)
        state = detector.state_dict()
        wrapped = collections.OrderedDict((f"module.{k}", v) for k, v in state.items())
        momenta = torch.optim.SGD(detector.parameters(), lr=0.01, momentum=0.9).state_dict()
        payload = {"meta": {"epoch": 12, "iter": 87960, "config": "model = dict(type='PolarMask')"},
                   "state_dict": wrapped, "optimizer": momenta}
        check_checkpoint(checks, "polarmask_r50", dict(state), payload, detector.eval()(image), "pytorch", options)
    for folder in options.run:
        check_events(checks, folder)
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
