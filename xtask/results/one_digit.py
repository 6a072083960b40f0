"""MNIST with one digit as what is usual, for `vae score`.

    python one_digit.py FOLDER OUT
    vae --preset anomaly --dataset OUT/train8.npz --out run8
    vae score run8 --dataset OUT/test8.npz --anomaly 1 --out scores8.csv

FOLDER has the four IDX files. For each digit it writes the training images of the digit, without labels, and all test
images, of which the other digits have the label 1. Needs NumPy.
"""
import gzip
import sys
from pathlib import Path

import numpy as np

folder, out = (Path(argument) for argument in sys.argv[1:3])
out.mkdir(parents=True, exist_ok=True)


def read(name, start):
    return np.frombuffer(gzip.open(folder / name).read(), np.uint8, offset=start)


train, test = (read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28) for part in ("train", "t10k"))
of_train, of_test = (read(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k"))
for digit in range(10):
    np.savez(out / f"train{digit}.npz", X=train[of_train == digit])
    np.savez(out / f"test{digit}.npz", X=test, y=(of_test != digit).astype(np.uint8))
