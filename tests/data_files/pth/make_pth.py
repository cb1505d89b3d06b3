"""Makes tests/data_files/pth/*: small checkpoints by real PyTorch. Run: python make_pth.py DIR SUFFIX"""
import argparse, collections, datetime, os, pickle, sys
import torch
out, suffix = sys.argv[1], sys.argv[2]

def values():
    r = lambda *s: (torch.arange(torch.Size(s).numel(), dtype=torch.float32).reshape(s) * 0.5 - 3)
    base = r(24)
    d = collections.OrderedDict()
    d["conv.weight"] = r(4, 2, 3, 3)
    d["channels_last"] = r(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    d["transposed"] = r(3, 5).t()
    d["tail"] = base[20:]
    d["stepped"] = base[1:20:3]
    d["grid"] = base.reshape(4, 6)
    d["half"] = r(3).half()
    d["bfloat"] = r(5).bfloat16()
    d["double"] = r(2, 2).double()
    d["long"] = torch.tensor(7)
    d["int"] = torch.tensor([-5, 6], dtype=torch.int32)
    d["short"] = torch.tensor([-300, 300], dtype=torch.int16)
    d["char"] = torch.tensor([-128, 127], dtype=torch.int8)
    d["byte"] = torch.tensor([0, 255], dtype=torch.uint8)
    d["bool"] = torch.tensor([True, False, True])
    d["empty"] = torch.zeros(0, 3)
    d["scalar"] = torch.tensor(2.5)
    d["expanded"] = torch.tensor([4.0]).expand(2, 3)
    d["parameter"] = torch.nn.Parameter(r(2, 2))
    return d

class Odd:
    def __init__(self): self.a = [1, (2, 3)]; self.me = self

def checkpoint():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 2, 4, 4)).sum().backward(); sgd.step()
    with torch.no_grad():
        for i, p in enumerate(net.state_dict().values()): p.copy_(torch.arange(p.numel()).reshape(p.shape) + i)
    state = net.state_dict()
    wrapped = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    wrapped._metadata = state._metadata
    meta = dict(epoch=12, iter=87960, config="model = dict(type='PolarMask')\n" * 3, CLASSES=("person", "bicycle"),
                time=datetime.datetime(2020, 1, 2), args=argparse.Namespace(lr=0.01), odd=Odd(), big=2**80, ratio=0.25,
                flags={True, False}, size=torch.Size([2, 3]), dtype=torch.float16, device=torch.device("cpu"),
                by=collections.defaultdict(list, a=[1]), none=None, raw=b"\x00\xff", numpy=None)
    try:
        import numpy as np
        meta["numpy"] = [np.float64(0.5), np.arange(3)]
    except ImportError: pass
    return dict(meta=meta, state_dict=wrapped, optimizer=sgd.state_dict())

class Evil:
    def __reduce__(self): return (os.system, ("touch /tmp/az_pwned",))

p = lambda n: os.path.join(out, f"{n}_{suffix}.pth")
torch.save(values(), p("values_zip"))
torch.save(values(), p("values_legacy"), _use_new_zipfile_serialization=False)
torch.save(checkpoint(), p("checkpoint_zip"))
torch.save(checkpoint(), p("checkpoint_legacy"), _use_new_zipfile_serialization=False)
if suffix.startswith("2"):
    torch.save(values(), p("values_zip_protocol4"), pickle_protocol=4)
    torch.save(torch.nn.Linear(2, 2), p("module_zip"))
    torch.save({"state_dict": {"a": torch.ones(2)}, "meta": Evil()}, p("malicious_zip"))
    torch.save([1, 2], p("no_tensors_zip"))
    torch.save({"w": torch.ones(2, dtype=torch.complex64)}, p("complex_zip"))
