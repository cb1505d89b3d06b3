#!/usr/bin/env python3
"""COCO evaluation by Python packages: the peers of `azimuth bench coco-eval`.

    pip install pycocotools==2.0.11 faster-coco-eval==1.8.0 hotcoco==1.3.0 ultrafast-pycocotools==0.1.14
    bench/peers/coco_eval_peer.py [--azimuth build/release/azimuth] [--images 500] [--detections 100] [--threads 2]
    bench/peers/coco_eval_peer.py --files DIR --with hotcoco

The first makes the seeded set with `azimuth bench coco-eval`, times azimuth and every package that is installed in
turns, prints a table, and fails unless the twelve figures are the same doubles on all sides. The second times one
package on the files of DIR (`azimuth bench coco-eval --out DIR` leaves them) and prints one JSON object with the median
"ms", for bench/run.
Timed on every side: reading the result file, matching, curves and figures. Reading the annotations is left out.
"""
import argparse
import contextlib
import importlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PACKAGES = {"pycocotools": ("pycocotools.coco", "pycocotools.cocoeval", "COCOeval", "loadRes"),
            "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval", "COCOeval_faster", "loadRes"),
            "hotcoco": ("hotcoco", "hotcoco", "COCOeval", "load_res"),
            "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools", "COCOeval", "loadRes")}


def time_package(name, folder, kind, runs):
    """Medians of the runs: the figures, and the ms of reading and of evaluating."""
    data_module, eval_module, evaluator, load = PACKAGES[name]
    data, evaluation = importlib.import_module(data_module), importlib.import_module(eval_module)
    read_ms, evaluate_ms = [], []
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(runs):
            truth = data.COCO(f"{folder}/annotations.json")
            start = time.perf_counter()
            scored = getattr(evaluation, evaluator)(truth, getattr(truth, load)(f"{folder}/results.json"), kind)
            read = time.perf_counter()
            scored.evaluate()
            scored.accumulate()
            scored.summarize()
            end = time.perf_counter()
            read_ms.append((read - start) * 1000)
            evaluate_ms.append((end - read) * 1000)
    totals = [a + b for a, b in zip(read_ms, evaluate_ms)]
    return {"ms": statistics.median(totals), "read_ms": statistics.median(read_ms),
            "evaluate_ms": statistics.median(evaluate_ms), "stats": [float(v) for v in scored.stats]}


def output_of(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), RAYON_NUM_THREADS=str(threads))
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(options, folder):
    ours = [options.azimuth, "bench", "coco-eval", "--json", "--type", options.type, "--threads", options.threads]
    output_of(ours + ["--out", folder, "--images", options.images, "--detections", options.detections, "--runs", 1], 1)
    sides = {"azimuth": ours + ["--from", folder, "--runs", options.runs]}
    for name in PACKAGES:
        sides[name] = [sys.executable, __file__, "--files", folder, "--with", name, "--type", options.type, "--runs",
                       1 if name in ("pycocotools", "faster-coco-eval") else options.runs]
    results = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, command in sides.items():
            try:
                results[name].append(output_of(command, options.threads))
            except RuntimeError as error:
                print(f"{name}: left out, {error}", file=sys.stderr)
    middle = lambda name, key: statistics.median(r[key] for r in results[name])
    print(f"{'':22} {'read ms':>10} {'evaluate ms':>12} {'total ms':>10} {'azimuth is':>11}")
    for name in [n for n in sides if results[n]]:
        print(f"{name:22} {middle(name, 'read_ms'):10.1f} {middle(name, 'evaluate_ms'):12.1f} {middle(name, 'ms'):10.1f} "
              f"{middle(name, 'ms') / middle('azimuth', 'ms'):10.1f}x")
    own = results["azimuth"][0]["stats"]
    for name in results:
        for result in results[name]:
            if result["stats"] != own:
                sys.exit(f"{name} has other figures: {result['stats']}, azimuth {own}")
    print(f"AP {own[0]:.4f}: the twelve figures are the same doubles on all sides")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--azimuth", default="build/release/azimuth")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--type", choices=["bbox", "segm"], default="segm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="evaluations a process")
    parser.add_argument("--rounds", type=int, default=1, help="turns of all sides")
    parser.add_argument("--files", help="a folder with annotations.json and results.json")
    parser.add_argument("--with", dest="package", choices=PACKAGES, help="time this package on --files")
    options = parser.parse_args()
    if options.package:
        print(json.dumps(time_package(options.package, options.files, options.type, options.runs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(options, folder)


if __name__ == "__main__":
    main()
