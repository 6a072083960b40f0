"""Writes the codes of the 60,000 training images of MNIST with PyTorch, from the files of images to an array on disk: a
whole program to compare `vae encode` with. The weights are random, which takes as long as any.
"""

import argparse
import gzip
from pathlib import Path

import numpy
import torch
from torch import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--mnist", type=Path, required=True, help="folder of the four .gz files")
parser.add_argument("--out", type=Path, required=True, help="the array")
parser.add_argument("--hidden", type=int, default=400)
parser.add_argument("--latent", type=int, default=20)
parser.add_argument("--batch", type=int, default=512)
parser.add_argument("--threads", type=int, default=0)
args = parser.parse_args()

if args.threads:
    torch.set_num_threads(args.threads)

data = gzip.open(args.mnist / "train-images-idx3-ubyte.gz").read()
pixels = torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8).view(-1, 784)
encoder = nn.Sequential(
    nn.Linear(784, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 2 * args.latent)
)
with torch.inference_mode():
    batches = pixels.split(args.batch)
    codes = [encoder(x.float() / 255).chunk(2, dim=1)[0] for x in batches]
    numpy.save(args.out, torch.cat(codes).numpy())
