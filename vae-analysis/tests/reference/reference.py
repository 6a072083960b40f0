"""Writes expected.json: what scikit-learn, SciPy, scikit-image and SDMetrics say to the inputs that are stored beside it.

    pip install scikit-learn scikit-image sdmetrics
    python reference.py
"""

import json
import pathlib
import warnings

import numpy as np
import pandas as pd
from scipy import ndimage, stats
from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
from sdmetrics.single_column import KSComplement, TVComplement
from skimage import metrics
from sklearn import covariance, decomposition, linear_model, metrics as ranking, mixture, neighbors

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)


def rows(values, decimals=2):
    """Rounded, so that the file is small and single precision holds what is computed here."""
    return np.round(values, decimals).astype(np.float32).astype(np.float64)


def table(values):
    # Rounded values have exact short forms: the nearest single is the same number again.
    return [[float(np.format_float_positional(np.float32(v), unique=True)) for v in row] for row in values]


out = {}

# A Gaussian.
x = rows(rng.normal(size=(60, 3)) @ np.array([[2, 0.5, 0], [0, 1, -1], [0, 0, 0.3]]) + [5, -2, 100])
plain = covariance.EmpiricalCovariance().fit(x)
shrunk = covariance.shrunk_covariance(plain.covariance_, 0.2)
gaussian = stats.multivariate_normal(plain.location_, plain.covariance_)
out["gaussian"] = {
    "rows": table(x),
    "mean": plain.location_.tolist(),
    "covariance": plain.covariance_.tolist(),
    "shrunk_0.2": shrunk.tolist(),
    "distances": plain.mahalanobis(x).tolist(),
    "log_prob": gaussian.logpdf(x).tolist(),
}

# Principal components, and those of fewer rows than columns.
wide = rows(rng.normal(size=(6, 9)))
out["pca"] = []
for values, count in [(x, 2), (wide, 4)]:
    pca = decomposition.PCA(count, svd_solver="full").fit(values)
    signs = np.sign(pca.components_[np.arange(count), np.abs(pca.components_).argmax(1)])
    out["pca"].append({
        "rows": table(values),
        "components": (pca.components_ * signs[:, None]).tolist(),
        "explained_variance": pca.explained_variance_.tolist(),
        "explained_ratio": pca.explained_variance_ratio_.tolist(),
        "transformed": (pca.transform(values) * signs).tolist(),
    })

# A mixture that was given, and one that was fitted.
weights = np.array([0.3, 0.7])
means = np.array([[0.0, 1.0], [2.0, -1.0]])
covariances = np.array([[[1.0, 0.2], [0.2, 0.5]], [[0.4, -0.1], [-0.1, 2.0]]])
points = rows(rng.normal(size=(12, 2)) * 2)
density = sum(w * stats.multivariate_normal(m, c).pdf(points) for w, m, c in zip(weights, means, covariances))
blobs = rows(np.concatenate([
    rng.normal(size=(50, 2)) @ np.array([[1, 0.4], [0, 0.6]]) + [4, 0],
    rng.normal(size=(70, 2)) @ np.array([[0.5, 0], [0.1, 1.5]]) + [-3, 5],
    rng.normal(size=(40, 2)) * 0.7 + [0, -6],
]))
fitted = mixture.GaussianMixture(3, n_init=5, tol=1e-9, max_iter=1000, reg_covar=1e-9, random_state=0).fit(blobs)
order = np.argsort(fitted.weights_)
out["mixture"] = {
    "weights": weights.tolist(),
    "means": means.tolist(),
    "covariances": covariances.tolist(),
    "points": table(points),
    "log_prob": np.log(density).tolist(),
    "blobs": table(blobs),
    "fitted_weights": fitted.weights_[order].tolist(),
    "fitted_means": fitted.means_[order].tolist(),
    "fitted_covariances": fitted.covariances_[order].tolist(),
    "fitted_mean_log_prob": fitted.score(blobs),
}

# Ranking, with ties.
positive = rng.random(80) < 0.3
scores = np.round(rng.normal(size=80) + positive, 1)
fpr, tpr, thresholds = ranking.roc_curve(positive, scores)
quantiles = [0.0, 0.05, 0.5, 0.973, 1.0]
out["ranking"] = {
    "scores": scores.tolist(),
    "positive": positive.tolist(),
    "auroc": ranking.roc_auc_score(positive, scores),
    "average_precision": ranking.average_precision_score(positive, scores),
    "false_positive_rates": fpr.tolist(),
    "true_positive_rates": tpr.tolist(),
    "thresholds": thresholds[1:].tolist(),
    "quantiles": [[q, float(np.quantile(scores, q))] for q in quantiles],
}

