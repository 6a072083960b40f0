"""The networks, optimizers and batches of `vae bench` in PyTorch, from the same arguments."""

import argparse
import json

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from turns import add_sizes, shuffled_batches, take_turns

# In place where the gradient does not need what stood there before.
ACTIVATIONS = {
    "identity": nn.Identity,
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky-relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
# Columns of the table: numbers, and categories with so many levels each.
NUMBERS, CATEGORIES, LEVELS = 12, 8, 5


def numbers(text):
    return [int(number) for number in text.split(",")]


def arguments(description):
    """Arguments that have the names, meanings and defaults of those of `vae bench`, and some of PyTorch."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--arch", choices=["linear", "mlp", "conv", "resnet"], default="mlp")
    parser.add_argument("--channels", type=numbers, default=[32, 64])
    parser.add_argument("--upsample", choices=["transposed", "resize"], default="transposed")
    parser.add_argument("--activation", choices=ACTIVATIONS, default="relu")
    parser.add_argument("--norm", choices=["none", "batch", "layer"], default="none")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--likelihood", default="bernoulli")
    parser.add_argument("--optimizer", choices=["adam", "adamw", "sgd", "rmsprop"], default="adam")
    parser.add_argument("--dataset", help="an .npy file of images or counts, or the table")
    add_sizes(parser, hidden=numbers)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--channels-last", action="store_true", help="how images lie in memory")
    parser.add_argument("--count", action="store_true", help="print how many parameters there are")
    return parser


def start(parser):
    """Reads the arguments and the data: examples as rows, and the shape of an image or None."""
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    if args.hidden is None:
        args.hidden = {"linear": [], "mlp": [512, 256]}.get(args.arch, [256])
    args.shape = None
    if args.dataset is None:
        args.shape = [1, 28, 28]
        args.examples = (255 * torch.rand(max(9000, 2 * args.batch_size), 784)).round() / 255
    elif args.dataset.endswith(".npy"):
        values = torch.from_numpy(numpy.load(args.dataset))
        if values.dim() == 4:
            args.shape = [values.shape[3], *values.shape[1:3]]
            values = values.float() / 255
            values = values if args.channels_last else values.permute(0, 3, 1, 2)
        args.examples = values.flatten(1).contiguous()
    else:
        args.examples = table(9000)
    args.features = args.examples.shape[1]
    args.source = shuffled_batches(args.examples, args.batch_size, torch.randperm)
    return args


def table(count):
    cells = torch.randn(count, NUMBERS)
    cells[torch.rand(count, NUMBERS) < 0.05] = torch.nan
    levels = F.one_hot(torch.randint(LEVELS, (count, CATEGORIES)), LEVELS).float()
    levels[torch.rand(count, CATEGORIES) < 0.05] = torch.nan
    return torch.cat([cells, levels.flatten(1)], dim=1)


def finish(args, modules, step):
    """Takes turns, or prints how many numbers the modules have, without those that are not stored."""
    if not args.count:
        return take_turns(step, args.steps)
    stored = {id(p): p.numel() for module in modules for p in module.parameters()}
    stored |= {id(b): b.numel() for module in modules for b in module.buffers() if b.dim() > 0}
    print(json.dumps({"parameters": sum(stored.values())}))


def following(args, units, image):
    """What follows a layer."""
    if args.norm == "batch":
        yield nn.BatchNorm2d(units) if image else nn.BatchNorm1d(units)
    if args.norm == "layer":
        yield nn.GroupNorm(1, units) if image else nn.LayerNorm(units)
    yield ACTIVATIONS[args.activation]()
    if args.dropout:
        yield nn.Dropout(args.dropout)


def dense(args, inputs, hidden, outputs):
    layers = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), *following(args, width, image=False)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class Residual(nn.Module):
    def __init__(self, args, channels):
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, padding=1)
        norm = [layer for layer in following(args, channels, image=True)][: args.norm != "none"]
        first = nn.Conv2d(channels, channels, 3, padding=1)
        self.change = nn.Sequential(first, *following(args, channels, image=True), last, *norm)
        self.activation = ACTIVATIONS[args.activation]()

    def forward(self, x):
        return self.activation(x + self.change(x))


class Resize(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return F.interpolate(x, self.size, mode="nearest")


class Images(nn.Module):
    """Rows as images."""

    def __init__(self, args, shape):
        super().__init__()
        self.last, self.shape = args.channels_last, shape

    def forward(self, x):
        channels, height, width = self.shape
        if self.last:
            return x.view(-1, height, width, channels).permute(0, 3, 1, 2)
        return x.view(-1, channels, height, width)


class Rows(nn.Module):
    """Images as rows: those of `parts` parameters of a feature one after another."""

    def __init__(self, args, parts=1):
        super().__init__()
        self.last, self.parts = args.channels_last, parts

    def forward(self, x):
        if not self.last:
            return x.flatten(1)
        x = x.permute(0, 2, 3, 1)
        if self.parts > 1:
            x = x.unflatten(3, (self.parts, -1)).permute(0, 3, 1, 2, 4)
        return x.flatten(1)


class Cells(nn.Module):
    """An image as the cells of its places."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def sizes(args):
    """Heights and widths from that of an image to that of the last feature map."""
    found = [args.shape[1:]]
    for _ in args.channels:
        found.append([n // 2 for n in found[-1]])
    return found


def block(args, layer, channels):
    residual = [Residual(args, channels)] if args.arch == "resnet" else []
    return [layer, *following(args, channels, image=True), *residual]


def encoder(args, inputs, code, cell=None):
    """From `inputs` numbers to the code; `cell` of them for each place of the last map, if given. All layers but
    the last one give the features."""
    if args.arch in ("linear", "mlp"):
        return dense(args, inputs, args.hidden, code)
    previous, layers = args.shape[0], [Images(args, args.shape)]
    for width in args.channels:
        layers += block(args, nn.Conv2d(previous, width, 4, 2, 1), width)
        previous = width
    if cell:
        return nn.Sequential(*layers, nn.Conv2d(previous, cell, 3, padding=1), Cells())
    height, width = sizes(args)[-1]
    head = dense(args, previous * height * width, args.hidden, code)
    return nn.Sequential(nn.Sequential(*layers, Rows(args)), head)


def decoder(args, latent, features, parts=1, cell=None):
    """From the code to `parts` parameters of each feature."""
    if args.arch in ("linear", "mlp"):
        return dense(args, latent, args.hidden[::-1], features * parts)
    widths = [*args.channels[::-1], args.shape[0] * parts]
    fine = sizes(args)[::-1]
    height, width = fine[0]
    if cell:
        cells = argparse.Namespace(channels_last=True)
        layers = [Images(cells, [cell, height, width]), nn.Conv2d(cell, widths[0], 3, padding=1)]
        layers += [ACTIVATIONS[args.activation]()]
    else:
        flat = widths[0] * height * width
        layers = [dense(args, latent, args.hidden[::-1], flat), ACTIVATIONS[args.activation]()]
        layers += [Images(args, [widths[0], height, width])]
    for before, after, coarse, size in zip(widths, widths[1:], fine, fine[1:]):
        if args.upsample == "resize":
            layer = nn.Sequential(Resize(size), nn.Conv2d(before, after, 3, padding=1))
        else:
            more = [new - 2 * old for old, new in zip(coarse, size)]
            layer = nn.ConvTranspose2d(before, after, 4, 2, 1, output_padding=more)
        layers += block(args, layer, after) if size != fine[-1] else [layer]
    return nn.Sequential(*layers, Rows(args, parts))


def to_memory(args, *modules):
    """Lays the weights as the images lie."""
    if args.channels_last:
        for module in modules:
            module.to(memory_format=torch.channels_last)


def optimizer(args, *modules):
    """In the fastest form that PyTorch has for it."""
    parameters = list({id(p): p for module in modules for p in module.parameters()}.values())
    match args.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, lr=1e-3, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=1e-3, alpha=0.99, foreach=True)


def one_loss(args, loss_of, modules):
    """A step along the gradient of the mean of a loss."""
    to_memory(args, *modules)
    moves = optimizer(args, *modules)
    if args.compile:
        loss_of = torch.compile(loss_of)

    def step():
        moves.zero_grad(set_to_none=True)
        loss = loss_of(next(args.source))
        loss.backward()
        moves.step()
        return loss.item()

    return step


def sample(mean, log_variance):
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)


def normal_kl(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
