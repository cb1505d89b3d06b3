#!/usr/bin/env python3
"""Ten training steps of SiamMask's base variant in PyTorch, for comparison with `azimuth bench siammask-r50 train`.

The network, the losses and the optimiser's order are written here anew from the specification (specs/siammask.md
sections 2 to 4, 8 and 11), not taken from the reference. Weights and inputs are the golden cases' fill
(tests/golden/fill.py), so that both sides start from equal numbers without a file between them:

    azimuth bench siammask-r50 train --losses 10 --json > OURS.json
    python bench/peers/siammask_train_peer.py --ours OURS.json

prints both lists of losses and fails where they differ by more than 1e-3 of the peer's. From the fourth step on the f32
sums' rounding decides which side of zero some activations fall on; --double shows the losses without it.
"""
import argparse
import importlib.util
import json
import pathlib
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANCHORS = 5
CELLS = 25


def golden_fill():
    spec = importlib.util.spec_from_file_location("fill", ROOT / "tests/golden/fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def conv_bn(inputs, outputs, kernel, **options):
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, bias=False, **options), nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    def __init__(self, inputs, planes, stride, dilation, shortcut):
        super().__init__()
        padding = dilation if dilation > 1 else 2 - stride
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        if shortcut:
            self.downsample = shortcut

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def layer(inputs, planes, blocks, stride, dilation, shortcut):
    first = Bottleneck(inputs, planes, stride, 1, shortcut)
    return nn.Sequential(first, *[Bottleneck(4 * planes, planes, 1, dilation, None) for _ in range(blocks - 1)])


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 0, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = layer(64, 64, 3, 1, 1, conv_bn(64, 256, 1))
        self.layer2 = layer(256, 128, 4, 2, 1, conv_bn(256, 512, 3, stride=2))
        self.layer3 = layer(512, 256, 6, 1, 2, conv_bn(512, 1024, 3, padding=1))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer3(self.layer2(self.layer1(x)))


class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = Backbone()
        self.downsample = nn.Module()
        self.downsample.downsample = conv_bn(1024, 256, 1)

    def forward(self, x):
        y = self.downsample.downsample(self.features(x))
        return y[:, :, 4:-4, 4:-4] if y.shape[3] < 20 else y


