"""Half of the cells of a table removed at random: is a model that knows of gaps better than one of column means?

    python gaps.py cardio.npz work 1
    vae --dataset work/gaps.csv --out work/gaps
    vae --config work/gaps/config.toml --dataset work/means.csv --likelihood per-column --out work/means
    cargo run --release -p vae-variants --example table_nll -- work/gaps work/test.csv 1000
    cargo run --release -p vae-variants --example table_nll -- work/means work/test.csv 1000

The first file holds the table as `X`. A fifth of its rows, with half of their cells removed too, is test.csv: the last two
commands print -log p of the cells that are left there, in the units of the table. gaps.csv has the other rows with empty cells,
means.csv the same with the column's mean in them. Needs NumPy.
"""
import sys
from pathlib import Path

import numpy as np


def write(path, rows):
    names = ",".join(f"x{i}" for i in range(rows.shape[1]))
    cell = lambda value: "" if np.isnan(value) else repr(float(np.float32(value)))
    lines = [",".join(map(cell, row)) for row in rows]
    path.write_text("\n".join([names, *lines]) + "\n")


def main(table, folder, seed):
    rng = np.random.default_rng(int(seed))
    rows = np.asarray(np.load(table)["X"], dtype=float)
    rows = rng.permutation(rows)[:, rows.std(0) > 0]
    rows[rng.random(rows.shape) < 0.5] = np.nan
    rows = rows[~np.isnan(rows).all(1)]
    test, train = np.split(rows, [len(rows) // 5])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "test.csv", test)
    write(folder / "gaps.csv", train)
    write(folder / "means.csv", np.where(np.isnan(train), np.nanmean(train, 0), train))
    print(f"{len(train)} rows to train on, {len(test)} to test, {rows.shape[1]} columns")


if __name__ == "__main__":
    main(*sys.argv[1:])
