"""The priors and posteriors of `vae` in PyTorch."""

import math

import torch
from torch import nn
from torch.nn import functional as F

LOG_2_PI = math.log(2 * math.pi)
# The sizes that `vae` has by default.
COMPONENTS, STEPS, HIDDEN = 100, 4, 64


def standard(z):
    """`log N(z; 0, I)`"""
    return -0.5 * (z**2 + LOG_2_PI).sum(1)


class Normal(nn.Module):
    def log_prob(self, z, encode):
        return standard(z)


class Mixture(nn.Module):
    """Gaussians with weights of their own; every density by matrix products."""

    def __init__(self, latent):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(COMPONENTS))
        self.mean = nn.Parameter(2 * torch.rand(COMPONENTS, latent) - 1)
        self.log_variance = nn.Parameter(torch.zeros(COMPONENTS, latent))

    def log_prob(self, z, encode):
        return self.of(z, self.mean, self.log_variance, F.log_softmax(self.logits, 0))

    @staticmethod
    def of(z, mean, log_variance, log_weights):
        precision = torch.exp(-log_variance)
        fixed = (mean**2 * precision + log_variance + LOG_2_PI).sum(1)
        squares = z**2 @ precision.t() - 2 * z @ (mean * precision).t() + fixed
        return torch.logsumexp(log_weights - 0.5 * squares, 1)


class Vamp(nn.Module):
    def __init__(self, examples):
        super().__init__()
        self.inputs = nn.Parameter(examples[:COMPONENTS].clone())

    def log_prob(self, z, encode):
        mean, log_variance = encode(self.inputs)
        return Mixture.of(z, mean, log_variance, torch.tensor(-math.log(COMPONENTS)))


class Flow(nn.Module):
    """Affine couplings (Dinh 2017)."""

    def __init__(self, latent):
        super().__init__()
        net = lambda: nn.Sequential(nn.Linear(latent, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * latent))
        self.steps = nn.ModuleList(net() for _ in range(STEPS))
        stays = [[float(i % 2 == step % 2) for i in range(latent)] for step in range(STEPS)]
        self.stays = torch.tensor(stays)

    def log_prob(self, z, encode):
        log_scales = 0.0
        for step, stays in reversed(list(zip(self.steps, self.stays))):
            shift, log_scale = step(z * stays).chunk(2, dim=1)
            log_scale = torch.tanh(log_scale) * (1 - stays)
            z = (z - shift * (1 - stays)) * torch.exp(-log_scale)
            log_scales = log_scales + log_scale.sum(1)
        return standard(z) - log_scales


class Made(nn.Module):
    """Shift and gate of each dimension from those before it (Germain 2015)."""

    def __init__(self, width):
        super().__init__()
        self.input = nn.Linear(width, HIDDEN)
        self.context = nn.Linear(width, HIDDEN, bias=False)
        self.output = nn.Linear(HIDDEN, 2 * width)
        units, dimensions = torch.arange(HIDDEN) % width, torch.arange(width)
        self.sees = (dimensions < units[:, None]).float()
        self.gives = (units <= torch.cat([dimensions, dimensions])[:, None]).float()

    def forward(self, z, context):
        units = F.linear(z, self.input.weight * self.sees, self.input.bias) + self.context(context)
        return F.linear(torch.tanh(units), self.output.weight * self.gives, self.output.bias).chunk(2, dim=1)


class Iaf(nn.Module):
    """An inverse autoregressive flow (Kingma 2016, algorithm 1)."""

    def __init__(self, latent):
        super().__init__()
        self.steps = nn.ModuleList(Made(latent) for _ in range(STEPS))

    def forward(self, z, context):
        """The code after all steps, and the sum of the logarithms of its gates."""
        log_gates = 0.0
        for made in self.steps:
            shift, gate = made(z, context)
            log_gate = F.logsigmoid(gate + 2)
            gate = torch.exp(log_gate)
            z = (gate * (z - shift) + shift).flip(1)
            log_gates = log_gates + log_gate.sum(1)
        return z, log_gates


def prior(kind, latent, examples):
    """As `--prior` names it."""
    made = {"normal": Normal, "mixture": lambda: Mixture(latent), "flow": lambda: Flow(latent)}
    return {**made, "vamp": lambda: Vamp(examples)}[kind]()