class Head(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.conv_kernel = nn.Sequential(*conv_bn(256, 256, 3), nn.ReLU())
        self.conv_search = nn.Sequential(*conv_bn(256, 256, 3), nn.ReLU())
        self.head = nn.Sequential(*conv_bn(256, 256, 1), nn.ReLU(), nn.Conv2d(256, outputs, 1))

    def forward(self, z, x):
        kernel, search = self.conv_kernel(z), self.conv_search(x)
        n, c, h, w = kernel.shape
        both = F.conv2d(search.reshape(1, n * c, *search.shape[2:]), kernel.reshape(n * c, 1, h, w), groups=n * c)
        return self.head(both.reshape(n, c, *both.shape[2:]))


class SiamMask(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = Features()
        self.rpn_model = nn.Module()
        self.rpn_model.cls = Head(2 * ANCHORS)
        self.rpn_model.loc = Head(4 * ANCHORS)
        self.mask_model = nn.Module()
        self.mask_model.mask = Head(63 * 63)

    def forward(self, template, search):
        z, x = self.features(template), self.features(search)
        return self.rpn_model.cls(z, x), self.rpn_model.loc(z, x), self.mask_model.mask(z, x)


def losses(outputs, labels, boxes, weights, cells, masks):
    """Section 8: classes, boxes, masks."""
    classes, offsets, logits = outputs
    n = classes.shape[0]
    pairs = F.log_softmax(classes.reshape(n, 2, ANCHORS, CELLS, CELLS), dim=1)
    positive, negative = -pairs[:, 1][labels == 1], -pairs[:, 0][labels == 0]
    zero = classes.new_zeros(())
    class_loss = 0.5 * (positive.mean() if positive.numel() else zero) + 0.5 * (
        negative.mean() if negative.numel() else zero)
    distance = (offsets.reshape(n, 4, ANCHORS, CELLS, CELLS) - boxes).abs().sum(1)
    box_loss = (distance * weights).sum() / n
    padded = F.pad(masks, (32, 32, 32, 32))
    windows = torch.stack([padded[i, 0, 8 * r:8 * r + 127, 8 * c:8 * c + 127] for i, r, c in cells])
    chosen = torch.stack([logits[i, :, r, c] for i, r, c in cells]).reshape(-1, 1, 63, 63)
    large = F.interpolate(chosen, (127, 127), mode="bilinear", align_corners=True)[:, 0]
    mask_loss = F.softplus(-windows * large).mean()
    return class_loss, box_loss, mask_loss


def filled(fill, name, shape, scale=1.0):
    return torch.from_numpy(fill.tensor(name, shape, 0, 0.0, scale))


def made_up_batch(fill, n):
    """Inputs and targets by the rule of cli/siammask_workload.cpp: no sampling, nothing but the fill."""
    score = filled(fill, "label_cls", (n, ANCHORS, CELLS, CELLS))
    labels = torch.full(score.shape, -1, dtype=torch.long)
    labels[score < -0.9] = 0
    labels[score > 0.998] = 1
    positives = (labels == 1).reshape(n, -1).sum(1).float()
    weights = (labels == 1).float() / (positives + 1e-6).reshape(n, 1, 1, 1)
    cells = [(i, r, c) for i, r, c in (labels == 1).any(1).nonzero().tolist()]
    masks = torch.where(filled(fill, "label_mask", (n, 1, 255, 255)) >= 0, 1.0, -1.0)
    boxes = filled(fill, "label_loc", (n, 4 * ANCHORS, CELLS, CELLS), 0.5).reshape(n, 4, ANCHORS, CELLS, CELLS)
    template = filled(fill, "template", (n, 3, 127, 127))
    search = filled(fill, "search", (n, 3, 255, 255))
    return template, search, (labels, boxes, weights, cells, masks)


def train(steps, batch, rate, dtype):
    """Epoch 0 of stage 1: the backbone is frozen and its batch norms keep their statistics."""
    fill = golden_fill()
    model = SiamMask()
    fill.fill_module(model, 0)
    model = model.to(dtype).train()
    model.features.features.eval().requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=rate, momentum=0.9, weight_decay=1e-4)
    template, search, (labels, boxes, weights, cells, masks) = made_up_batch(fill, batch)
    template, search, boxes, weights, masks = (t.to(dtype) for t in (template, search, boxes, weights, masks))
    values, times = [], []
    for _ in range(steps):
        start = time.perf_counter()
        class_loss, box_loss, mask_loss = losses(model(template, search), labels, boxes, weights, cells, masks)
        total = 1.0 * class_loss + 1.2 * box_loss + 36 * mask_loss
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(trained, 10)
        optimizer.step()
        times.append(1000 * (time.perf_counter() - start))
        values.append(float(total.detach()))
        print(f"step {len(values):2}  loss {values[-1]:.6f}  {times[-1]:.0f} ms", file=sys.stderr)
    return values, sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=pathlib.Path, help="JSON of `azimuth bench siammask-r50 train --losses N --json`")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's choice")
    parser.add_argument("--double", action="store_true", help="in f64, to tell rounding from error")
    arguments = parser.parse_args()
    ours = json.loads(arguments.ours.read_text()) if arguments.ours else None
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    steps, batch, rate = arguments.steps, arguments.batch, arguments.lr
    if ours:
        steps, batch, rate = len(ours["losses"]), ours["batch"], ours["lr"]
    theirs, ms = train(steps, batch, rate, torch.float64 if arguments.double else torch.float32)
    result = {"torch": torch.__version__, "threads": torch.get_num_threads(), "batch": batch, "lr": rate, "ms": ms,
              "losses": theirs}
    if not ours:
        print(json.dumps(result))
        return 0
    worst = 0.0
    for step, (a, b) in enumerate(zip(ours["losses"], theirs, strict=True), 1):
        difference = abs(a - b) / abs(b)
        worst = max(worst, difference)
        print(f"step {step:2}  ours {a:.6f}  peer {b:.6f}  relative difference {difference:.2e}")
    print(f"largest relative difference {worst:.2e}, allowed 1e-3")
    return 0 if worst <= 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
