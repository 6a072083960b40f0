"""Writes a folder of JPEGs for torch_folder.py and `vae --dataset FOLDER`: seeded noise of several sizes of
grain, which is compressed about as well as photographs are.
"""

import argparse
from pathlib import Path

import numpy
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--count", type=int, default=20_000)
parser.add_argument("--size", default="178,218", help="width, height")
parser.add_argument("--quality", type=int, default=85)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

size = tuple(int(n) for n in args.size.split(","))
random = numpy.random.default_rng(args.seed)
# Pixels across a grain, and how far the grains of that size are apart in brightness.
GRAINS = [(64, 60.0), (24, 30.0), (8, 14.0), (3, 10.0)]


def picture():
    pixels = numpy.full((size[1], size[0], 3), 128.0, numpy.float32)
    for grain, strength in GRAINS:
        cells = [n // grain + 2 for n in size]
        # Colours differ less than brightness does.
        bright = random.normal(size=(cells[1], cells[0], 1))
        noise = strength * (bright + 0.3 * random.normal(size=(cells[1], cells[0], 3)))
        for channel in range(3):
            plane = Image.fromarray(noise[:, :, channel].astype(numpy.float32))
            pixels[:, :, channel] += numpy.asarray(plane.resize(size, Image.Resampling.BICUBIC))
    return Image.fromarray(pixels.clip(0, 255).astype(numpy.uint8))


args.folder.mkdir(parents=True, exist_ok=True)
for number in range(args.count):
    picture().save(args.folder / f"{number:06}.jpg", quality=args.quality)
