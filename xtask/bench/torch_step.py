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
parser.add_argument("--likelihood", default="bernoulli", help="as vae calls it; mlp only")
add_sizes(parser)
parser.add_argument("--work", choices=["train", "encode", "importance"], default="train")
parser.add_argument("--compile", action="store_true")
args = parser.parse_args()

if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(1)
shape = [int(n) for n in args.shape.split(",")]
features = shape[0] * shape[1] * shape[2]
kind = args.likelihood
COUNTS = ("poisson", "negative-binomial", "zero-inflated-negative-binomial", "multinomial")
# A table: numbers, and categories with so many levels each.
NUMBERS, CATEGORIES, LEVELS = 12, 8, 5
if kind == "per-column":
    features = NUMBERS + CATEGORIES * LEVELS
seen = features + (NUMBERS if kind == "per-column" else 0)
doubled = ("discretized-logistic", "zero-inflated-negative-binomial")
outputs = features * (2 if kind in doubled else 256 if kind == "categorical" else 1)


def view(x):
    """What the encoder sees."""
    if kind == "multinomial":
        return F.normalize(x, dim=1)
    if kind == "per-column":
        return torch.cat([torch.nan_to_num(x), x[:, :NUMBERS].isnan().float()], dim=1)
    return torch.log1p(x) if kind in COUNTS else x


def negative_binomial(x, log_mean, log_theta):
    theta = log_theta.exp()
    total = F.softplus(log_mean - log_theta)  # log(1 + mean / theta)
    chosen = torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
    return chosen + x * (log_mean - log_theta - total) - theta * total


def negative_log_likelihood(given, x):
    if kind == "bernoulli":
        return F.binary_cross_entropy_with_logits(given, x, reduction="none").sum(1)
    if kind == "poisson":
        return F.poisson_nll_loss(given, x, full=False, reduction="none").sum(1) + torch.lgamma(x + 1).sum(1)
    if kind == "negative-binomial":
        return -negative_binomial(x, given, model.spread).sum(1)
    if kind == "zero-inflated-negative-binomial":
        log_mean, logit = given.chunk(2, dim=1)
        drawn = F.logsigmoid(-logit) + negative_binomial(x, log_mean, model.spread)
        zero = torch.logaddexp(F.logsigmoid(logit), drawn)
        return -torch.where(x == 0, zero, drawn).sum(1)
    if kind == "multinomial":
        fixed = torch.lgamma(x.sum(1) + 1) - torch.lgamma(x + 1).sum(1)
        return -fixed - (x * F.log_softmax(given, dim=1)).sum(1)
    if kind == "categorical":
        return F.cross_entropy(given.unflatten(1, (256, -1)), (255 * x).round().long(), reduction="none").sum(1)
    if kind == "discretized-logistic":
        mean, log_scale = given.chunk(2, dim=1)
        width = torch.exp(-log_scale) / 255
        level = (255 * x).round()
        below, above = (level - 0.5 - 255 * mean) * width, (level + 0.5 - 255 * mean) * width
        inner = torch.log(-torch.expm1(-width)) - F.softplus(below) - F.softplus(-above)
        inner = torch.where(level == 0, -F.softplus(-above), inner)
        return -torch.where(level == 255, -F.softplus(below), inner).sum(1)
    missing = x.isnan()
    x = torch.nan_to_num(x)
    number = 0.5 * ((x[:, :NUMBERS] - given[:, :NUMBERS]) / model.spread.exp()) ** 2 + model.spread
    number = number + 0.5 * math.log(2 * math.pi)
    # All categories have as many levels here, so that one operation does for them.
    levels = F.log_softmax(given[:, NUMBERS:].unflatten(1, (CATEGORIES, LEVELS)), dim=2).flatten(1)
    return (number * ~missing[:, :NUMBERS]).sum(1) - (x[:, NUMBERS:] * levels).sum(1)


def examples(count):
    if kind == "per-column":
        numbers = torch.randn(count, NUMBERS)
        numbers[torch.rand(count, NUMBERS) < 0.05] = math.nan
        levels = F.one_hot(torch.randint(LEVELS, (count, CATEGORIES)), LEVELS).float()
        levels[torch.rand(count, CATEGORIES) < 0.05] = math.nan
        return torch.cat([numbers, levels.flatten(1)], dim=1)
    if kind in COUNTS:
        return torch.poisson(5 * torch.rand(count, features))
    pixels = torch.rand(count, features)
    return pixels if kind == "bernoulli" else (255 * pixels).round() / 255


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(seen, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 2 * args.latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(args.latent, args.hidden), nn.ReLU(), nn.Linear(args.hidden, outputs)
        )
        # Logarithms of standard deviations, or of dispersions.
        self.spread = nn.Parameter(torch.zeros(NUMBERS if kind == "per-column" else features))

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decode(z), mean, log_variance

    def encode(self, x):
        return self.encoder(view(x)).chunk(2, dim=1)

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
    given, mean, log_variance = model(x)
    nll = negative_log_likelihood(given, x)
    kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
    return (nll + kl).mean()


if args.compile:
    loss_of = torch.compile(loss_of)

images = examples(max(9000, 2 * args.batch) if features < 1000 else 4 * args.batch)
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
