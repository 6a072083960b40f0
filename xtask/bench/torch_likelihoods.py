"""The likelihoods of `vae` in PyTorch."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_nets import CATEGORIES, LEVELS, NUMBERS

COUNTS = ("poisson", "negative-binomial", "zero-inflated-negative-binomial")
TABLES = ("per-column", "student-t")
TWO = ("gaussian-pixel", "discretized-logistic", "zero-inflated-negative-binomial")
LOG_2_PI = math.log(2 * math.pi)


def soft_floor(x, floor):
    return F.softplus(x - floor) + floor


def negative_binomial(x, log_mean, log_theta):
    theta = log_theta.exp()
    total = F.softplus(log_mean - log_theta)  # log(1 + mean / theta)
    chosen = torch.lgamma(x + theta) - torch.lgamma(theta) - torch.lgamma(x + 1)
    return chosen + x * (log_mean - log_theta - total) - theta * total


class Likelihood(nn.Module):
    def __init__(self, args):
        super().__init__()
        kind = self.kind = args.likelihood
        # Parameters of a feature.
        self.parts = 2 if kind in TWO else 256 if kind == "categorical" else 1
        # What the encoder sees.
        self.seen = args.features + (NUMBERS if kind in TABLES else 0)
        # Logarithms of standard deviations, or of dispersions.
        spreads = {"gaussian-global": 1, "per-column": NUMBERS, "student-t": NUMBERS}
        spreads |= {kind: args.features for kind in COUNTS[1:]}
        if kind in spreads:
            self.spread = nn.Parameter(torch.zeros(spreads[kind]))

    def view(self, x):
        """What the encoder sees."""
        if self.kind == "multinomial":
            return F.normalize(x, dim=1)
        if self.kind in TABLES:
            return torch.cat([torch.nan_to_num(x), x[:, :NUMBERS].isnan().float()], dim=1)
        return torch.log1p(x) if self.kind in COUNTS else x

    def nll(self, given, x):
        """`-log p(x)` for each row."""
        match self.kind:
            case "bernoulli":
                return F.binary_cross_entropy_with_logits(given, x, reduction="none").sum(1)
            case "continuous-bernoulli":
                small = given.abs() < 0.1
                series = math.log(2) + given**2 / 12 - 7 * given**4 / 1440
                size = given.abs().masked_fill(small, 1.0)
                exact = size.log() - torch.tanh(0.5 * size).log()
                nll = F.binary_cross_entropy_with_logits(given, x, reduction="none")
                return (nll - torch.where(small, series, exact)).sum(1)
            case "gaussian":
                return 0.5 * (given - x).square().sum(1) + 0.5 * LOG_2_PI * x.shape[1]
            case "gaussian-global":
                log_sigma = soft_floor(self.spread, -6.0)
                squares = (given - x).square().sum(1)
                return 0.5 * squares * torch.exp(-2 * log_sigma) + (log_sigma + 0.5 * LOG_2_PI) * x.shape[1]
            case "gaussian-pixel":
                mean, log_sigma = given.chunk(2, dim=1)
                log_sigma = soft_floor(log_sigma, -6.0)
                return (0.5 * ((x - mean) * torch.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * LOG_2_PI).sum(1)
            case "poisson":
                nll = F.poisson_nll_loss(given, x, full=False, reduction="none")
                return nll.sum(1) + torch.lgamma(x + 1).sum(1)
            case "negative-binomial":
                return -negative_binomial(x, given, self.spread).sum(1)
            case "zero-inflated-negative-binomial":
                log_mean, logit = given.chunk(2, dim=1)
                drawn = F.logsigmoid(-logit) + negative_binomial(x, log_mean, self.spread)
                zero = torch.logaddexp(F.logsigmoid(logit), drawn)
                return -torch.where(x == 0, zero, drawn).sum(1)
            case "multinomial":
                fixed = torch.lgamma(x.sum(1) + 1) - torch.lgamma(x + 1).sum(1)
                return -fixed - (x * F.log_softmax(given, dim=1)).sum(1)
            case "categorical":
                # The numbers of a feature side by side, which is the fastest order.
                chosen = (255 * x).round().long().flatten()
                return F.cross_entropy(given.view(-1, 256), chosen, reduction="none").view(x.shape).sum(1)
            case "discretized-logistic":
                mean, log_scale = given.chunk(2, dim=1)
                width = torch.exp(-log_scale) / 255
                level = (255 * x).round()
                below, above = (level - 0.5 - 255 * mean) * width, (level + 0.5 - 255 * mean) * width
                inner = torch.log(-torch.expm1(-width)) - F.softplus(below) - F.softplus(-above)
                inner = torch.where(level == 0, -F.softplus(-above), inner)
                return -torch.where(level == 255, -F.softplus(below), inner).sum(1)
            case "per-column":
                log_sigma = soft_floor(self.spread, -6.0)
                return self.table(given, x, lambda apart: 0.5 * apart**2 + 0.5 * LOG_2_PI, log_sigma)
            case "student-t":
                # 3 degrees of freedom, whose constant is log(pi sqrt(3) / 2).
                constant = math.log(math.pi * math.sqrt(3) / 2)
                log_sigma = soft_floor(5 * self.spread, -3.0)
                return self.table(given, x, lambda apart: 2 * torch.log1p(apart**2 / 3) + constant, log_sigma)
        raise SystemExit(f"no likelihood is called {self.kind}")

    def table(self, given, x, number, log_sigma):
        missing = x[:, :NUMBERS].isnan()
        x = torch.nan_to_num(x)
        apart = (x[:, :NUMBERS] - given[:, :NUMBERS]) * torch.exp(-log_sigma)
        # All categories have as many levels here, so that one operation does for them.
        levels = F.log_softmax(given[:, NUMBERS:].unflatten(1, (CATEGORIES, LEVELS)), dim=2).flatten(1)
        return ((number(apart) + log_sigma) * ~missing).sum(1) - (x[:, NUMBERS:] * levels).sum(1)

    def mean(self, given):
        """The mean of the distribution, of those that `vaegan` is timed with."""
        return torch.sigmoid(given) if self.kind == "bernoulli" else given
