"""Keeps the sharpest images of each identity of a face set. An example of a program of your own as a stage
(experiments/external.yaml); needs nothing but Python's standard library.

    python3 keep_sharpest.py --data SET --out SET --keep N

SET is a folder as cemiflow's type `images` has it: set.json, shard-*.npy (uint8 [n, height, width, 3], RGB), labels.npy
(int32 [count]). Sharpness is the mean |Laplacian| of the green channel, near enough to what the stage `quality` measures.
"""

import argparse
import array
import ast
import json
import pathlib
import struct
import sys


def read_npy(path):
    """Shape and raw bytes of an .npy file (format 1.0, little-endian, C order)."""
    raw = path.read_bytes()
    if raw[:6] != b"\x93NUMPY":
        sys.exit(f"{path}: not an .npy file")
    (length,) = struct.unpack("<H", raw[8:10])
    header = ast.literal_eval(raw[10 : 10 + length].decode())
    return header["shape"], header["descr"], memoryview(raw)[10 + length :]


def write_npy(path, shape, descr, data):
    header = repr({"descr": descr, "fortran_order": False, "shape": tuple(shape)})
    # The data begins at a multiple of 64 bytes.
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(data))


def sharpness(image, height, width):
    """Mean |4 p - up - down - left - right| over the inner pixels of the green channel, in grey levels."""
    green = image[1::3]
    total = 0
    for y in range(1, height - 1):
        row = y * width
        for at in range(row + 1, row + width - 1):
            total += abs(4 * green[at] - green[at - width] - green[at + width] - green[at - 1] - green[at + 1])
    return total / ((height - 2) * (width - 2))


def main():
    parser = argparse.ArgumentParser(description="Keeps the sharpest images of each identity.")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--keep", type=int, required=True, help="images of each identity")
    options = parser.parse_args()
    if options.keep < 1:
        sys.exit(f"--keep must be at least 1, not {options.keep}")

    info = json.loads((options.data / "set.json").read_text())
    height, width = info["height"], info["width"]
    size = height * width * 3
    _, _, raw = read_npy(options.data / "labels.npy")
    labels = array.array("i", raw.tobytes())

    pixels = b"".join(read_npy(options.data / shard["file"])[2] for shard in info["shards"])
    image = lambda i: pixels[i * size : (i + 1) * size]
    scores = [sharpness(image(i), height, width) for i in range(len(labels))]

    of_identity = {}
    for i, label in enumerate(labels):
        of_identity.setdefault(label, []).append(i)
    kept = sorted(
        i
        for members in of_identity.values()
        for i in sorted(members, key=lambda i: (-scores[i], i))[: options.keep]
    )

    write_npy(options.out / "shard-00000.npy", (len(kept), height, width, 3), "|u1", b"".join(map(image, kept)))
    write_npy(options.out / "labels.npy", (len(kept),), "<i4", array.array("i", (labels[i] for i in kept)).tobytes())
    # The card of every evaluation behind this set says what was taken away.
    provenance = info["provenance"]
    provenance["delivered"]["images"] = len(kept)
    provenance["losses"] = {**provenance.get("losses", {}), "not among the sharpest": len(labels) - len(kept)}
    info.update(count=len(kept), shards=[{"file": "shard-00000.npy", "count": len(kept)}])
    (options.out / "set.json").write_text(json.dumps(info, indent=2) + "\n")

    # Lines of this form are metrics of the run.
    print("metric images/kept", len(kept))
    print("metric sharpness/all", sum(scores) / len(scores))
    print("metric sharpness/kept", sum(scores[i] for i in kept) / len(kept))


main()
