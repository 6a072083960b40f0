"""Times training steps of the variants in PyTorch, in turns with other programs.

The protocol is that of turns.py. The arguments, the models and the optimizer are those of `vae bench`.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_codebook import Codebook
from torch_jacobian import jacobian_by_hand
from torch_likelihoods import Likelihood
from torch_nets import (
    arguments, decoder, dense, encoder, finish, normal_kl, one_loss, optimizer, sample, sizes, start, to_memory,
)

CLASSES = 10

parser = arguments(__doc__)
parser.add_argument("--variant", required=True)
parser.add_argument("--samples", type=int, default=50, help="codes of an example, for iwae")
parser.add_argument("--labels", type=int, help="labelled examples, for semi; default: all")
parser.add_argument("--sparsity", choices=["kl", "l1", "top-k"], default="kl")
parser.add_argument("--noise", choices=["masking", "gaussian"], default="masking")
parser.add_argument("--by", choices=["gram", "rows", "func"], default="gram", help="Jacobians of contractive")
args = start(parser)
latent, features = args.latent, args.features
likelihood = Likelihood(args)


def networks(code, condition=0):
    made = encoder(args, likelihood.seen + condition, code)
    return made, decoder(args, latent + condition, features, likelihood.parts)


def together(loss_of, *modules):
    modules = [likelihood, *modules]
    return one_loss(args, loss_of, modules), modules


def plain():
    """`ae`, and with a corrupted input `dae` (Vincent 2008)."""
    encode, decode = networks(latent)

    def loss_of(x):
        seen = x
        if args.variant == "dae" and args.noise == "masking":
            seen = x * (torch.rand_like(x) >= 0.3)
        elif args.variant == "dae":
            seen = x + 0.3 * torch.randn_like(x)
        return likelihood.nll(decode(encode(likelihood.view(seen))), x).mean()

    return together(loss_of, encode, decode)


def vae():
    """`vae`, `beta` (Higgins 2017) and, with the class beside image and code, `cvae` (Sohn 2015)."""
    condition = CLASSES if args.variant == "cvae" else 0
    beta = 4.0 if args.variant == "beta" else 1.0
    encode, decode = networks(2 * latent, condition)
    hot = F.one_hot(torch.randint(CLASSES, (args.batch_size,)), CLASSES).float()

    def loss_of(x):
        given = (lambda rows: torch.cat([rows, hot], 1)) if condition else (lambda rows: rows)
        mean, log_variance = encode(given(likelihood.view(x))).chunk(2, dim=1)
        nll = likelihood.nll(decode(given(sample(mean, log_variance))), x)
        return (nll + beta * normal_kl(mean, log_variance)).mean()

    return together(loss_of, encode, decode)


def sparse():
    """Ng 2011; Makhzani & Frey 2013, algorithm 1."""
    encode, decode = networks(latent)
    rho, k = 0.1, 5

    def loss_of(x):
        code, penalty = encode(likelihood.view(x)), 0.0
        if args.sparsity == "kl":
            code = torch.sigmoid(code)
            mean = code.mean(0).clamp(1e-6, 1 - 1e-6)
            cross = -rho * torch.log(mean) - (1 - rho) * torch.log(1 - mean)
            penalty = (cross + rho * math.log(rho) + (1 - rho) * math.log(1 - rho)).sum()
        elif args.sparsity == "l1":
            code = torch.relu(code)
            penalty = code.sum(1).mean()
        else:
            least = code.detach().topk(k, dim=1).values[:, -1:]
            code = code * (code >= least)
        return likelihood.nll(decode(code), x).mean() + penalty

    return together(loss_of, encode, decode)


def contractive():
    encode, decode = networks(latent)

    def by_func(x):
        def twice(row):
            code = encode(row)
            return code, code

        jacobian, code = torch.func.vmap(torch.func.jacrev(twice, has_aux=True))(x)
        return code, jacobian.square().flatten(1).sum(1)

    def loss_of(x):
        seen = likelihood.view(x)
        code, norm = by_func(seen) if args.by == "func" else jacobian_by_hand(args, encode, seen)
        return (likelihood.nll(decode(code), x) + 0.1 * norm).mean()

    return together(loss_of, encode, decode)


def iwae():
    """Burda 2016, eq. 8."""
    encode, decode = networks(2 * latent)

    def loss_of(x):
        mean, log_variance = encode(likelihood.view(x)).chunk(2, dim=1)
        noise = torch.randn(args.samples, *mean.shape)
        z = mean + torch.exp(0.5 * log_variance) * noise
        rows = x.expand(args.samples, *x.shape).flatten(0, 1)
        nll = likelihood.nll(decode(z.flatten(0, 1)), rows).view(args.samples, -1)
        ratio = 0.5 * (noise**2 + log_variance - z**2).sum(2)
        return (math.log(args.samples) - torch.logsumexp(ratio - nll, 0)).mean()

    return together(loss_of, encode, decode)


def vaegan():
    """Larsen 2016, algorithm 1."""
    encode, decode = networks(2 * latent)
    leaky = {"activation": "leaky-relu", "norm": {"batch": "none"}.get(args.norm, args.norm)}
    leaky |= {"arch": {"resnet": "conv"}.get(args.arch, args.arch)}
    judge = encoder(argparse.Namespace(**{**vars(args), **leaky}), likelihood.seen, 1)
    # The features are the last map of convolutions, or the last hidden layer.
    is_dense = args.arch in ("linear", "mlp")
    body, last = (judge[:-1], judge[-1]) if is_dense else (judge[0], judge[1])
    players = [nn.ModuleList([encode]), nn.ModuleList([decode, likelihood]), judge]
    to_memory(args, *players)
    optimizers = [optimizer(args, player) for player in players]
    sides = [list(player.parameters()) for player in players]

    def losses_of(x):
        mean, log_variance = encode(likelihood.view(x)).chunk(2, dim=1)
        z = sample(mean, log_variance)
        fakes = likelihood.mean(decode(torch.cat([z, torch.randn_like(z)])))
        found = body(torch.cat([x, fakes]))
        real, fake = found[: len(x)], found[len(x) : 2 * len(x)]
        width = found.shape[1:]
        apart = F.layer_norm(real.detach(), width) - F.layer_norm(fake, width)
        nll = 0.5 * (apart**2 + math.log(2 * math.pi)).sum(1).mean()
        logits = last(found).squeeze(1)
        of_real, of_fakes = logits[: len(x)], logits[len(x) :]
        deceived = 2 * F.softplus(-of_fakes).mean()
        judged = F.softplus(-of_real).mean() + F.softplus(of_fakes).mean()
        return normal_kl(mean, log_variance).mean() + nll, nll + deceived, judged

    if args.compile:
        # Each loss goes back through what the others need too.
        torch._functorch.config.donated_buffer = False
        losses_of = torch.compile(losses_of)

    def step():
        losses = losses_of(next(args.source))
        for number, (side, loss) in enumerate(zip(sides, losses)):
            for parameter, gradient in zip(side, torch.autograd.grad(loss, side, retain_graph=number < 2)):
                parameter.grad = gradient
        for moves in optimizers:
            moves.step()
        return [loss.item() for loss in losses]

    return step, players


def semi():
    """Kingma 2014, eq. 9, and a second classifier for the labelled examples alone."""
    encode, decode = networks(2 * latent, CLASSES)
    classify, baseline = encoder(args, likelihood.seen, CLASSES), encoder(args, likelihood.seen, CLASSES)
    known = round(0.1 * args.batch_size) if args.labels else args.batch_size
    hot, labels = torch.eye(CLASSES), torch.randint(CLASSES, (known,))

    def loss_of(x):
        labelled, others = x[:known], x[known:]
        y = torch.cat([hot[labels], hot.repeat_interleave(len(others), 0)])
        rows = torch.cat([labelled, others.repeat(CLASSES, 1)])
        mean, log_variance = encode(torch.cat([likelihood.view(rows), y], 1)).chunk(2, dim=1)
        nll = likelihood.nll(decode(torch.cat([sample(mean, log_variance), y], 1)), rows)
        bound = nll + normal_kl(mean, log_variance) + math.log(CLASSES)
        logits = classify(likelihood.view(x))
        log_q = F.log_softmax(logits[known:], 1)
        under = bound[known:].view(CLASSES, -1).t()
        unlabelled = (log_q.exp() * (under + log_q)).sum(1)
        charged = 50 * F.cross_entropy(logits[:known], labels)
        alone = F.cross_entropy(baseline(likelihood.view(labelled)), labels)
        return torch.cat([bound[:known], unlabelled]).mean() + charged + alone

    return together(loss_of, encode, decode, classify, baseline)


def hvae():
    """Two levels (Sønderby 2016)."""
    hidden, top = 128, max(1, latent // 2)
    encode, decode = networks(2 * latent + hidden)
    up = dense(args, hidden, [hidden], 2 * top)
    down = dense(args, top, [hidden], 2 * latent)

    def loss_of(x):
        mean, log_variance, of_level = encode(likelihood.view(x)).split([latent, latent, hidden], dim=1)
        top_mean, top_log_variance = up(of_level).chunk(2, dim=1)
        kl = normal_kl(top_mean, top_log_variance)
        prior, log_prior = down(sample(top_mean, top_log_variance)).chunk(2, dim=1)
        log_prior = F.softplus(log_prior + 12) - 12
        log_share = F.logsigmoid(log_prior - log_variance)
        mean = prior + log_share.exp() * (mean - prior)
        log_variance = log_variance + log_share
        ratio = log_variance - log_prior
        below = 0.5 * (ratio.exp() + (mean - prior) ** 2 * torch.exp(-log_prior) - ratio - 1).sum(1)
        return (likelihood.nll(decode(sample(mean, log_variance)), x) + kl + below).mean()

    return together(loss_of, encode, decode, up, down)


def vq():
    """van den Oord 2017, eq. 3, without the training of the prior that follows."""
    book = Codebook()
    _, width = book.entries.shape
    is_dense = args.arch in ("linear", "mlp")
    places = 16 if is_dense else math.prod(sizes(args)[-1])
    cell = None if is_dense else width
    encode = encoder(args, likelihood.seen, places * width, cell)
    decode = decoder(args, places * width, features, likelihood.parts, cell)
    modules = [likelihood, encode, decode]
    to_memory(args, *modules)
    moves = optimizer(args, *modules)

    def loss_of(x):
        encoded = encode(likelihood.view(x))
        cells = encoded.detach().reshape(-1, width)
        indices = book.nearest(cells)
        entries = book.entries[indices].view_as(encoded)
        nll = likelihood.nll(decode(encoded + (entries - encoded).detach()), x)
        return (nll + 0.25 * (encoded - entries).square().sum(1)).mean(), cells, indices

    if args.compile:
        loss_of = torch.compile(loss_of)

    def step():
        moves.zero_grad(set_to_none=True)
        loss, cells, indices = loss_of(next(args.source))
        loss.backward()
        moves.step()
        book.learn(cells, indices)
        return loss.item()

    return step, [*modules, book]


METHODS = {"ae": plain, "dae": plain, "vae": vae, "beta": vae, "cvae": vae, "sparse": sparse}
METHODS |= {"contractive": contractive, "iwae": iwae, "vaegan": vaegan, "semi": semi, "hvae": hvae, "vq": vq}
step, modules = METHODS[args.variant]()
finish(args, modules, step)