# A probe on columns of very different scales, one of them constant, and neighbours of its rows.
labels = rng.integers(0, 3, 150)
centres = np.array([[0, 10, 1], [1, 60, 1], [2, 20, 1]])
probe = rows(centres[labels] + rng.normal(size=(150, 3)) * [0.8, 25, 0])
train, test = slice(0, 100), slice(100, 150)
deviation = probe[train].std(0)
scale = lambda v: (v - probe[train].mean(0)) / np.where(deviation > 0, deviation, 1)
penalty = 0.01
logistic = linear_model.LogisticRegression(C=1 / (penalty * 100), tol=1e-10, max_iter=10000)
logistic.fit(scale(probe[train]), labels[train])
predicted = logistic.predict(scale(probe[test]))
correct = int((predicted == labels[test]).sum())
interval = stats.binomtest(correct, 50).proportion_ci(method="wilson")
knn = neighbors.NearestNeighbors(n_neighbors=5, algorithm="brute").fit(probe[train])
distances, indices = knn.kneighbors(probe[test])
out["probe"] = {
    "rows": table(probe),
    "labels": labels.tolist(),
    "train": 100,
    "penalty": penalty,
    "weights": logistic.coef_.T.tolist(),
    "biases": logistic.intercept_.tolist(),
    "predicted": predicted.tolist(),
    "correct": correct,
    "low": interval.low,
    "high": interval.high,
    "neighbours": indices.tolist(),
    "distances": distances.tolist(),
}

# Images.
out["images"] = []
for channels, height, width, peak in [(1, 13, 16, 1.0), (3, 11, 12, 255.0), (2, 5, 6, 1.0)]:
    image = rows(rng.random((channels, height, width)) * peak)
    other = rows(np.clip(image + rng.normal(size=image.shape) * peak * 0.1, 0, peak))
    size = min(11, *(n - 1 + n % 2 for n in (height, width)))
    if size == 11:
        similarity = np.mean([
            metrics.structural_similarity(
                a, b, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
            for a, b in zip(image, other)
        ])
    else:
        # scikit-image takes no window below 11 with these weights: the formula by whole windows.
        span = np.arange(size) - size // 2
        kernel = np.exp(-(span[:, None] ** 2 + span**2) / 4.5)
        kernel /= kernel.sum()
        values = []
        for a, b in zip(image, other):
            for i in range(height - size + 1):
                for j in range(width - size + 1):
                    p, q = (v[i : i + size, j : j + size] for v in (a, b))
                    mp, mq = (kernel * p).sum(), (kernel * q).sum()
                    vp, vq = (kernel * (p - mp) ** 2).sum(), (kernel * (q - mq) ** 2).sum()
                    pq = (kernel * (p - mp) * (q - mq)).sum()
                    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
                    values.append(
                        (2 * mp * mq + c1) * (2 * pq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
                    )
        similarity = np.mean(values)
    out["images"].append({
        "shape": [channels, height, width],
        "peak": peak,
        "image": table(image.reshape(channels, -1)),
        "other": table(other.reshape(channels, -1)),
        "psnr": metrics.peak_signal_noise_ratio(image, other, data_range=peak),
        "ssim": float(similarity),
        "median_3": table([ndimage.median_filter(p, 3, mode="reflect").ravel() for p in image]),
        "median_5": table([ndimage.median_filter(p, 5, mode="reflect").ravel() for p in image]),
    })

# Tables: two columns of numbers and two of categories, with gaps.
def made(count, slope, shares):
    a = rng.normal(size=count)
    b = slope * a + rng.normal(size=count)
    c = rng.choice(len(shares), size=count, p=shares).astype(float)
    d = ((a > 0) ^ (rng.random(count) < 0.2)).astype(float)
    columns = {"a": np.round(a, 2), "b": np.round(b, 2), "c": c, "d": d}
    for values in columns.values():
        values[rng.random(count) < 0.08] = np.nan
    return pd.DataFrame(columns)


real = made(60, 0.8, [0.5, 0.3, 0.2, 0.0])
synthetic = made(45, 0.2, [0.3, 0.3, 0.3, 0.1])
numbers = ["a", "b"]
shapes = [
    (KSComplement if name in numbers else TVComplement).compute(real[name], synthetic[name]) for name in real.columns
]
trends = []
for i, first in enumerate(real.columns):
    for second in real.columns[i + 1 :]:
        pair = [first, second]
        continuous = [name for name in pair if name in numbers]
        if len(continuous) == 2:
            score = CorrelationSimilarity.compute(real[pair], synthetic[pair])
        else:
            score = ContingencySimilarity.compute(
                real[pair].copy(), synthetic[pair].copy(), continuous_column_names=continuous
            )
        trends.append(float(score))
listed = lambda data: [[None if np.isnan(v) else float(v) for v in data[name]] for name in data.columns]
out["fidelity"] = {
    "real": listed(real),
    "synthetic": listed(synthetic),
    "shapes": [float(s) for s in shapes],
    "trends": trends,
}

path = pathlib.Path(__file__).with_name("expected.json")
path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}\n")
