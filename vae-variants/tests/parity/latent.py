"""Learned priors, and posteriors reshaped by a flow, in PyTorch: from the tensors of a model.safetensors,
whose dense weights are stored as [inputs, outputs]."""

import torch
import torch.nn.functional as F
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence


class Prior:
    """`log p(z)` of the model's prior."""

    def __init__(self, network, parameters):
        self.kind = network.settings.get("prior") or "normal"
        self.network = network
        self.tensors = {
            name.removeprefix("parts.prior."): value
            for name, value in parameters.items()
            if name.startswith("parts.prior.")
        }

    def log_prob(self, z):
        if self.kind == "mixture":
            mean, log_variance = self.tensors["mean"], self.tensors["log_variance"]
            return mixture(self.tensors["logits"], mean, log_variance).log_prob(z)
        if self.kind == "vamp":
            mean, log_variance = self.network.encode(self.tensors["inputs"]).chunk(2, dim=1)
            return mixture(torch.zeros_like(mean[:, 0]), mean, log_variance).log_prob(z)
        if self.kind == "flow":
            return self.flow(z)
        return Normal(torch.zeros_like(z), 1).log_prob(z).sum(-1)

    def sample(self, noise):
        """The codes that normal noise stands for."""
        assert self.kind in ("normal", "flow")
        for step in range(self.steps()):
            shift, scale = self.coupling(step, noise)
            noise = noise * scale.exp() + shift
        return noise

    def flow(self, z):
        """From the codes back to the normal side, one affine coupling after another."""
        log_det = 0
        for step in reversed(range(self.steps())):
            shift, scale = self.coupling(step, z)
            z = (z - shift) / scale.exp()
            log_det = log_det - scale.sum(-1)
        return Normal(torch.zeros_like(z), 1).log_prob(z).sum(-1) + log_det

    def steps(self):
        return sum(name.endswith("input.weight") for name in self.tensors)

    def coupling(self, step, z):
        """Shift and logarithm of the scale, from the dimensions that stay."""
        width = z.shape[-1]
        stays = torch.tensor([float(i % 2 == step % 2) for i in range(width)], dtype=z.dtype)
        get = lambda name: self.tensors[f"steps.{step}.{name}"]  # noqa: E731
        hidden = F.linear(z * stays, get("input.weight").T, get("input.bias")).relu()
        both = F.linear(hidden, get("output.weight").T, get("output.bias"))
        return both[..., :width] * (1 - stays), both[..., width:].tanh() * (1 - stays)


def divergence(posterior, prior, z, log_prob):
    """The KL by dimension in closed form, `[..., latent]`, or `[..., 1]` from codes that were drawn."""
    if prior.kind == "normal" and not posterior.tensors:
        base = posterior.base
        return kl_divergence(base, Normal(torch.zeros_like(base.mean), torch.ones_like(base.mean)))
    return (log_prob - prior.log_prob(z))[..., None]


def mixture(logits, mean, log_variance):
    components = Independent(Normal(mean, torch.exp(log_variance / 2)), 1)
    return MixtureSameFamily(Categorical(logits=logits), components)


class Posterior:
    """`q(z|x)` from the encoder's output."""

    def __init__(self, network, parameters, output):
        latent = network.settings["latent"]
        mean, log_variance = output[:, :latent], output[:, latent : 2 * latent]
        self.base = Normal(mean, torch.exp(log_variance / 2))
        self.context = output[:, 2 * latent :]
        self.tensors = {
            name.removeprefix("parts.flow."): value
            for name, value in parameters.items()
            if name.startswith("parts.flow.")
        }

    def at(self, noise):
        """The code that noise stands for, and its log-density; noise may have several rows a code."""
        z = self.base.mean + self.base.stddev * noise
        log_prob = self.base.log_prob(z).sum(-1)
        count = sum(name.endswith("context") for name in self.tensors)
        for step in range(count):
            shift, gate = self.numbers(step, z)
            gate = torch.sigmoid(gate + 2)
            log_prob = log_prob - gate.log().sum(-1)
            z = (gate * z + (1 - gate) * shift).flip(-1)
        return z, log_prob

    def numbers(self, step, z):
        """Shift and gate of each dimension, by a network of its own for each: dimension `i` sees the
        hidden units that see no dimension from `i` on."""
        get = lambda name: self.tensors[f"steps.{step}.{name}"]  # noqa: E731
        width, hidden = get("input.weight").shape
        degrees = torch.arange(hidden) % width
        numbers = []
        for i in range(width):
            units = degrees <= i
            seen = torch.stack([torch.arange(width) < d for d in degrees], 1)
            weight = torch.where(seen, get("input.weight"), torch.zeros_like(get("input.weight")))
            inner = z @ weight + get("input.bias") + self.context @ get("context")
            inner = inner.tanh()[..., units]
            for place in (i, i + width):
                column = get("output.weight")[units, place]
                numbers.append(inner @ column + get("output.bias")[place])
        return torch.stack(numbers[::2], -1), torch.stack(numbers[1::2], -1)
