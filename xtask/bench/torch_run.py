"""Trains the basic VAE on MNIST in PyTorch, from the files to pictures: a whole program to compare
`vae --dataset mnist` with. Prints the negative ELBO of the test images in nats, as the last line.

The work of each epoch is the same: 60,000 training images in shuffled batches of 128, then the
negative ELBO of the 10,000 test images. The pictures are 64 samples and 16 reconstructions.
"""

import argparse
import gzip
import json
import struct
import zlib
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--mnist", type=Path, required=True, help="folder of the four .gz files")
parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--hidden", type=int, default=400)
parser.add_argument("--latent", type=int, default=20)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--threads", type=int, default=0)
args = parser.parse_args()

if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(1)


def images(name):
    data = gzip.open(args.mnist / name).read()
    pixels = torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8)
    return pixels.view(-1, 784).float() / 255


train, test = images("train-images-idx3-ubyte.gz"), images("t10k-images-idx3-ubyte.gz")
encoder = nn.Sequential(
    nn.Linear(784, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 2 * args.latent)
)
decoder = nn.Sequential(nn.Linear(args.latent, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 784))
parameters = [*encoder.parameters(), *decoder.parameters()]
optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)


def loss_of(x):
    mean, log_variance = encoder(x).chunk(2, dim=1)
    z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    nll = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none").sum(1)
    kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
    return (nll + kl).mean()


def png(path, rows):
    """Writes rows of images of 28 x 28 pixels."""
    pixels = (torch.cat([torch.cat(list(row.view(-1, 28, 28)), 1) for row in rows]) * 255).byte()
    height, width = pixels.shape
    lines = b"".join(b"\0" + bytes(line.tolist()) for line in pixels)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


for epoch in range(args.epochs):
    order = torch.randperm(len(train))
    for start in range(0, len(train), args.batch):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(train[order[start : start + args.batch]])
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        losses = [loss_of(x) * len(x) for x in test.split(512)]
        print(f"epoch {epoch + 1}: {sum(losses).item() / len(test):.3f}", flush=True)

with torch.inference_mode():
    args.out.mkdir(parents=True, exist_ok=True)
    png(args.out / "samples.png", decoder(torch.randn(64, args.latent)).sigmoid().view(8, 8, 784))
    shown = test[:16]
    mean = encoder(shown).chunk(2, dim=1)[0]
    png(args.out / "reconstructions.png", [shown, decoder(mean).sigmoid()])
print(json.dumps({"test_loss": sum(losses).item() / len(test)}))
