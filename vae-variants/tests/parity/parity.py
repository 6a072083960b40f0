"""Computes every term of the objective, the reconstruction and all gradients with PyTorch, for
the models, inputs and noise that `cargo run -p vae-variants --example parity_dump -- FOLDER` wrote:

    python vae-variants/tests/parity/parity.py FOLDER

Prints both sides, fails if a term differs by more than 1e-4 or a gradient by more than 1e-3, and
writes expected.json beside this script. Needs torch, numpy and safetensors."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.func import jacrev, vmap

from latent import Posterior, Prior, divergence
from networks import ACTIVATIONS, Judge, Network, Part, at

TERMS, GRADIENTS = 1e-4, 1e-3
DIFFERENCES = 1e-3  # of the finite difference in the stochastic Jacobian, which loses digits
EPSILON = 1e-2  # of the stochastic Jacobian's finite difference


class Pass:
    """One evaluation of the loss."""

    def __init__(self, folder, dtype, batch_statistics=False):
        self.description = json.loads((folder / "model.json").read_text())
        inputs = json.loads((folder / "inputs.json").read_text())

        def tensor(rows):
            return None if rows is None else torch.tensor(np.array(rows, dtype=np.float32)).to(dtype)

        tensors = load_file(folder / "model.safetensors")
        self.parameters = {
            name: value.to(dtype).requires_grad_("running" not in name)
            for name, value in tensors.items()
        }
        self.input, self.target = tensor(inputs["input"]), tensor(inputs["target"])
        self.condition = tensor(inputs["condition"])
        noise = [tensor(rows) for rows in inputs["noise"]]
        self.noise = iter(noise)
        self.progress, self.stage = inputs["progress"], inputs["stage"]
        everything = [digest(value) for value in self.parameters.values()]
        self.inputs = {f"noise {i}": digest(value) for i, value in enumerate(noise)} | {
            "parameters": {k: rounded(sum(d[k] for d in everything)) for k in ("norm", "probe")},
            "input": digest(self.input),
            "target": digest(self.target),
        }
        if self.condition is not None:
            self.inputs["condition"] = digest(self.condition)
        drops = inputs["training"] and self.description["model"]["dropout"] > 0
        masks = self.noise if drops else None
        self.network = Network(self.description, self.parameters, batch_statistics, masks)
        self.input = self.network.view(self.input)
        self.variant = self.description["variant"]
        self.name = self.variant["name"]
        if self.name not in ("cvae", "semi"):
            self.condition = None
        # Terms of what is minimised, and of what other parts of the model minimise.
        self.terms, self.players, self.monitors = {}, {}, {}
        networks = self.description, self.parameters, batch_statistics, masks
        if self.name in ("vae", "beta", "cvae"):
            self.variational()
        elif self.name == "iwae":
            self.importance_weighted()
        elif self.name == "vaegan":
            self.discriminator = Judge("discriminator", *networks)
            self.adversarial()
        elif self.name == "hvae":
            self.hierarchical()
        elif self.name == "vq":
            self.quantized()
        elif self.name == "semi":
            self.classifier = Judge("classifier", *networks)
            self.baseline = Judge("baseline", *networks)
            self.semi_supervised()
        else:
            self.deterministic()
        assert next(self.noise, None) is None, "noise is left over"
        self.per_example = self.reconstruction + sum(w * v for w, v in self.terms.values())
        self.loss = self.per_example.mean()

    def each(self, value):
        """A term of the whole batch, for each example."""
        return value.expand(len(self.input))

    def variational(self):
        output = self.network.encode(self.input, self.condition)
        posterior = Posterior(self.network, self.parameters, output)
        prior = Prior(self.network, self.parameters)
        z, log_prob = posterior.at(next(self.noise))
        decoded = self.network.decode(z, self.condition)
        self.reconstruction = self.network.negative_log_likelihood(decoded, self.target)
        beta = at(self.variant.get("beta", 1), self.progress)
        self.charge(divergence(posterior, prior, z, log_prob), beta)
        self.code = posterior.at(torch.zeros_like(z))[0]

    def charge(self, parts, beta):
        """The KL by the settings; free bits are of each of the parts, [batch, parts]."""
        kl = parts.sum(1)
        objective = self.description["objective"]
        weight = beta * at(objective["kl_schedule"], self.progress)
        if objective.get("capacity") is not None:
            distance = (kl.mean() - at(objective["capacity"], self.progress)).abs()
            self.terms["capacity_distance"] = objective["capacity_weight"], self.each(distance)
            self.monitors["kl"] = kl
        elif objective["free_bits"] > 0:
            means = parts.mean(0)
            free = means < objective["free_bits"]
            assert free.any() and not free.all(), "the case is to see both sides of free bits"
            charged = torch.where(free, torch.full_like(means, objective["free_bits"]), means)
            self.terms["charged_kl"] = weight, self.each(charged.sum())
            self.monitors["kl"] = kl
        else:
            self.terms["kl"] = weight, kl

    def quantized(self):
        """The nearest entry by the distance itself, and the gradient past the choice."""
        encoded = self.network.encode(self.input)
        entries = self.parameters["method.codebook.entries"].detach()
        cells = encoded.detach().reshape(len(encoded), -1, entries.shape[1])
        nearest = torch.cdist(cells, entries).argmin(-1)
        self.code = entries[nearest].reshape(encoded.shape)
        if self.stage == 1:
            self.reconstruction = index_nll(self.parameters, nearest)
            return
        decoded = self.network.decode(encoded + (self.code - encoded).detach())
        self.reconstruction = self.network.negative_log_likelihood(decoded, self.target)
        error = self.network.mean(decoded) - self.target
        self.monitors["squared_error"] = error.square().nansum(1)
        beta = at(self.variant["commitment"], self.progress)
        self.terms["commitment"] = beta, (encoded - self.code).square().sum(1)

    def hierarchical(self):
        """From level to level in terms of precisions; networks 0, 1, ... are between levels 1 and 2, 2
        and 3, ..."""
        widths = self.variant.get("widths")
        if widths is None:
            widths = [self.description["model"]["latent"]]
            while len(widths) < self.variant["levels"]:
                widths.append(max(widths[-1] // 2, 1))
        top = len(widths) - 1
        between = Part("method", self.network)
        upwards, output = [], self.network.encode(self.input)
        for level, width in enumerate(widths):
            mean, log_variance, features = output.tensor_split([width, 2 * width], dim=1)
            upwards.append((mean, torch.exp(-log_variance)))
            if level < top:
                output = between.dense(features, f"up.{level}")
        assert features.shape[1] == 0, "features are left over"

        def downwards(draw):
            z, kls = None, []
            for level in reversed(range(top + 1)):
                mean, precision = upwards[level]
                if level == top:
                    prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
                else:
                    given, log_variance = between.dense(z, f"down.{level}").chunk(2, dim=1)
                    log_variance = F.softplus(log_variance + 12, threshold=40) - 12
                    prior = Normal(given, torch.exp(log_variance / 2))
                    other = 1 / prior.variance
                    mean = (mean * precision + given * other) / (precision + other)
                    precision = precision + other
                posterior = Normal(mean, precision**-0.5)
                kls.append(kl_divergence(posterior, prior).sum(1))
                z = draw(posterior)
            return z, kls[::-1]

        z, kls = downwards(lambda posterior: posterior.mean + posterior.stddev * next(self.noise))
        for level, kl in enumerate(kls, start=1):
            self.monitors[f"kl_{level}"] = kl
        decoded = self.network.decode(z)
        self.reconstruction = self.network.negative_log_likelihood(decoded, self.target)
        self.charge(torch.stack(kls, 1), 1)
        self.code, _ = downwards(lambda posterior: posterior.mean)

    def importance_weighted(self):
        posterior = Posterior(self.network, self.parameters, self.network.encode(self.input))
        prior = Prior(self.network, self.parameters)
        mean = posterior.base.mean
        samples = self.variant["samples"]
        z, log_prob = posterior.at(next(self.noise).reshape(samples, *mean.shape))
        kl = divergence(posterior, prior, z, log_prob).sum(-1)
        doubly = self.variant["gradient"] == "doubly-reparameterized"
        if doubly:
            assert not posterior.tensors
            density = Normal(mean.detach(), posterior.base.stddev.detach())
            log_prob = density.log_prob(z).sum(2)
            z.register_hook(lambda gradient: gradient * shares.unsqueeze(2))
        nll = torch.stack(
            [
                self.network.negative_log_likelihood(self.network.decode(code), self.target)
                for code in z
            ]
        )
        weight = at(self.description["objective"]["kl_schedule"], self.progress)
        ratio = prior.log_prob(z) - log_prob
        log_weights = weight * ratio - nll
        shares = log_weights.detach().softmax(0)
        bound = math.log(samples) - log_weights.logsumexp(0)
        if doubly:
            surrogate = -(shares * log_weights).sum(0)
            bound = bound.detach() + surrogate - surrogate.detach()
        self.reconstruction = (shares * nll.detach()).sum(0)
        self.terms["importance"] = 1, bound - self.reconstruction
        self.monitors["kl"] = kl if kl.dim() == 1 else kl.mean(0)
        self.code = posterior.at(torch.zeros_like(mean))[0]

    def adversarial(self):
        posterior = Posterior(self.network, self.parameters, self.network.encode(self.input))
        prior = Prior(self.network, self.parameters)
        z, log_prob = posterior.at(next(self.noise))
        drawn = prior.sample(next(self.noise)).detach()
        reconstructed, sampled = [self.network.mean(self.network.decode(c)) for c in (z, drawn)]
        of_real, real = self.discriminator.judge(self.target)
        of_reconstructed, fake = self.discriminator.judge(reconstructed)
        _, fake_sample = self.discriminator.judge(sampled)
        real, fake, fake_sample = (logits.squeeze(1) for logits in (real, fake, fake_sample))
        entropy = F.binary_cross_entropy_with_logits
        ones, zeros = torch.ones_like(real), torch.zeros_like(real)
        real_loss = entropy(real, ones, reduction="none")
        fake_loss = entropy(fake, zeros, reduction="none")
        fake_loss = (fake_loss + entropy(fake_sample, zeros, reduction="none")) / 2
        self.monitors["squared_error"] = (reconstructed - self.target).square().sum(1)
        of_real, of_reconstructed = [
            F.layer_norm(features, features.shape[1:]) for features in (of_real, of_reconstructed)
        ]
        self.reconstruction = -Normal(of_reconstructed, 1).log_prob(of_real).sum(1)
        self.terms["kl"] = 1, divergence(posterior, prior, z, log_prob).sum(1)
        gamma = at(self.variant["gamma"], self.progress)
        self.players["decoder.features"] = gamma, self.reconstruction
        if self.variant["game"] == "minimax":
            self.players["decoder.game"] = -2, fake_loss
        else:
            deceived = [entropy(logits, ones, reduction="none") for logits in (fake, fake_sample)]
            self.players["decoder.game"] = 2, sum(deceived) / 2
        self.players["discriminator.real"] = 1, real_loss
        self.players["discriminator.fake"] = 1, fake_loss
        right = torch.stack([real > 0, real > 0, fake < 0, fake_sample < 0]).to(real.dtype)
        self.monitors["discriminator.accuracy"] = right.mean(0)
        self.code = posterior.at(torch.zeros_like(z))[0]

    def semi_supervised(self):
        """One example and one class at a time."""
        classes = len(self.description["classes"])
        known = [i for i, row in enumerate(self.condition[:, :classes]) if row.sum() > 0]
        labels = self.condition[known, :classes].argmax(1)
        others = [i for i in range(len(self.input)) if i not in known]
        _, logits = self.classifier.judge(self.input)
        log_q = torch.log_softmax(logits, 1)
        rows = [(i, int(label), 1.0) for i, label in zip(known, labels)]
        rows += [(i, y, log_q[i, y].exp()) for y in range(classes) for i in others]
        noise = next(self.noise).unflatten(1, (classes, -1))
        of_kl = [0.0] * len(self.input)
        of_nll, of_class = list(of_kl), list(of_kl)
        prior = Prior(self.network, self.parameters)
        self.code, completed = [None] * len(self.input), self.condition.clone()
        for i, y, probability in rows:
            condition = completed[i : i + 1].clone()
            condition[:, :classes] = F.one_hot(torch.tensor([y]), classes)
            output = self.network.encode(self.input[i : i + 1], condition)
            posterior = Posterior(self.network, self.parameters, output)
            z, log_prob = posterior.at(noise[i : i + 1, y])
            decoded = self.network.decode(z, condition)
            nll = self.network.negative_log_likelihood(decoded, self.target[i : i + 1])
            of_nll[i] = of_nll[i] + probability * nll
            kl = divergence(posterior, prior, z, log_prob).sum(1)
            of_kl[i] = of_kl[i] + probability * kl
            if i in known or y == logits[i].argmax():
                self.code[i] = posterior.at(torch.zeros_like(z))[0]
        for i, row in enumerate(log_q):
            of_class[i] = torch.tensor(math.log(classes), dtype=row.dtype)
            if i in others:
                of_class[i] = of_class[i] - torch.distributions.Categorical(logits=row).entropy()
                completed[i, :classes] = F.one_hot(row.argmax(), classes)
        self.condition, self.code = completed, torch.cat(self.code)
        self.reconstruction = torch.cat(of_nll)
        self.terms["kl"] = 1, torch.cat(of_kl)
        self.terms["class_kl"] = 1, torch.stack(of_class)
        charged = F.cross_entropy(logits[known], labels)
        self.terms["classification"] = at(self.variant["alpha"], self.progress), self.each(charged)
        self.monitors["accuracy"] = (logits[known].argmax(1) == labels).to(logits.dtype)
        _, logits = self.baseline.judge(self.input[known])
        charged = F.cross_entropy(logits, labels, reduction="none")
        self.players["baseline.classification"] = 1, charged
        self.monitors["baseline.accuracy"] = (logits.argmax(1) == labels).to(logits.dtype)

    def of_player(self, name):
        terms = [w * v for key, (w, v) in self.players.items() if key.startswith(name + ".")]
        return sum(terms).mean()

    def deterministic(self):
        encode = self.network.encode
        if self.name == "contractive":
            code = ACTIVATIONS[self.variant["code_activation"]]
            plain = encode
            encode = lambda x: code(plain(x))  # noqa: E731
            if self.variant["jacobian"] == "exact":
                jacobian = vmap(jacrev(lambda x: encode(x[None])[0]))(self.input)
                norm = jacobian.square().sum((1, 2))
            else:
                moved = encode(self.input + EPSILON * next(self.noise))
                norm = ((moved - encode(self.input)) / EPSILON).square().sum(1)
            self.terms["contraction"] = at(self.variant["contraction"], self.progress), norm
        self.code = encode(self.input)
        if self.name == "sparse":
            self.code = self.sparse(self.code)
        if self.name == "dae":
            assert not torch.equal(self.input, self.target)
        decoded = self.network.decode(self.code)
        self.reconstruction = self.network.negative_log_likelihood(decoded, self.target)
        error = self.network.mean(decoded) - self.target
        self.monitors["squared_error"] = error.square().nansum(1)

    def sparse(self, raw):
        weight = at(self.variant["sparsity_weight"], self.progress)
        if self.variant["sparsity"] == "top-k":
            values, places = raw.topk(self.variant["k"], dim=1)
            code = torch.zeros_like(raw).scatter(1, places, values)
        elif self.variant["sparsity"] == "l1":
            code = raw.relu()
            self.terms["sparsity"] = weight, code.norm(p=1, dim=1)
        else:
            code = raw.sigmoid()
            target = torch.tensor(self.variant["rho"], dtype=raw.dtype)
            apart = kl_divergence(Bernoulli(target), Bernoulli(code.mean(0)))
            self.terms["sparsity"] = weight, self.each(apart.sum())
        on = code > 0.5 if self.variant["sparsity"] == "kl" else code != 0
        self.monitors["active_fraction"] = on.to(raw.dtype).mean(1)
        return code

    def output(self):
        """The mean of the likelihood at the mean code, without dropout."""
        masks, self.network.masks = self.network.masks, None
        if masks is not None:
            assert self.name == "vae"
            self.code = self.network.encode(self.input).chunk(2, dim=1)[0]
        result = self.network.mean(self.network.decode(self.code, self.condition))
        self.network.masks = masks
        return result.detach()

    def gradients(self):
        losses = {"": self.loss}
        if self.name == "vaegan":
            # Algorithm 1 of the paper: each network by its own loss alone.
            losses = {
                "parts.networks.encoder.": self.loss,
                "parts.prior.": self.loss,
                "parts.flow.": self.loss,
                "parts.networks.decoder.": self.of_player("decoder"),
                "method.discriminator.": self.of_player("discriminator"),
            }
        if self.name == "semi":
            losses["method.baseline."] = self.of_player("baseline")
        found = {}
        for prefix, loss in losses.items():
            names = [
                n for n, p in self.parameters.items() if p.requires_grad and n.startswith(prefix)
            ]
            parameters = [self.parameters[n] for n in names]
            if names:
                gradients = torch.autograd.grad(
                    loss, parameters, allow_unused=True, retain_graph=True
                )
                found |= dict(zip(names, gradients))
        return {
            n: torch.zeros_like(p) if found.get(n) is None else found[n]
            for n, p in self.parameters.items()
        }


def index_nll(parameters, indices):
    """`-log p(k)` of rows of indices, by a transformer of two layers that sees the cells before each."""
    get = lambda name: parameters["method.prior." + name]  # noqa: E731

    def dense(x, name):
        return F.linear(x, get(name + ".weight").T, get(name + ".bias"))

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], get(name + ".gamma"), get(name + ".beta"))

    vectors, (cells, hidden) = get("indices"), get("places").shape
    heads = next(heads for heads in (4, 2, 1) if hidden % heads == 0)
    start = torch.full_like(indices[:, :1], len(vectors) - 1)
    x = vectors[torch.cat([start, indices[:, :-1]], 1)] + get("places")
    for layer in ("layers.0", "layers.1"):
        normal = norm(x, layer + ".attention_norm")
        of_heads = [
            dense(normal, f"{layer}.{name}").unflatten(2, (heads, -1)).transpose(1, 2)
            for name in ("queries", "keys", "values")
        ]
        seen = F.scaled_dot_product_attention(*of_heads, is_causal=True)
        x = x + dense(seen.transpose(1, 2).flatten(2), layer + ".attention_out")
        normal = norm(x, layer + ".dense_norm")
        x = x + dense(dense(normal, layer + ".dense").relu(), layer + ".dense_out")
    logits = dense(norm(x, "norm"), "head")
    return F.cross_entropy(logits.transpose(1, 2), indices, reduction="none").sum(1)


def digest(tensor):
    flat = np.nan_to_num(tensor.detach().double().flatten().numpy())
    probe = flat @ np.cos(np.arange(len(flat), dtype=np.float64))
    return {"norm": rounded(np.linalg.norm(flat)), "probe": rounded(probe)}


def rounded(value):
    return float(f"{float(value):.10g}")


def measure(folder, dtype):
    """What the example's terms.json holds, and the gradients in full."""
    one = Pass(folder, dtype)
    two = one
    if one.description["model"]["norm"] == "batch":
        # Losses are evaluated with running statistics, gradients with those of the batch.
        two = Pass(folder, dtype, batch_statistics=True)
    gradients = two.gradients()

    def numbers(values):
        return [rounded(v) for v in values]

    measured = {
        "inputs": one.inputs,
        "loss": rounded(one.loss),
        "reconstruction": numbers(one.reconstruction),
        "terms": {
            name: {"weight": rounded(weight), "values": numbers(values)}
            for name, (weight, values) in (one.terms | one.players).items()
        },
        "monitors": {name: numbers(values) for name, values in one.monitors.items()},
        "output": digest(one.output()),
        "gradients": {name: digest(value) for name, value in sorted(gradients.items())},
    }
    return measured, gradients


