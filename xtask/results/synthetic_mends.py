"""What brings samples of a table nearer to it, tried outside of the program; scored by synthetic.py.

    python synthetic_mends.py gauss train.csv gauss.csv
    vae --dataset gauss.csv --out runs/gauss --test 0 --validation 0.05 --unseen other
    vae sample runs/gauss --count 65536 --draw sample --out z.csv
    python synthetic_mends.py back train.csv z.csv many.csv
    python synthetic_mends.py rake train.csv many.csv raked.csv 26048
    python synthetic_mends.py calibrate train.csv raked.csv ours.csv

gauss: numbers become the normal quantiles of their ranks, equal ones in random order, and missing text a level.
back: the inverse, by the quantiles of the column; between its values where most of them occur once.
round: numbers to the decimals and the range of the column.
calibrate: the ranks of a sampled column into the quantiles of the real one.
rake: a choice of the rows in which the shares of the levels of each text are those of the table (iterative
proportional fitting, then systematic sampling by the weights).
"""
import sys

import numpy as np
import pandas as pd
from scipy.stats import norm

from synthetic import MISSING, read, texts

ROUNDS = 30


def share_below(x, rng):
    """Of each number; equal ones share their interval out at random."""
    known = np.flatnonzero(np.isfinite(x))
    order = known[np.lexsort((rng.random(len(known)), x[known]))]
    shares = np.full(len(x), np.nan)
    shares[order] = (np.arange(len(order)) + 0.5) / len(order)
    return shares


def quantiles(column, shares):
    known = np.sort(column[np.isfinite(column)])
    at = shares * len(known) - 0.5
    if len(np.unique(known)) < len(known) / 2:
        # A value that is repeated is one of the column's own.
        at = np.clip(np.rint(np.nan_to_num(at)), 0, len(known) - 1)
    return np.where(np.isfinite(shares), np.interp(at, np.arange(len(known)), known), np.nan)


def decimals(x):
    x = x[np.isfinite(x)]
    return next((d for d in range(7) if np.allclose(np.round(x, d), x, rtol=0, atol=1e-9 * np.abs(x).max())), 15)


def by_column(real, table, change):
    """`change` of the column and the sampled column, for each of numbers; whole ones stay whole."""
    for name in real.columns.difference(texts(real)):
        numbers = change(real[name].to_numpy(float), table[name].to_numpy(float))
        whole = real[name].dtype.kind == "i" and np.isfinite(numbers).all()
        table[name] = np.rint(numbers).astype(int) if whole else numbers
    return table


def gauss(real, out, seed="7"):
    table, rng = read(real), np.random.default_rng(int(seed))
    names = texts(table)
    for name in table.columns.difference(names):
        table[name] = norm.ppf(share_below(table[name].to_numpy(float), rng)).round(5)
    table.fillna({name: MISSING for name in names}).to_csv(out, index=False)


def back(real, samples, out):
    table = read(samples).replace(MISSING, np.nan)
    by_column(read(real), table, lambda r, s: quantiles(r, norm.cdf(s))).to_csv(out, index=False)


def rounded(real, samples, out):
    fit = lambda r, s: np.round(np.clip(s, np.nanmin(r), np.nanmax(r)), decimals(r))
    by_column(read(real), read(samples), fit).to_csv(out, index=False)


def calibrate(real, samples, out, seed="7"):
    rng = np.random.default_rng(int(seed))
    by_column(read(real), read(samples), lambda r, s: quantiles(r, share_below(s, rng))).to_csv(out, index=False)


def rake(real, samples, out, count, seed="7"):
    real, table, rng = read(real), read(samples), np.random.default_rng(int(seed))
    weights = np.ones(len(table))
    columns = []
    for name in texts(real):
        levels = pd.Index(real[name].dropna().unique())
        width = len(levels) + 1  # the last one is missing: an index of -1
        index = [levels.get_indexer(of[name]) % width for of in (real, table)]
        columns.append((np.bincount(index[0], minlength=width) / len(real), index[1]))
    for _ in range(ROUNDS):
        for shares, index in columns:
            own = np.bincount(index, weights=weights, minlength=len(shares)) / weights.sum()
            weights *= np.clip(shares / np.maximum(own, 1e-300), 0.2, 5.0)[index]
    count = int(count)
    places = (np.arange(count) + rng.random()) / count
    rows = np.searchsorted(weights.cumsum() / weights.sum(), places).clip(max=len(table) - 1)
    table.iloc[rng.permutation(rows)].to_csv(out, index=False)


if __name__ == "__main__":
    commands = {"gauss": gauss, "back": back, "round": rounded, "calibrate": calibrate, "rake": rake}
    commands[sys.argv[1]](*sys.argv[2:])
