"""`vae complete` beside simple ways to fill what is missing.

Half of the cells of a table, removed at random:

    python complete.py table make cardio.npz cardio 1
    vae --dataset cardio/gaps.csv --out cardio/run --threads 1
    vae complete cardio/run --dataset cardio/gaps.csv --out cardio/filled.csv --threads 1
    python complete.py table score cardio

`make` takes the table `X` of the file, leaves out constant columns, removes cells with the seed, drops rows of which
nothing is left, and writes gaps.csv and truth.npy; the model sees gaps.csv alone. `score` prints the root mean squared error
over the removed cells, in standard deviations of the whole column, of the column means, of scikit-learn's
KNNImputer(5) and IterativeImputer() on standardised columns, and of filled.csv. `score FOLDER FILE...` scores other files.

The lower half of MNIST test digits:

    vae --dataset mnist --epochs 20 --out mnist --threads 1
    vae complete mnist --dataset mnist --split test --hide lower --out lower.npy --threads 1
    python complete.py digits FOLDER lower.npy

FOLDER has the four IDX files. It prints the mean squared error of a pixel of the lower half of the mean image of the 60,000
training digits, of the training digit whose upper half is nearest (Euclidean), and of lower.npy, over as many test digits as
that has (`--first N` completes the first N).

Needs NumPy, and scikit-learn for tables.
"""
import csv
import gzip
import sys
import warnings
from pathlib import Path

import numpy as np


def make(table, folder, seed):
    rng = np.random.default_rng(int(seed))
    rows = np.asarray(np.load(table)["X"], dtype=np.float32).astype(float)
    rows = rows[:, rows.std(0) > 0]
    gaps = np.where(rng.random(rows.shape) < 0.5, np.nan, rows)
    some = ~np.isnan(gaps).all(1)
    rows, gaps = rows[some], gaps[some]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = ",".join(f"x{i}" for i in range(rows.shape[1]))
    cell = lambda value: "" if np.isnan(value) else repr(float(np.float32(value)))
    lines = [",".join(map(cell, row)) for row in gaps]
    (folder / "gaps.csv").write_text("\n".join([names, *lines]) + "\n")
    np.save(folder / "truth.npy", rows)
    print(f"{len(rows)} rows, {rows.shape[1]} columns, {np.isnan(gaps).mean():.1%} of the cells removed")


def read(path):
    with open(path, newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    return np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])


def score(folder, *files):
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

    folder = Path(folder)
    truth, gaps = np.load(folder / "truth.npy"), read(folder / "gaps.csv")
    removed = np.isnan(gaps)
    spread = truth.std(0)
    offset, scale = np.nanmean(gaps, 0), np.nanstd(gaps, 0)
    scale[scale == 0] = 1
    standard = (gaps - offset) / scale

    def error(filled):
        assert filled.shape == truth.shape and not np.isnan(filled).any()
        assert (filled[~removed].astype(np.float32) == gaps[~removed].astype(np.float32)).all()
        return np.sqrt((((filled - truth) / spread)[removed] ** 2).mean())

    def imputed(by):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled = by.fit_transform(standard) * scale + offset
        return np.where(removed, filled, gaps)

    names = files or ["filled.csv"]
    if not files or files[0] != "only":
        ways = {"column means": SimpleImputer(), "KNNImputer(5)": KNNImputer(n_neighbors=5)}
        ways["IterativeImputer()"] = IterativeImputer(random_state=0)
        for name, way in ways.items():
            print(f"{folder.name} {name}: {error(imputed(way)):.4f}", flush=True)
    for name in [name for name in names if name != "only"]:
        print(f"{folder.name} {name}: {error(read(folder / name)):.4f}", flush=True)


def images(path):
    data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    return np.frombuffer(data, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255


def digits(folder, completed):
    find = lambda name: next(path for path in [Path(folder) / name, Path(folder) / f"{name}.gz"] if path.exists())
    train, test = (images(find(f"{part}-images-idx3-ubyte")) for part in ("train", "t10k"))
    found, half = np.load(completed).reshape(-1, 784), 392
    test = test[: len(found)]
    upper, lower = test[:, :half], test[:, half:]
    error = lambda of: ((of - lower) ** 2).mean()
    assert (found[:, :half] == upper).all(), "the given half has changed"
    print(f"{len(test)} digits, mean image: {error(train[:, half:].mean(0)):.5f}")
    print(f"{completed}: {error(found[:, half:]):.5f}", flush=True)
    squares = (train[:, :half] ** 2).sum(1)
    nearest = [(squares - 2 * part @ train[:, :half].T).argmin(1) for part in np.array_split(upper, 20)]
    print(f"nearest training digit: {error(train[np.concatenate(nearest)][:, half:]):.5f}")


if __name__ == "__main__":
    commands = {"make": make, "score": score}
    match sys.argv[1:]:
        case ["table", command, *rest]:
            commands[command](*rest)
        case ["digits", *rest]:
            digits(*rest)
        case _:
            sys.exit(__doc__)