def apart(ours, theirs):
    """The largest difference of two examples and that of the means, relative to the mean size."""
    ours, theirs = np.atleast_1d(ours), np.atleast_1d(theirs)
    largest = np.abs(ours - theirs).max() / max(np.abs(theirs).mean(), 1e-30)
    return max(largest, abs(ours.mean() - theirs.mean()) / max(abs(theirs.mean()), 1e-30))


def rows(ours, theirs):
    """Name, mean of ours, mean of theirs, relative difference of every number."""
    yield "loss", ours["loss"], theirs["loss"]
    yield "reconstruction", ours["reconstruction"], theirs["reconstruction"]
    assert ours["terms"].keys() == theirs["terms"].keys()
    for name, term in theirs["terms"].items():
        yield name, ours["terms"][name]["values"], term["values"]
        yield f"weight of {name}", ours["terms"][name]["weight"], term["weight"]
    assert ours["monitors"].keys() == theirs["monitors"].keys()
    for name, values in theirs["monitors"].items():
        yield name, ours["monitors"][name], values
    yield "output", ours["output"]["norm"], theirs["output"]["norm"]
    # Relative to the norm: the probe itself may be near 0.
    probes = [side["output"]["probe"] / theirs["output"]["norm"] for side in (ours, theirs)]
    yield "output probe + 1", probes[0] + 1, probes[1] + 1


def gradient_difference(ours, theirs):
    """The largest |a - b| / |b| of a parameter, where one whose |b| is below a thousandth of the
    whole gradient's counts as that: a bias before batch normalisation has the gradient 0."""
    assert ours.keys() == theirs.keys()
    whole = math.sqrt(sum(float(g.double().square().sum()) for g in theirs.values()))
    difference = {
        name: float((ours[name].double() - theirs[name].double()).norm())
        / max(float(theirs[name].double().norm()), 1e-3 * whole)
        for name in theirs
    }
    return max((value, name) for name, value in difference.items())


def main():
    root = Path(sys.argv[1])
    expected, largest, faults = {}, {}, []
    print(f"{'case':28}{'term':28}{'Rust':>14}{'PyTorch':>14}{'Rust':>9}{'float32':>9}")
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        case = folder.name
        exact, exact_gradients = measure(folder, torch.float64)
        single, single_gradients = measure(folder, torch.float32)
        rust = json.loads((folder / "terms.json").read_text())
        rust_gradients = load_file(folder / "gradients.safetensors")
        variant = largest.setdefault(case.split("-")[0], [0.0, 0.0])
        for (term, ours, theirs), (_, singles, _) in zip(rows(rust, exact), rows(single, exact)):
            ours_apart, single_apart = apart(ours, theirs), apart(singles, theirs)
            limit = TERMS
            if "stochastic" in case and term == "contraction":
                limit = DIFFERENCES
            else:
                variant[0] = max(variant[0], ours_apart)
            if not ours_apart <= limit:
                faults.append((case, term, ours_apart))
            print(
                f"{case:28}{term:28}{np.mean(ours):14.6f}{np.mean(theirs):14.6f}"
                f"{ours_apart:9.1e}{single_apart:9.1e}"
            )
        ours_apart, name = gradient_difference(rust_gradients, exact_gradients)
        single_apart, _ = gradient_difference(single_gradients, exact_gradients)
        variant[1] = max(variant[1], ours_apart)
        if not ours_apart <= GRADIENTS:
            faults.append((case, f"gradient of {name}", ours_apart))
        print(f"{case:28}{f'gradients ({len(exact_gradients)})':56}{ours_apart:9.1e}{single_apart:9.1e}")
        expected[case] = exact
    print("\nlargest relative difference of terms and of gradients")
    for variant, (term, gradient) in largest.items():
        print(f"{variant:28}{term:9.1e}{gradient:9.1e}")
    for case, term, difference in faults:
        print(f"FAULT {case}: {term} differs by {difference:.1e}")
    if faults:
        sys.exit(1)
    lines = [f'  "{case}": {json.dumps(numbers)}' for case, numbers in expected.items()]
    text = ",\n".join(lines)
    head = f'{{"torch": "{torch.__version__}", "precision": "float64", "cases": {{\n'
    Path(__file__).with_name("expected.json").write_text(head + text + "\n}}\n")


if __name__ == "__main__":
    main()
