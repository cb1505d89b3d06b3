#!/usr/bin/env python3
"""PyTorch's time of adding two vectors of 16 floats, for `azimuth bench overhead`: one JSON object."""
import json
import statistics
import time

import torch

CALLS = 20000


def add_ns(a, b):
    times = []
    for _ in range(22):
        begin = time.perf_counter()
        for _ in range(CALLS):
            a + b
        times.append((time.perf_counter() - begin) / CALLS * 1e9)
    return statistics.median(times[1:])


a, b = torch.ones(16), torch.full((16,), 2.0)
with torch.no_grad():
    no_tape = add_ns(a, b)
print(json.dumps({"peer": "PyTorch " + torch.__version__, "no_tape_ns": no_tape, "tape_ns": add_ns(a.requires_grad_(), b)}))
