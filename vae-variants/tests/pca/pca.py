"""Principal component analysis of the data of tests/pca.rs, by singular value decomposition.

    PCA_DATA=../target/pca.csv cargo test -p vae-variants --test models pca -- --ignored
    python vae-variants/tests/pca/pca.py target/pca.csv

Writes expected.json beside
this script.
"""

import json
import sys
from pathlib import Path

import numpy as np

LATENT = 3

data = np.loadtxt(sys.argv[1], delimiter=",", dtype=np.float32).astype(np.float64)
mean = data.mean(axis=0)
_, singular, directions = np.linalg.svd(data - mean, full_matrices=False)
error = float((singular[LATENT:] ** 2).sum() / len(data))

# The same by projecting, and from the covariance's eigenvalues.
basis = directions[:LATENT]
centred = data - mean
projected = ((centred - centred @ basis.T @ basis) ** 2).sum() / len(data)
eigenvalues = np.linalg.eigvalsh(np.cov(data.T, bias=True))
assert np.isclose(projected, error, rtol=1e-10)
assert np.isclose(eigenvalues[:-LATENT].sum(), error, rtol=1e-10)

expected = {
    "numpy": np.__version__,
    "examples": data.shape[0],
    "features": data.shape[1],
    "squared_error": error,
    "variances": (singular**2 / len(data)).tolist(),
    "directions": basis.tolist(),
    "mean": mean.tolist(),
}
target = Path(__file__).with_name("expected.json")
target.write_text(json.dumps(expected, indent=1) + "\n")
print(f"{target.name}: squared error {error:.6f}, variances {np.round(expected['variances'], 3)}")
