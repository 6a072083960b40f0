"""Times training steps of a VAE in PyTorch, or its use, in turns with other programs.

The protocol is that of turns.py. The arguments, the model, the initialisation and the optimizer are those of
`vae bench`.
"""

import math

import torch

from torch_likelihoods import Likelihood
from torch_nets import arguments, decoder, encoder, finish, normal_kl, one_loss, start, to_memory
from torch_priors import LOG_2_PI, Iaf, prior

parser = arguments(__doc__)
parser.add_argument("--work", choices=["train", "encode", "importance"], default="train")
parser.add_argument("--prior", choices=["normal", "mixture", "vamp", "flow"], default="normal")
parser.add_argument("--posterior", choices=["gaussian", "flow"], default="gaussian")
args = start(parser)

latent = args.latent
is_flow = args.posterior == "flow"
likelihood = Likelihood(args)
encode = encoder(args, likelihood.seen, latent * (3 if is_flow else 2))
decode = decoder(args, latent, args.features, likelihood.parts)
codes = prior(args.prior, latent, likelihood.view(args.examples[:100]))
flow = Iaf(latent) if is_flow else torch.nn.Identity()
modules = [likelihood, encode, decode, codes, flow]


def gaussian(x):
    """Mean and logarithm of the variance of what the encoder sees."""
    return encode(x)[:, : 2 * latent].chunk(2, dim=1)


def loss_of(x):
    given = encode(likelihood.view(x))
    mean, log_variance = given[:, : 2 * latent].chunk(2, dim=1)
    noise = torch.randn_like(mean)
    z = mean + torch.exp(0.5 * log_variance) * noise
    if args.prior == "normal" and not is_flow:
        kl = normal_kl(mean, log_variance)
    else:
        log_q = -0.5 * (noise**2 + log_variance + LOG_2_PI).sum(1)
        if is_flow:
            z, log_gates = flow(z, given[:, 2 * latent :])
            log_q = log_q - log_gates
        kl = log_q - codes.log_prob(z, gaussian)
    return (likelihood.nll(decode(z), x) + kl).mean()


@torch.inference_mode()
def mean_codes():
    return gaussian(likelihood.view(next(args.source)))[0].numpy()


SAMPLES = 50
# Codes decoded at a time, as in `vae bench --work importance`.
ROWS = 2048


@torch.inference_mode()
def importance():
    """-log p(x) by importance sampling (Burda 2016, eq. 8)."""
    x = next(args.source)
    mean, log_variance = gaussian(likelihood.view(x))
    at_once = max(1, ROWS // len(x))
    log_weights = []
    for count in [at_once] * (SAMPLES // at_once) + [SAMPLES % at_once]:
        noise = torch.randn(count, *mean.shape)
        z = mean + torch.exp(0.5 * log_variance) * noise
        rows = x.expand(count, *x.shape).flatten(0, 1)
        nll = likelihood.nll(decode(z.flatten(0, 1)), rows).view(count, -1)
        ratio = 0.5 * (noise**2 + log_variance - z**2).sum(2)
        log_weights.append(ratio - nll)
    return -(torch.logsumexp(torch.cat(log_weights), 0) - math.log(SAMPLES)).numpy()


if args.work == "train":
    step = one_loss(args, loss_of, modules)
else:
    to_memory(args, *modules)
    if args.compile:
        encode, decode = torch.compile(encode), torch.compile(decode)
    step = {"encode": mean_codes, "importance": importance}[args.work]
finish(args, modules, step)
