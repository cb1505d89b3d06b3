#!/usr/bin/env python3
"""Start to first result: a Python process that imports PyTorch, builds PolarMask and runs it once, against
`azimuth predict` on one photograph, both as whole processes in turns.

    OMP_NUM_THREADS=2 bench/peers/startup_peer.py --peers ../shared/peers --python python3 \\
        --config configs/polarmask/r50_400.toml --weights W --image PHOTO

The peer builds torch_peer.py's network with PyTorch's own initial values (it reads no weights, decodes no picture and
does no post-processing) and runs it on --size. Prints one JSON line with the medians of --rounds.
"""
import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from torch_peer import PolarMask
height, width = map(int, sys.argv[2].split("x"))
net = PolarMask(50).eval()
with torch.inference_mode():
    out = net(torch.rand(1, 3, height, width))
print(len(out))
"""


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--peers", required=True, help="folder of torch_peer.py")
    a.add_argument("--python", default=sys.executable, help="a Python with PyTorch and torchvision")
    a.add_argument("--azimuth", default="build/release/azimuth")
    a.add_argument("--config", default="configs/polarmask/r50_400.toml")
    a.add_argument("--weights", required=True)
    a.add_argument("--image", required=True)
    a.add_argument("--size", default="416x672", help="the peer's input: the photograph's size as the network sees it")
    a.add_argument("--rounds", type=int, default=7)
    o = a.parse_args()
    times = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        commands = {
            "ours": [o.azimuth, "predict", o.config, o.image, "--weights", o.weights, "--device", "cpu", "--out", folder],
            "peer": [o.python, str(script), o.peers, o.size],
        }
        for turn in range(o.rounds + 1):  # the first one warms the page cache
            for side, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                if turn:
                    times[side].append((time.perf_counter() - begin) * 1000)
    medians = {side: statistics.median(values) for side, values in times.items()}
    print(json.dumps({"ms": round(medians["ours"], 1), "peer_ms": round(medians["peer"], 1),
                      "ratio": round(medians["peer"] / medians["ours"], 2), "rounds": o.rounds,
                      "ms_all": [round(t, 1) for t in times["ours"]], "peer_ms_all": [round(t, 1) for t in times["peer"]]}))


if __name__ == "__main__":
    main()
