#!/usr/bin/env python3
"""Ray labels the way the reference makes them: the peer of `azimuth bench labels`.

    pip install numpy torch opencv-python-headless       (in an environment of your own)
    bench/peers/ray_labels_peer.py [--azimuth build/release/azimuth] [--arrays torch] [--seconds 5]

What PolarMask's training data set does for every picture (xieenze/PolarMask, mmdet/datasets/coco_seg.py, commit
90c4798), step by step in the same way, in our own words: the contours of each padded mask by OpenCV, the largest by
area, its centre by a loop in Python; all locations of all levels against all objects as dense arrays; then for each
positive location the angles of all contour points, and for each ray a search for an occupied degree. `--arrays numpy`
does the same with numpy's arrays in place of torch's. One thread, 7 objects, 800x1333 padded to 896x1408. The masks are
those of `azimuth bench labels`; the numbers of contour points and positives and the sum of all rays must agree with it.
Prints one JSON object with the median "ms" from the masks to the targets.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries start their threads

import cv2
import numpy as np

HEIGHT, WIDTH = 896, 1408
STRIDES = (8, 16, 32, 64, 128)
RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, 1e8))
RADIUS, NOTHING, FAR = 1.5, 1e-6, 1e8


class Numpy:
    """The array operations that both libraries need, by numpy."""

    array = staticmethod(lambda values: np.asarray(values, dtype=np.float32))
    zeros = staticmethod(lambda *shape: np.zeros(shape, np.float32))
    atan2, sqrt, where, stack = np.arctan2, np.sqrt, np.where, staticmethod(lambda parts: np.stack(parts, -1))
    whole = staticmethod(lambda values: values.astype(np.int32))
    nonzero = staticmethod(lambda values: np.flatnonzero(values))
    smallest = staticmethod(lambda values: (values.min(1), values.argmin(1)))
    least, most = staticmethod(lambda v: v.min(-1)), staticmethod(lambda v: v.max(-1))
    copies = staticmethod(lambda values, count: np.repeat(values[None], count, 0))
    rows = staticmethod(lambda count: np.arange(count))

    @staticmethod
    def ordered(keys, values):
        order = np.argsort(keys)
        return keys[order], values[order]


def torch_arrays():
    import torch

    torch.set_num_threads(1)

    class Torch:
        """The same, by torch."""

        array = staticmethod(lambda values: torch.as_tensor(np.asarray(values, dtype=np.float32)))
        zeros, atan2, sqrt, where = torch.zeros, torch.atan2, torch.sqrt, torch.where
        stack = staticmethod(lambda parts: torch.stack(parts, -1))
        whole = staticmethod(lambda values: values.int())
        nonzero = staticmethod(lambda values: values.nonzero().reshape(-1))
        smallest = staticmethod(lambda values: values.min(dim=1))
        least, most = staticmethod(lambda v: v.min(-1)[0]), staticmethod(lambda v: v.max(-1)[0])
        copies = staticmethod(lambda values, count: values[None].repeat(count, 1))
        rows = staticmethod(lambda count: torch.arange(count))

        @staticmethod
        def ordered(keys, values):
            keys, order = torch.sort(keys)
            return keys, values[order]

    return Torch


def mass_centre(points):
    """Centroid of the polygon, a corner at a time."""
    area = x = y = 0.0
    ax, ay = points[-1]
    for bx, by in points:
        half_cross = (bx * ay - by * ax) / 2.0
        area += half_cross
        x += half_cross * (bx + ax) / 3.0
        y += half_cross * (by + ay) / 3.0
        ax, ay = bx, by
    x, y = x / area, y / area
    if not (math.isfinite(x) and math.isfinite(y)):
        x, y = points.mean(axis=0)
    return int(x), int(y)


def outline(mask):
    """The contour with the largest area, and its centre."""
    contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    points = sorted(contours, key=cv2.contourArea, reverse=True)[0][:, 0, :]
    return points, mass_centre(points.astype(np.float64))


def grid_of_locations():
    """Places, regress ranges and half windows of all levels, one after the other."""
    places, ranges, reach = [], [], []
    for stride, limits in zip(STRIDES, RANGES):
        rows, columns = np.meshgrid(np.arange(HEIGHT // stride), np.arange(WIDTH // stride), indexing="ij")
        level = np.stack([columns.ravel(), rows.ravel()], 1) * stride + stride // 2
        places.append(level)
        ranges.append(np.tile(limits, (len(level), 1)))
        reach.append(np.full(len(level), stride * RADIUS))
    return np.concatenate(places), np.concatenate(ranges), np.concatenate(reach)


def rays_from(xp, x, y, contour):
    """36 rays: in each direction the farthest contour point of the nearest occupied degree, up to three degrees off."""
    dx, dy = contour[:, 0] - x, contour[:, 1] - y
    degrees = xp.atan2(dx, dy) * 180 / np.pi
    degrees[degrees < 0] += 360
    lengths = xp.sqrt(dx**2 + dy**2)
    degrees, lengths = xp.ordered(xp.whole(degrees), lengths)
    rays = xp.zeros(36)
    for ray in range(36):
        rays[ray] = NOTHING
        for offset in (0, 1, -1, 2, -2, 3, -3):
            if 10 * ray + offset in degrees:
                rays[ray] = lengths[degrees == 10 * ray + offset].max()
                break
    return rays


def label_picture(xp, masks, boxes):
    """Labels, box targets and ray targets of every location."""
    places, ranges, reach = (xp.array(v) for v in grid_of_locations())
    boxes = xp.array(boxes)
    count, objects = len(places), len(boxes)
    areas = xp.copies((boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1), count)
    xs, ys = places[:, :1], places[:, 1:]
    sides = xp.stack([xs - boxes[:, 0], ys - boxes[:, 1], boxes[:, 2] - xs, boxes[:, 3] - ys])

    outlines = [outline(mask) for mask in masks]
    contours = [xp.array(points) for points, _ in outlines]
    centres = xp.array([centre for _, centre in outlines])

    half = reach[:, None]
    window = []
    for axis, at in ((0, xs), (1, ys)):
        low, high = centres[:, axis] - half, centres[:, axis] + half
        low = xp.where(low > boxes[:, axis], low, boxes[:, axis] + 0 * low)
        high = xp.where(high > boxes[:, axis + 2], boxes[:, axis + 2] + 0 * high, high)
        window += [at - low, high - at]
    farthest = xp.most(sides)
    areas[~(xp.least(xp.stack(window)) > 0)] = FAR
    areas[~((farthest >= ranges[:, :1]) & (farthest <= ranges[:, 1:]))] = FAR
    smallest, winner = xp.smallest(areas)
    labels = xp.zeros(count) + 1
    labels[smallest == FAR] = 0
    box_targets = sides[xp.rows(count), winner]
    ray_targets = xp.zeros(count, 36)
    positives = xp.nonzero(labels)
    for at in positives:
        x, y = places[at]
        ray_targets[at] = rays_from(xp, x, y, contours[int(winner[at])])
    return labels, box_targets, ray_targets, len(positives), sum(len(c) for c in contours)


def load_masks(folder):
    masks, boxes = [], []
    for i in range(7):
        mask = np.minimum(cv2.imread(f"{folder}/{i + 1}.png", cv2.IMREAD_UNCHANGED), 1)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        masks.append(np.ascontiguousarray(mask))
        boxes.append([columns[0], rows[0], columns[-1], rows[-1]])
    return masks, boxes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--azimuth", default="build/release/azimuth")
    parser.add_argument("--arrays", choices=["torch", "numpy"], default="torch")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    xp = torch_arrays() if options.arrays == "torch" else Numpy
    with tempfile.TemporaryDirectory() as folder:
        command = [options.azimuth, "bench", "labels", "--json", "--repeats", "1", "--masks", folder]
        own = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        masks, boxes = load_masks(folder)
    times = []
    end = time.perf_counter() + options.seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        _, _, rays, positives, points = label_picture(xp, masks, boxes)
        times.append((time.perf_counter() - start) * 1000)
    ray_sum = float(np.asarray(rays, dtype=np.float64).sum())
    if (positives, points) != (own["positives"], own["contour_points"]):
        sys.exit(f"other work: {positives} positives of {points} contour points, azimuth has {own}")
    if abs(ray_sum - own["ray_sum"]) > 1e-3 * own["ray_sum"]:
        sys.exit(f"other rays: their sum is {ray_sum}, azimuth's {own['ray_sum']}")
    print(json.dumps({"ms": statistics.median(times), "ms_min": min(times), "runs": len(times), "arrays": options.arrays,
                      "positives": positives, "contour_points": points, "ray_sum": ray_sum}))


if __name__ == "__main__":
    main()
