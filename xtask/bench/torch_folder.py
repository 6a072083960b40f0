"""Reads a folder of JPEGs with a DataLoader of PyTorch and trains the photographs' VAE on them, to compare
`vae --dataset FOLDER --image-size 64` with: seconds from the start of the program to the first batch and to the
end of the first step, and examples a second of each epoch.
"""

import time

STARTED = time.perf_counter()

import argparse
import json
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from torch_likelihoods import Likelihood
from torch_nets import ACTIVATIONS, decoder, encoder, normal_kl, numbers, one_loss, sample

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--image-size", type=int, default=64)
parser.add_argument("--channels", type=numbers, default=[32, 64, 128, 256, 512])
parser.add_argument("--hidden", type=numbers, default=[256])
parser.add_argument("--latent", type=int, default=128)
parser.add_argument("--norm", choices=["none", "batch"], default="batch")
parser.add_argument("--activation", choices=ACTIVATIONS, default="leaky-relu")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--limit", type=int, help="images that are read")
parser.add_argument("--no-step", action="store_true", help="read only")
parser.add_argument("--draft", action="store_true", help="let the JPEG decoder halve the size, which is coarser")
args = parser.parse_args()


class Folder(Dataset):
    def __init__(self):
        self.paths = sorted(args.folder.rglob("*.jpg"))[: args.limit]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        size = (args.image_size, args.image_size)
        with Image.open(self.paths[place]) as image:
            if args.draft:
                image.draft("RGB", size)
            pixels = numpy.array(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        return torch.from_numpy(pixels)


def batches(loader):
    """Batches as rows between 0 and 1."""
    for pixels in loader:
        yield (pixels.float() / 255).flatten(1)


def model():
    """A step of the photographs' VAE on the next of `args.source`."""
    made = {"arch": "conv", "shape": [3, args.image_size, args.image_size], "upsample": "transposed"}
    made |= {"dropout": 0.0, "likelihood": "bernoulli", "optimizer": "adam", "channels_last": True}
    args.__dict__.update(made, compile=False, features=3 * args.image_size**2)
    likelihood = Likelihood(args)
    encode = encoder(args, args.features, 2 * args.latent)
    decode = decoder(args, args.latent, args.features)

    def loss_of(x):
        mean, log_variance = encode(x).chunk(2, dim=1)
        nll = likelihood.nll(decode(sample(mean, log_variance)), x)
        return (nll + normal_kl(mean, log_variance)).mean()

    return one_loss(args, loss_of, [likelihood, encode, decode])


def main():
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    images = Folder()
    loader = DataLoader(
        images, args.batch_size, shuffle=True, drop_last=True, num_workers=args.workers,
        persistent_workers=args.workers > 0,
    )
    step = None if args.no_step else model()
    found = {"images": len(images)}
    for epoch in range(args.epochs):
        began, seen = time.perf_counter(), 0
        for x in batches(loader):
            found.setdefault("first_batch_s", time.perf_counter() - STARTED)
            if step:
                args.source = iter([x])
                step()
                found.setdefault("first_step_s", time.perf_counter() - STARTED)
            seen += len(x)
        found[f"epoch_{epoch + 1}_per_s"] = seen / (time.perf_counter() - began)
    print(json.dumps(found))


main()
