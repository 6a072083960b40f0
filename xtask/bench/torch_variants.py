"""Times training steps of the variants with more than one network or more than one code in PyTorch, in
turns with other programs.

The protocol is that of turns.py. The models and the optimizer are those of `vae bench` with the same
arguments.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

from turns import shuffled_batches, take_turns

FEATURES, CLASSES = 784, 10

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--variant", choices=["iwae", "vaegan", "semi"], required=True)
parser.add_argument("--hidden", default="512", help="widths from the data inwards")
parser.add_argument("--activation", choices=["relu", "tanh", "leaky-relu"], default="relu")
parser.add_argument("--latent", type=int, default=20)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--samples", type=int, default=50, help="codes of an example, for iwae")
parser.add_argument("--labelled", type=int, default=0, help="labelled examples of a batch, for semi")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--threads", type=int, default=0)
parser.add_argument("--compile", action="store_true")
args = parser.parse_args()

if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(1)
hidden = [int(width) for width in args.hidden.split(",")]
activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "leaky-relu": nn.LeakyReLU}[args.activation]


def mlp(widths, last=activation):
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), last()]
    return nn.Sequential(*layers)


def head(widths):
    return mlp(widths)[:-1]


conditions = CLASSES if args.variant == "semi" else 0
encoder = head([FEATURES + conditions, *hidden, 2 * args.latent])
decoder = head([args.latent + conditions, *reversed(hidden), FEATURES])
images = torch.rand(9000, FEATURES)
source = shuffled_batches(images, args.batch, torch.randperm)


def encode(x):
    mean, log_variance = encoder(x).chunk(2, dim=1)
    return mean, log_variance


def sample(mean, log_variance, noise):
    return mean + torch.exp(0.5 * log_variance) * noise


def nll_of(logits, x):
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def kl_of(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)


def adam(*networks):
    parameters = [p for network in networks for p in network.parameters()]
    return torch.optim.Adam(parameters, lr=1e-3, fused=True)


def one_loss(loss_of, optimizer):
    """A step along the gradient of one loss."""
    if args.compile:
        loss_of = torch.compile(loss_of)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(next(source))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def iwae():
    """Burda 2016, eq. 8."""
    optimizer = adam(encoder, decoder)

    def loss_of(x):
        mean, log_variance = encode(x)
        noise = torch.randn(args.samples, *mean.shape)
        z = sample(mean, log_variance, noise)
        nll = nll_of(decoder(z), x.expand(args.samples, *x.shape))
        ratio = 0.5 * (noise**2 + log_variance - z**2).sum(2)
        return (math.log(args.samples) - torch.logsumexp(ratio - nll, 0)).mean()

    return one_loss(loss_of, optimizer)


def vaegan():
    """Larsen 2016, algorithm 1."""
    body = mlp([FEATURES, *hidden])
    last = nn.Linear(hidden[-1], 1)
    sides = [list(encoder.parameters()), list(decoder.parameters())]
    sides.append([*body.parameters(), *last.parameters()])
    optimizers = [torch.optim.Adam(side, lr=1e-3, fused=True) for side in sides]

    def losses_of(x):
        mean, log_variance = encode(x)
        z = sample(mean, log_variance, torch.randn_like(mean))
        fake, drawn = torch.sigmoid(decoder(z)), torch.sigmoid(decoder(torch.randn_like(z)))
        of_real, of_fake, of_drawn = body(x), body(fake), body(drawn)
        apart = F.layer_norm(of_real, hidden[-1:]) - F.layer_norm(of_fake, hidden[-1:])
        features = 0.5 * (apart**2 + math.log(2 * math.pi)).sum(1).mean()
        logits = last(of_fake), last(of_drawn)
        deceived = sum(F.softplus(-taken).mean() for taken in logits)
        caught = sum(F.softplus(taken).mean() for taken in logits)
        judged = F.softplus(-last(of_real)).mean() + 0.5 * caught
        return kl_of(mean, log_variance).mean() + features, features + deceived, judged

    if args.compile:
        losses_of = torch.compile(losses_of)

    def step():
        losses = losses_of(next(source))
        for side, loss in zip(sides, losses):
            gradients = torch.autograd.grad(loss, side, retain_graph=True)
            for parameter, gradient in zip(side, gradients):
                parameter.grad = gradient
        for optimizer in optimizers:
            optimizer.step()
        return [loss.item() for loss in losses]

    return step


def semi():
    """Kingma 2014, eq. 9, and a second classifier for the labelled examples alone."""
    classifier, baseline = (head([FEATURES, *hidden, CLASSES]) for _ in range(2))
    optimizer = adam(encoder, decoder, classifier, baseline)
    known, hot = args.labelled, torch.eye(CLASSES)
    labels = torch.randint(CLASSES, (known,))

    def loss_of(x):
        labelled, others = x[:known], x[known:]
        under_all = hot.repeat_interleave(len(others), 0)
        y = torch.cat([hot[labels], under_all])
        rows = torch.cat([labelled, others.repeat(CLASSES, 1)])
        mean, log_variance = encode(torch.cat([rows, y], 1))
        z = sample(mean, log_variance, torch.randn_like(mean))
        bound = nll_of(decoder(torch.cat([z, y], 1)), rows) + kl_of(mean, log_variance)
        bound = bound + math.log(CLASSES)
        logits = classifier(x)
        log_q = F.log_softmax(logits[known:], 1)
        under = bound[known:].view(CLASSES, -1).t()
        unlabelled = (log_q.exp() * (under + log_q)).sum(1)
        charged = F.cross_entropy(logits[:known], labels)
        alone = F.cross_entropy(baseline(labelled), labels)
        return torch.cat([bound[:known], unlabelled]).mean() + charged + alone

    return one_loss(loss_of, optimizer)


take_turns({"iwae": iwae, "vaegan": vaegan, "semi": semi}[args.variant](), args.steps)
