"""A small writer of GGUF v3 files (docs/format/gguf.md), with the block
formats that `tiny` uses."""

import struct

import numpy as np

ALIGNMENT = 32
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10


def q8_0(x):
    """Blocks of 32: a half scale, 32 int8."""
    x = x.reshape(-1, 32)
    d = (np.abs(x).max(1, keepdims=True) / 127).astype(np.float16)
    q = np.round(x / np.where(d == 0, 1, d).astype(np.float32)).clip(-127, 127).astype(np.int8)
    return np.concatenate([d.view(np.uint8), q.view(np.uint8)], 1).tobytes()


def q5_0(x):
    """Blocks of 32: a half scale, 32 fifth bits, 16 bytes of low nibbles.
    Value i is d * (q[i] - 16); nibble i and i + 16 share a byte."""
    x = x.reshape(-1, 32)
    at = np.abs(x).argmax(1)
    extreme = x[np.arange(len(x)), at]
    d = (extreme / -16).astype(np.float16)
    scale = np.where(d == 0, 1, d).astype(np.float32)[:, None]
    q = np.floor(x / scale + 16.5).clip(0, 31).astype(np.uint32)
    high = ((q >> 4) << np.arange(32, dtype=np.uint32)).sum(1, dtype=np.uint64).astype(np.uint32)
    low = (q[:, :16] & 15 | (q[:, 16:] & 15) << 4).astype(np.uint8)
    return np.concatenate([d[:, None].view(np.uint8), high[:, None].view(np.uint8), low], 1).tobytes()


ENCODERS = {"F32": (0, lambda x: x.tobytes()), "Q5_0": (6, q5_0), "Q8_0": (8, q8_0)}


class Writer:
    def __init__(self):
        self.keys, self.tensors = [], []

    def add(self, key, kind, value):
        """kind is a value type, or (ARRAY, its elements' type)."""
        body = struct.pack("<I", ARRAY) + self.array(kind[1], value) if isinstance(kind, tuple) else struct.pack("<I", kind) + self.value(kind, value)
        self.keys.append(self.value(STRING, key) + body)

    def array(self, kind, values):
        return struct.pack("<IQ", kind, len(values)) + b"".join(self.value(kind, v) for v in values)

    def value(self, kind, v):
        if kind == STRING:
            raw = v.encode()
            return struct.pack("<Q", len(raw)) + raw
        return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?", U64: "<Q"}[kind], v)

    def tensor(self, name, x, kind):
        """x is a float32 array whose last axis is the contiguous one."""
        number, encode = ENCODERS[kind]
        x = np.ascontiguousarray(x, dtype=np.float32)
        self.tensors.append((name, x.shape[::-1], number, encode(x)))

    def write(self, path):
        infos, at = b"", 0
        for name, dims, kind, data in self.tensors:
            infos += self.value(STRING, name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
            infos += struct.pack("<IQ", kind, at)
            at += -(-len(data) // ALIGNMENT) * ALIGNMENT
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(self.tensors), len(self.keys)) + b"".join(self.keys) + infos
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as f:
            f.write(head + bytes(-len(head) % ALIGNMENT))
            for _, _, _, data in self.tensors:
                f.write(data + bytes(-len(data) % ALIGNMENT))
