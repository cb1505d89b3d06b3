#!/usr/bin/env python3
"""COCO evaluation side by side with pycocotools, on one made-up set (500 pictures x 100 detections by default).

    pip install pycocotools==2.0.11       (in an environment of your own)
    bench/coco_eval_peer.py [--azimuth build/release/azimuth] [--images 500] [--detections 100] [--type segm]

`azimuth bench coco-eval` makes the seeded set, writes it and times itself; this then times pycocotools on the same
files: reading the results, matching, curves and figures (reading the annotations is left out on both sides). It fails
unless the twelve figures are the same doubles.
"""
import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
import time

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def pycocotools_run(folder, kind):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(f"{folder}/annotations.json")
        start = time.perf_counter()
        evaluation = COCOeval(truth, truth.loadRes(f"{folder}/results.json"), kind)
        read = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        end = time.perf_counter()
    return [float(v) for v in evaluation.stats], (read - start) * 1000, (end - read) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--azimuth", default="build/release/azimuth")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--type", choices=["bbox", "segm"], default="segm")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [options.azimuth, "bench", "coco-eval", "--json", "--out", folder, "--images", str(options.images),
                   "--detections", str(options.detections), "--type", options.type, "--threads", str(options.threads)]
        own = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        stats, read_ms, evaluate_ms = pycocotools_run(folder, options.type)
    total_ms = read_ms + evaluate_ms
    print(f"{'':12} {'read ms':>10} {'evaluate ms':>12} {'total ms':>10}")
    print(f"{'pycocotools':12} {read_ms:10.1f} {evaluate_ms:12.1f} {total_ms:10.1f}")
    print(f"{'azimuth':12} {own['read_ms']:10.1f} {own['evaluate_ms']:12.1f} {own['total_ms']:10.1f}")
    print(f"speed-up     {total_ms / own['total_ms']:.1f} x, AP {stats[0]:.4f}")
    if stats != own["stats"]:
        sys.exit(f"the figures differ: {stats} and {own['stats']}")


if __name__ == "__main__":
    main()
