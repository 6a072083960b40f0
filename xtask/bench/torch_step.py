"""Times training steps of a VAE in PyTorch, or its use, in turns with other programs.

The protocol is that of turns.py. The model, the initialisation and the
optimizer are those of `vae bench` with the same arguments.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

from turns import add_sizes, shuffled_batches, take_turns

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--arch", choices=["mlp", "conv"], default="mlp")
parser.add_argument("--shape", default="1,28,28", help="channels, height, width")
parser.add_argument("--channels", default="32,64")
add_sizes(parser)
parser.add_argument("--work", choices=["train", "encode", "importance"], default="train")
parser.add_argument("--compile", action="store_true")
args = parser.parse_args()

if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(1)
shape = [int(n) for n in args.shape.split(",")]
features = shape[0] * shape[1] * shape[2]


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(features, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 2 * args.latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(args.latent, args.hidden), nn.ReLU(), nn.Linear(args.hidden, features)
        )

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decode(z), mean, log_variance

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=1)

    def decode(self, z):
        return self.decoder(z)


class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        channels = [int(n) for n in args.channels.split(",")]
        down, previous, size = [], shape[0], shape[1]
        for width in channels:
            down += [nn.Conv2d(previous, width, 4, 2, 1), nn.ReLU()]
            previous, size = width, size // 2
        self.first = [previous, size, size]
        flat = previous * size * size
        self.encoder = nn.Sequential(
            *down, nn.Flatten(), nn.Linear(flat, args.hidden), nn.ReLU(),
            nn.Linear(args.hidden, 2 * args.latent),
        )
        self.dense = nn.Sequential(
            nn.Linear(args.latent, args.hidden), nn.ReLU(), nn.Linear(args.hidden, flat), nn.ReLU()
        )
        up = []
        for width in reversed([shape[0]] + channels[:-1]):
            up += [nn.ConvTranspose2d(previous, width, 4, 2, 1), nn.ReLU()]
            previous = width
        self.up = nn.Sequential(*up[:-1])

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decode(z), mean, log_variance

    def encode(self, x):
        return self.encoder(x.view(-1, *shape)).chunk(2, dim=1)

    def decode(self, z):
        return self.up(self.dense(z).view(-1, *self.first)).flatten(1)


model = Mlp() if args.arch == "mlp" else Conv()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def loss_of(x):
    logits, mean, log_variance = model(x)
    nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
    return (nll + kl).mean()


if args.compile:
    loss_of = torch.compile(loss_of)

images = torch.rand(max(9000, 2 * args.batch) if features < 1000 else 4 * args.batch, features)
source = shuffled_batches(images, args.batch, torch.randperm)


def train():
    x = next(source)
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(x)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.inference_mode()
def encode():
    return model.encode(next(source))[0].numpy()


SAMPLES = 50
# Codes decoded at a time, as in `vae bench --work importance`.
ROWS = 2048


@torch.inference_mode()
def importance():
    """-log p(x) by importance sampling (Burda 2016, eq. 8)."""
    x = next(source)
    mean, log_variance = model.encode(x)
    at_once = max(1, ROWS // len(x))
    log_weights = []
    for count in [at_once] * (SAMPLES // at_once) + [SAMPLES % at_once]:
        noise = torch.randn(count, *mean.shape)
        z = mean + torch.exp(0.5 * log_variance) * noise
        logits = model.decode(z.flatten(0, 1)).view(count, *x.shape)
        nll = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        prior = 0.5 * (noise**2 + log_variance - z**2).sum(2)
        log_weights.append(prior - nll.sum(2))
    return -(torch.logsumexp(torch.cat(log_weights), 0) - math.log(SAMPLES)).numpy()


take_turns({"train": train, "encode": encode, "importance": importance}[args.work], args.steps)
