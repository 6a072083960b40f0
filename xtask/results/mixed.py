"""A table of numbers and categories with gaps, from a distribution that is known, and how near a model comes.

    python mixed.py make mixed.csv 20000 1
    vae --dataset mixed.csv --out runs/mixed
    vae sample runs/mixed --count 20000 --out samples.csv
    python mixed.py check samples.csv
    python mixed.py make test.csv 2000 2
    python mixed.py truth test.csv
    cargo run --release -p vae-variants --example table_nll -- runs/mixed test.csv 5000

A row is of one of three groups; in a group two numbers are a correlated Gaussian pair, a third number is a Gaussian of
its own, and two categories are independent. A tenth of the cells is missing, whatever they hold. Needs NumPy.
"""
import csv
import math
import sys

import numpy as np

MISSING = 0.1
GROUPS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[170.0, 60.0], [180.0, 85.0], [150.0, 45.0]])
DEVIATIONS = np.array([[8.0, 6.0], [7.0, 10.0], [6.0, 5.0]])
CORRELATIONS = np.array([0.8, 0.6, 0.9])
AGE = (np.array([30.0, 50.0, 12.0]), np.array([6.0, 9.0, 3.0]))
COLORS = ["red", "green", "blue", "grey"]
COLOR = np.array([[0.6, 0.2, 0.15, 0.05], [0.1, 0.6, 0.2, 0.1], [0.05, 0.05, 0.3, 0.6]])
SIZES = ["small", "medium", "large"]
SIZE = np.array([[0.2, 0.6, 0.2], [0.05, 0.25, 0.7], [0.85, 0.13, 0.02]])
NAMES = ["height", "weight", "age", "color", "size"]


def draw(rng, rows):
    group = rng.choice(3, size=rows, p=GROUPS)
    a, b = rng.normal(size=(2, rows))
    rho = CORRELATIONS[group]
    height = MEANS[group, 0] + DEVIATIONS[group, 0] * a
    weight = MEANS[group, 1] + DEVIATIONS[group, 1] * (rho * a + np.sqrt(1 - rho**2) * b)
    age = AGE[0][group] + AGE[1][group] * rng.normal(size=rows)
    pick = lambda table: (rng.random((rows, 1)) > table.cumsum(1)[group]).sum(1)
    return np.column_stack([height, weight, age, pick(COLOR), pick(SIZE)])


def make(path, rows, seed):
    rng = np.random.default_rng(int(seed))
    rows = draw(rng, int(rows))
    gaps = rng.random(rows.shape) < MISSING
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(NAMES)
        for row, gap in zip(rows, gaps):
            cells = [f"{v:.3f}" for v in row[:3]] + [COLORS[int(row[3])], SIZES[int(row[4])]]
            out.writerow(["" if missing else cell for cell, missing in zip(cells, gap)])


def read(path):
    """Numbers and indices of levels; NaN where missing."""
    levels = {3: COLORS, 4: SIZES}
    with open(path) as file:
        rows = list(csv.reader(file))
    assert rows[0] == NAMES, rows[0]
    cell = lambda c, text: math.nan if text == "" else levels[c].index(text) if c in levels else float(text)
    return np.array([[cell(c, text) for c, text in enumerate(row)] for row in rows[1:]])


def normal(x, mean, deviation):
    return -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * math.log(2 * math.pi)


def log_prob(rows):
    """Of the observed cells, in the units of the table."""
    parts = []
    for g in range(3):
        x, y = rows[:, 0], rows[:, 1]
        rho, (sx, sy) = CORRELATIONS[g], DEVIATIONS[g]
        of_x, of_y = normal(x, MEANS[g, 0], sx), normal(y, MEANS[g, 1], sy)
        given = MEANS[g, 1] + rho * sy / sx * (x - MEANS[g, 0])
        both = of_x + normal(y, given, sy * math.sqrt(1 - rho**2))
        pair = np.where(np.isnan(y), of_x, np.where(np.isnan(x), of_y, both))
        total = np.log(GROUPS[g]) + np.nan_to_num(pair) + np.nan_to_num(normal(rows[:, 2], AGE[0][g], AGE[1][g]))
        for column, table in ((3, COLOR), (4, SIZE)):
            index = np.nan_to_num(rows[:, column]).astype(int)
            total += np.where(np.isnan(rows[:, column]), 0.0, np.log(table[g])[index])
        parts.append(total)
    return np.logaddexp.reduce(parts, axis=0)


def check(samples):
    samples = read(samples)
    for name, column, levels, probabilities in (("color", 3, COLORS, COLOR), ("size", 4, SIZES, SIZE)):
        truth = GROUPS @ probabilities
        share = np.bincount(samples[:, column].astype(int), minlength=len(levels)) / len(samples)
        text = ", ".join(f"{level} {s:.3f} ({t:.3f})" for level, s, t in zip(levels, share, truth))
        print(f"{name}: {text}; furthest {abs(share - truth).max():.3f}")
    exact = draw(np.random.default_rng(0), 1_000_000)
    pair = lambda rows: np.corrcoef(rows[:, 0], rows[:, 1])[0, 1]
    print(f"correlation of height and weight: {pair(samples):.3f} ({pair(exact):.3f})")
    for column, name in enumerate(NAMES[:3]):
        print(f"{name}: mean {samples[:, column].mean():.2f} ({exact[:, column].mean():.2f}), "
              f"deviation {samples[:, column].std():.2f} ({exact[:, column].std():.2f})")


def truth(path):
    print(f"-log p(x): {-log_prob(read(path)).mean():.4f}")


if __name__ == "__main__":
    {"make": make, "check": check, "truth": truth}[sys.argv[1]](*sys.argv[2:])
