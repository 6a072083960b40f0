"""Synthetic tables: how near to a table are samples, by SDMetrics, beside TVAE of the package ctgan.

    python synthetic.py adult adult.csv fairness-0.1.8-py3-none-any.whl
    python synthetic.py numbers cardio.csv cardio.npz
    python synthetic.py split adult.csv train.csv test.csv
    python synthetic.py tvae train.csv tvae.csv 1
    vae --dataset train.csv --out runs/adult --test 0 --validation 0.05 --threads 1
    vae sample runs/adult --count 26048 --draw sample --out ours.csv
    python synthetic.py score train.csv tvae.csv ours.csv
    python synthetic.py score test.csv tvae.csv ours.csv

The census table "Adult" (Becker and Kohavi 1996, UCI, CC BY 4.0) is in the package fairness, `pip download --no-deps
fairness==0.1.8`; its question marks become missing cells. Needs ctgan 0.12, sdmetrics 0.32; TVAE runs on one thread.
"""
import os
import sys
import time
import zipfile

import numpy as np
import pandas as pd

MISSING = "(missing)"


def read(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def adult(path, wheel):
    with zipfile.ZipFile(wheel) as package, package.open("fairness/data/raw/adult.csv") as file:
        pd.read_csv(file, na_values="?", skipinitialspace=True).to_csv(path, index=False)


def numbers(path, npz):
    rows = np.load(npz)["X"]
    pd.DataFrame(rows, columns=[f"x{i}" for i in range(rows.shape[1])]).to_csv(path, index=False)


def split(path, train, test, seed="0"):
    """Four fifths and one fifth of the rows, in random order."""
    table = read(path)
    order = np.random.default_rng(int(seed)).permutation(len(table))
    cut = len(table) * 4 // 5
    table.iloc[order[:cut]].to_csv(train, index=False)
    table.iloc[order[cut:]].to_csv(test, index=False)


def texts(table):
    return [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]


def tvae(train, out, seed="1", epochs="300"):
    """The defaults of ctgan, which knows no missing cells: for text they are a category of their own."""
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"
    import torch
    from ctgan import TVAE

    torch.set_num_threads(1)
    torch.manual_seed(int(seed))
    np.random.seed(int(seed))
    table = read(train)
    names = texts(table)
    start, processor = time.time(), time.process_time()
    model = TVAE(epochs=int(epochs), enable_gpu=False)
    model.fit(table.fillna({name: MISSING for name in names}), names)
    seconds, processor = time.time() - start, time.process_time() - processor
    print(f"TVAE, {epochs} epochs: {seconds:.1f} s, {processor:.1f} s of the processor")
    model.sample(len(table)).replace(MISSING, np.nan).to_csv(out, index=False)


def report_of(real, table, least):
    """Quality report of SDMetrics; of trends, pairs above its thresholds alone where `least` is set."""
    from sdmetrics.reports.single_table import QualityReport

    names = texts(real)
    kinds = {name: {"sdtype": "categorical" if name in names else "numerical"} for name in real}
    report = QualityReport()
    if not least:
        report.real_correlation_threshold = report.real_association_threshold = 0
    as_text = {name: object for name in names}
    report.generate(real, table[list(real)].astype(as_text), {"columns": kinds}, verbose=False)
    return report


def score(real, *samples):
    """Scores of tables; then shape and mean trend of each of their columns."""
    real = read(real)
    columns = {}
    for path in samples:
        table = read(path)
        report = report_of(real, table, least=False)
        parts = report.get_properties().set_index("Property")["Score"]
        shape, trend = parts["Column Shapes"], parts["Column Pair Trends"]
        print(f"{path}: shape {shape:.4f}, trend {trend:.4f}, overall {report.get_score():.4f}; "
              f"as the report is by default {report_of(real, table, least=True).get_score():.4f}")
        shapes = report.get_details("Column Shapes").set_index("Column")["Score"]
        trends = report.get_details("Column Pair Trends")
        ends = pd.concat([trends.set_index(end)["Score"] for end in ("Column 1", "Column 2")])
        columns[path] = shapes.map("{:.3f}".format) + " " + ends.groupby(level=0).mean().map("{:.3f}".format)
    print(pd.DataFrame(columns).loc[list(real)].to_string())


if __name__ == "__main__":
    commands = {"adult": adult, "numbers": numbers, "split": split, "tvae": tvae, "score": score}
    commands[sys.argv[1]](*sys.argv[2:])
