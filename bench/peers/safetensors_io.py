"""The safetensors files of Azimuth's tools, as numpy arrays: f32 out; f32, i32 and i64 in."""
import json
import pathlib
import struct

import numpy as np

TYPES = {"F32": np.float32, "I32": np.int32, "I64": np.int64}


def write_safetensors(file, tensors):
    header, blobs, at = {}, [], 0
    for name, value in tensors.items():
        blob = np.asarray(value, np.float32).tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(file).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def read_safetensors(file):
    data = pathlib.Path(file).read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:begin]).items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[begin + first:begin + end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors
