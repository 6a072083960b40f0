"""Writes expected.json: what the tests of the distributions compare with; needs NumPy and SciPy.

Parameters are rounded to single precision, as the tests read them, and all else is in double precision.
`slope` is how much the log-probability moves when a rate, a mean or a dispersion moves by a part of itself: times
the rounding of single precision, it is an error that no formula avoids.
"""

import json
from pathlib import Path

import numpy as np
from scipy import special, stats

single = lambda x: float(np.float32(x))


def case(kind, parameters, value, log_prob, cdf, mean, slope=0.0):
    """One feature, or one row for those whose features belong together."""
    listed = lambda x: np.atleast_1d(np.asarray(x, dtype=float)).tolist()
    return {
        "kind": kind,
        "parameters": {name: listed(x) for name, x in parameters.items()},
        "value": listed(value),
        "log_prob": float(log_prob),
        "cdf": listed(cdf),
        "mean": listed(mean),
        "slope": float(slope),
    }


def counts_around(mean, deviation):
    """Zero, one, the middle, and both tails."""
    far = [mean + step * deviation for step in (-6, -3, -1, 0, 1, 3, 6)]
    return sorted({0, 1} | {round(k) for k in far if k >= 0} | {round(20 * mean)})


def poisson():
    for rate in (1e-4, 1e-2, 0.5, 1, 3, 10, 100, 1e3, 1e4, 1e6):
        log_rate = single(np.log(rate))
        rate = np.exp(log_rate)
        for k in counts_around(rate, np.sqrt(rate)):
            of = stats.poisson(rate)
            yield case("poisson", {"given": log_rate}, k, of.logpmf(k), of.cdf(k), rate, abs(k - rate))


def negative_binomial(mean, theta):
    """The log-probability, the distribution function, and the slope by both parameters."""
    of = stats.nbinom(theta, theta / (theta + mean))

    def slope(k):
        by_mean = theta * (k - mean) / (theta + mean)
        by_theta = theta * (
            special.digamma(k + theta)
            - special.digamma(theta)
            + np.log(theta / (theta + mean))
            + (mean - k) / (theta + mean)
        )
        return abs(by_mean) + abs(by_theta)

    return of, slope


def negative_binomials():
    for mean in (1e-4, 0.1, 1, 20, 1e3, 1e6):
        for theta in (1e-2, 0.3, 1, 10, 1e3, 1e4):
            log_mean, log_theta = single(np.log(mean)), single(np.log(theta))
            mu, inverse = np.exp(log_mean), np.exp(log_theta)
            of, slope = negative_binomial(mu, inverse)
            for k in counts_around(mu, np.sqrt(mu + mu**2 / inverse)):
                given = {"given": log_mean, "log_theta": log_theta}
                # Above 2^24 single precision does not have all whole numbers.
                k = int(np.float32(k))
                yield case("negative-binomial", given, k, of.logpmf(k), of.cdf(k), mu, slope(k))
                if mean in (0.1, 20, 1e6) and theta in (1e-2, 1, 1e4):
                    for logit in (-20.0, -3.0, 0.0, 2.0, 20.0):
                        zeros = special.expit(logit)
                        log_prob = special.log_expit(-logit) + of.logpmf(k)
                        if k == 0:
                            log_prob = np.logaddexp(special.log_expit(logit), log_prob)
                        cdf = zeros + special.expit(-logit) * of.cdf(k)
                        yield case(
                            "zero-inflated-negative-binomial",
                            given | {"given": [log_mean, logit]},
                            k,
                            log_prob,
                            cdf,
                            special.expit(-logit) * mu,
                            slope(k),
                        )


def multinomial():
    for logits in ([0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [10.0, 0.0, -10.0], [0.0, -30.0, 3.0], [2.0]):
        logits = [single(x) for x in logits]
        p = special.softmax(logits)
        for counts in ([0, 0, 0], [1, 0, 0], [0, 0, 1], [3, 1, 7], [200, 30, 10], [100000, 20000, 1]):
            counts = counts[: len(logits)]
            total = sum(counts)
            log_p = special.log_softmax(logits)
            log_prob = special.gammaln(total + 1) + np.dot(counts, log_p) - special.gammaln(np.add(counts, 1)).sum()
            cdf = stats.binom(total, np.minimum(p, 1)).cdf(counts)
            slope = np.abs(np.subtract(counts, total * p)).sum()
            yield case("multinomial", {"given": logits}, counts, log_prob, cdf, total * p, slope)


def categorical():
    random = np.random.default_rng(1)
    for scale in (0.0, 1.0, 20.0):
        logits = [single(x) for x in scale * random.standard_normal(256)]
        p = special.softmax(logits)
        for k in (0, 1, 100, 254, 255):
            log_prob = special.log_softmax(logits)[k]
            mean = np.dot(p, np.arange(256)) / 255
            yield case("categorical", {"given": logits}, k / 255, log_prob, p[: k + 1].sum(), mean)


def discretized_logistic():
    edges = (np.arange(255) + 0.5) / 255
    for log_scale in (-7.0, -5.0, -3.0, -1.0, 0.0, 3.0):
        for mean in (-5.0, -0.3, 0.0, 0.1, 0.5, 0.503, 1.0, 1.7, 4.0):
            mean = single(mean)
            z = (edges - mean) / np.exp(log_scale)
            below = np.concatenate([[-np.inf], special.log_expit(z), [0.0]])
            above = np.concatenate([[0.0], special.log_expit(-z), [-np.inf]])
            # In the tail in which the difference is of small numbers.
            with np.errstate(invalid="ignore", divide="ignore"):
                lower = below[1:] + np.log1p(-np.exp(below[:-1] - below[1:]))
                upper = above[:-1] + np.log1p(-np.exp(above[1:] - above[:-1]))
            log_p = np.where(below[:-1] > np.log(0.5), upper, lower)
            expectation = np.dot(np.exp(log_p), np.arange(256)) / 255
            for k in (0, 1, 20, 127, 128, 200, 254, 255):
                cdf = np.exp(below[k + 1])
                slope = (1 + abs(mean)) / np.exp(log_scale)
                given = {"given": [mean, log_scale]}
                yield case("discretized-logistic", given, k / 255, log_p[k], cdf, expectation, slope)


def per_column():
    """Number, three levels, number, one level."""
    for given in ([0.5, 0.1, -2.0, 3.0, -7.0, 0.4], [-100.0, 0.0, 0.0, 50.0, 0.01, -4.0]):
        for log_sigma in ([0.0, 0.0], [-3.0, 2.0], [-20.0, 1.0]):
            given, log_sigma = ([single(x) for x in of] for of in (given, log_sigma))
            sigma = np.exp(np.logaddexp(0, np.add(log_sigma, 6)) - 6)
            row = [single(x) for x in (0.3, 0, 0, 1, -7.2, 1)]
            log_prob = (
                stats.norm(given[0], sigma[0]).logpdf(row[0])
                + special.log_softmax(given[1:4])[2]
                + stats.norm(given[4], sigma[1]).logpdf(row[4])
            )
            mean = [given[0], *special.softmax(given[1:4]), given[4], 1.0]
            z = np.subtract([row[0], row[4]], [given[0], given[4]]) / sigma
            yield case("per-column", {"given": given, "log_sigma": log_sigma}, row, log_prob, [], mean, (z**2).sum())


def student_t():
    """As per_column, the numbers with 3 degrees of freedom; the parameter is a fifth of the logarithm of the scale."""
    for given in ([0.5, 0.1, -2.0, 3.0, -7.0, 0.4], [-100.0, 0.0, 0.0, 50.0, 0.01, -4.0]):
        for log_scale in ([0.0, 0.0], [-0.6, 0.4], [-4.0, 0.2]):
            given, log_scale = ([single(x) for x in of] for of in (given, log_scale))
            scale = np.exp(np.logaddexp(0, np.multiply(5, log_scale) + 3) - 3)
            row = [single(x) for x in (0.3, 0, 0, 1, -7.2, 1)]
            log_prob = (
                stats.t(3, given[0], scale[0]).logpdf(row[0])
                + special.log_softmax(given[1:4])[2]
                + stats.t(3, given[4], scale[1]).logpdf(row[4])
            )
            mean = [given[0], *special.softmax(given[1:4]), given[4], 1.0]
            yield case("student-t", {"given": given, "log_sigma": log_scale}, row, log_prob, [], mean, 10.0)


def gamma():
    for x in np.concatenate([np.logspace(-3, 7, 201), [0.5, 1, 1.0001, 1.5, 2, 2.0001, 3]]):
        x = single(x)
        yield {"x": x, "ln_gamma": float(special.gammaln(x)), "digamma": float(special.digamma(x))}


makers = (poisson, negative_binomials, multinomial, categorical, discretized_logistic, per_column, student_t)
cases = [case for make in makers for case in make()]
assert all(np.isfinite(case["log_prob"]) for case in cases)
lines = lambda items: ",\n".join(json.dumps(item) for item in items)
text = f'{{"cases": [\n{lines(cases)}\n],\n"gamma": [\n{lines(list(gamma()))}\n]}}\n'
Path(__file__).with_name("expected.json").write_text(text)
print(len(cases), "cases")
