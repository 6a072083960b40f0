"""The networks and likelihoods in PyTorch, from a model.json and the tensors of its
model.safetensors. Dense weights are stored as [inputs, outputs], the transpose of PyTorch's."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Categorical, ContinuousBernoulli, Multinomial, NegativeBinomial, Normal, Poisson

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "leaky-relu": F.leaky_relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}


class Network:
    """Encoder and decoder of one model."""

    prefix = "parts.networks."

    def __init__(self, description, tensors, batch_statistics, masks):
        self.settings = description["model"]
        self.shape = description["shape"]
        self.kind = description["likelihood"]["kind"]
        self.sigma = description["likelihood"]["sigma"]
        self.columns = description["likelihood"].get("columns")
        self.mask = description["likelihood"].get("mask", False)
        self.tensors = tensors
        self.batch_statistics = batch_statistics
        # Uniform noise for dropout, or nothing outside training.
        self.masks = masks
        self.activation = ACTIVATIONS[self.settings["activation"]]

    def __getitem__(self, name):
        return self.tensors[self.prefix + name]

    def __contains__(self, name):
        return self.prefix + name in self.tensors

    def normalise(self, x, name):
        if name + ".gamma" not in self:
            return x
        scale, shift = self[name + ".gamma"], self[name + ".beta"]
        if self.settings["norm"] == "layer":
            if x.dim() == 2:
                return F.layer_norm(x, x.shape[1:], scale, shift)
            return F.group_norm(x, 1, scale, shift)
        mean, variance = self[name + ".running_mean"], self[name + ".running_var"]
        return F.batch_norm(
            x,
            mean.detach().clone(),
            variance.detach().clone(),
            scale,
            shift,
            training=self.batch_statistics,
        )

    def finish(self, x, norm):
        x = self.activation(self.normalise(x, norm))
        rate = self.settings["dropout"]
        if rate > 0 and self.masks is not None:
            x = torch.where(next(self.masks) < rate, torch.zeros_like(x), x / (1 - rate))
        return x

    def residual(self, x, name):
        if name + ".first.weight" not in self:
            return x
        first, second = [(self[f"{name}.{n}.weight"], self[f"{name}.{n}.bias"]) for n in ("first", "second")]
        inner = self.finish(F.conv2d(x, *first, padding=1), name + ".first.norm")
        inner = self.normalise(F.conv2d(inner, *second, padding=1), name + ".second.norm")
        return self.activation(x + inner)

    def dense(self, x, name):
        layer = 0
        while (block := f"{name}.blocks.{layer}") + ".dense.weight" in self:
            x = F.linear(x, self[block + ".dense.weight"].T, self[block + ".dense.bias"])
            x = self.finish(x, block + ".norm")
            layer += 1
        self.features = x
        return F.linear(x, self[name + ".head.weight"].T, self[name + ".head.bias"])

    def view(self, x):
        """What the encoder sees of the examples."""
        if self.kind in ("poisson", "negative-binomial", "zero-inflated-negative-binomial"):
            return torch.log(1 + x)
        if self.kind == "multinomial":
            return F.normalize(x, dim=1)
        if self.kind == "per-column" and self.mask:
            numbers = [place for place, width in self.places() if width is None]
            return torch.cat([torch.nan_to_num(x), torch.isnan(x[:, numbers]).to(x.dtype)], dim=1)
        return x

    def places(self):
        """Of each column the first place, and the number of levels of a category."""
        first = 0
        for column in self.columns:
            width = None if column == "number" else column["levels"]
            yield first, width
            first += width or 1

    def encode(self, x, condition=None):
        """Raw output of the encoder."""
        if self.settings["arch"] not in ("conv", "resnet"):
            if condition is not None:
                x = torch.cat([x, condition], dim=1)
            return self.dense(x, "encoder")
        _, height, width = self.shape
        x = x.unflatten(1, (-1, height, width))  # pseudo-inputs have their condition already
        if condition is not None:
            planes = condition[:, :, None, None].expand(-1, -1, height, width)
            x = torch.cat([x, planes], dim=1)
        for layer in range(len(self.settings["channels"])):
            name = f"encoder.convs.{layer}"
            x = F.conv2d(x, self[name + ".weight"], self[name + ".bias"], stride=2, padding=1)
            x = self.residual(self.finish(x, name + ".norm"), name + ".residual")
        if "encoder.grid.weight" in self:
            x = F.conv2d(x, self["encoder.grid.weight"], self["encoder.grid.bias"], padding=1)
            return x.permute(0, 2, 3, 1).flatten(1)  # cell after cell
        x = x.flatten(1)
        code = self.dense(x, "encoder.dense")
        self.features = x
        return code

    def decode(self, z, condition=None):
        """Raw output of the decoder: parameters of the likelihood."""
        if condition is not None:
            z = torch.cat([z, condition], dim=1)
        if self.settings["tied"]:
            return self.decode_tied(z)
        if self.settings["arch"] not in ("conv", "resnet"):
            return self.dense(z, "decoder")
        channels = self.settings["channels"]
        depth = len(channels)
        _, height, width = self.shape
        sizes = [(height >> layer, width >> layer) for layer in range(depth, -1, -1)]
        if "decoder.grid.weight" in self:
            x = z.unflatten(1, (*sizes[0], -1)).permute(0, 3, 1, 2)
            x = F.conv2d(x, self["decoder.grid.weight"], self["decoder.grid.bias"], padding=1)
            x = self.activation(x)
        else:
            x = self.activation(self.dense(z, "decoder.dense"))
            x = x.unflatten(1, (channels[-1], *sizes[0]))
        for layer, size in enumerate(sizes[1:]):
            name = f"decoder.convs.{layer}"
            weight, bias = self[name + ".weight"], self[name + ".bias"]
            if self.settings["upsample"] == "transposed":
                odd = (size[0] % 2, size[1] % 2)
                x = F.conv_transpose2d(
                    x, weight, bias, stride=2, padding=1, output_padding=odd
                )
            else:
                x = F.conv2d(F.interpolate(x, size=size, mode="nearest"), weight, bias, padding=1)
            if layer + 1 < depth:
                x = self.residual(self.finish(x, name + ".norm"), name + ".residual")
        return x.flatten(1)

    def decode_tied(self, z):
        layers = len(self.settings["hidden"] or [])
        # What is stored as [inputs, outputs] of the encoder is PyTorch's weight of the mirror.
        weights = [self["encoder.head.weight"]]
        weights += [self[f"encoder.blocks.{i}.dense.weight"] for i in reversed(range(layers))]
        for layer, weight in enumerate(weights):
            z = F.linear(z, weight, self[f"decoder.biases.{layer}"])
            if layer < layers:
                z = self.finish(z, f"decoder.norms.{layer}")
        return z

    def likelihood(self, parameters):
        """The distribution of each feature; none for the cross-entropy of grey pixels."""
        if self.kind == "continuous-bernoulli":
            return ContinuousBernoulli(logits=parameters)
        if self.kind == "gaussian":
            return Normal(parameters, self.sigma)
        if self.kind == "gaussian-global":
            log_sigma = self.tensors["parts.likelihood.log_sigma"]
            return Normal(parameters, bounded(log_sigma).exp())
        if self.kind == "poisson":
            return Poisson(parameters.exp())
        if self.kind == "negative-binomial":
            return self.negative_binomial(parameters)
        if self.kind == "categorical":
            return Categorical(logits=parameters.unflatten(1, (256, -1)).transpose(1, 2))
        assert self.kind == "gaussian-pixel"
        mean, log_sigma = parameters.chunk(2, dim=1)
        return Normal(mean, bounded(log_sigma).exp())

    def negative_log_likelihood(self, parameters, target):
        if self.kind == "bernoulli":
            entropy = F.binary_cross_entropy_with_logits(parameters, target, reduction="none")
            return entropy.sum(1)
        if self.kind == "multinomial":
            rows = zip(parameters, target)
            return -torch.stack([Multinomial(int(k.sum()), logits=row).log_prob(k) for row, k in rows])
        if self.kind == "zero-inflated-negative-binomial":
            log_mean, logit = parameters.chunk(2, dim=1)
            drawn = F.logsigmoid(-logit) + self.negative_binomial(log_mean).log_prob(target)
            zero = torch.logaddexp(F.logsigmoid(logit), drawn)
            return -torch.where(target == 0, zero, drawn).sum(1)
        if self.kind == "discretized-logistic":
            return -torch.log(self.level_probabilities(parameters, torch.round(255 * target))).sum(1)
        if self.kind == "categorical":
            target = torch.round(255 * target)
        if self.kind == "per-column":
            return self.of_columns(parameters, target)
        return -self.likelihood(parameters).log_prob(target).sum(1)

    def mean(self, parameters):
        if self.kind == "bernoulli":
            return torch.sigmoid(parameters)
        if self.kind == "multinomial":
            return F.softmax(parameters, dim=1)
        if self.kind == "zero-inflated-negative-binomial":
            log_mean, logit = parameters.chunk(2, dim=1)
            return torch.sigmoid(-logit) * log_mean.exp()
        if self.kind == "discretized-logistic":
            levels = [torch.full_like(parameters.chunk(2, dim=1)[0], k) for k in range(256)]
            return sum(k[0, 0] * self.level_probabilities(parameters, k) for k in levels) / 255
        if self.kind == "categorical":
            return self.likelihood(parameters).probs @ torch.arange(256, dtype=parameters.dtype) / 255
        if self.kind == "per-column":
            parts = [(parameters[:, at : at + (width or 1)], width) for at, width in self.places()]
            return torch.cat([part if width is None else F.softmax(part, dim=1) for part, width in parts], dim=1)
        return self.likelihood(parameters).mean

    def negative_binomial(self, log_mean):
        log_theta = self.tensors["parts.likelihood.log_theta"]
        return NegativeBinomial(log_theta.exp().expand_as(log_mean), logits=log_mean - log_theta)

    def level_probabilities(self, parameters, levels):
        """Of a logistic variable between the edges of levels of a pixel, by its distribution function."""
        mean, log_scale = parameters.chunk(2, dim=1)
        below = lambda edge: torch.sigmoid((edge / 255 - mean) / log_scale.exp())
        upper = torch.where(levels == 255, torch.ones_like(mean), below(levels + 0.5))
        lower = torch.where(levels == 0, torch.zeros_like(mean), below(levels - 0.5))
        return upper - lower

    def of_columns(self, parameters, target):
        """The negative log-likelihood of the cells that are not missing."""
        log_sigma = iter(bounded(self.tensors["parts.likelihood.log_sigma"]))
        total = 0
        for at, width in self.places():
            given, cell = parameters[:, at : at + (width or 1)], target[:, at : at + (width or 1)]
            there = ~torch.isnan(cell).any(1)
            cell = torch.nan_to_num(cell)
            if width is None:
                found = Normal(given[:, 0], next(log_sigma).exp()).log_prob(cell[:, 0])
            else:
                found = Categorical(logits=given).log_prob(cell.argmax(1))
            total = total - torch.where(there, found, torch.zeros_like(found))
        return total


class Judge(Network):
    """A network like the encoder that judges examples: a discriminator or a classifier."""

    prefix = "method."

    def __init__(self, name, *network):
        super().__init__(*network)
        self.name = name
        if name == "discriminator":
            self.activation = F.leaky_relu

    def __getitem__(self, name):
        return super().__getitem__(name.replace("encoder", self.name, 1))

    def __contains__(self, name):
        return super().__contains__(name.replace("encoder", self.name, 1))

    def judge(self, x):
        """Features and logits."""
        logits = self.encode(x)
        return self.features, logits


class Part(Network):
    """The dense networks of another part of the model, with the settings of its networks."""

    def __init__(self, name, network):
        self.__dict__.update(vars(network))
        self.prefix = name + "."


def bounded(log_sigma):
    """Learned standard deviations stay above exp(-6) (Rybkin 2021, section 4.2)."""
    return F.softplus(log_sigma + 6, threshold=40) - 6


def at(schedule, progress):
    """The value of a schedule after a part of the training."""
    if not isinstance(schedule, dict):
        return float(schedule)
    start, until = schedule.get("start", 0.0), schedule.get("until", 1.0)
    along = min(max((progress - start) / (until - start), 0.0), 1.0)
    if schedule["kind"] == "cosine":
        along = math.sin(math.pi / 2 * along) ** 2
    else:
        assert schedule["kind"] == "linear"
    first = schedule.get("from", 0.0)
    return (1 - along) * first + along * schedule["to"]
