"""The Frechet distance of samples from the test images, in the features of a small classifier:

    vae sample RUN --count 10000 --out samples.npy
    python xtask/results/frechet.py DIR samples.npy...

DIR holds the four IDX files of MNIST or Fashion-MNIST, unpacked or as .gz. A convolutional network is
trained on its training split, at first use, and kept in DIR-NAME.pt of the working folder; its accuracy
on the test split is printed. The distance is that of two Gaussians fitted to the 128 numbers before its
last layer (Heusel 2017, eq. 6):

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)).

This is NOT the distance in the features of an Inception network that papers call FID: compare figures of
this script with each other only. The first row compares the training images with the test images: no
model is expected to come below it. Needs torch and numpy."""

import gzip
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FEATURES = 128
EPOCHS = 6


def idx(folder, name, header):
    path = folder / name
    data = path.read_bytes() if path.exists() else gzip.open(f"{path}.gz").read()
    return np.frombuffer(data, np.uint8)[header:]


def split(folder, name):
    images = idx(folder, f"{name}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    labels = idx(folder, f"{name}-labels-idx1-ubyte", 8)
    return torch.tensor(images / 255, dtype=torch.float32), torch.tensor(labels.astype(np.int64))


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.25), nn.Linear(64 * 49, FEATURES), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Linear(FEATURES, 10)

    def forward(self, x):
        return self.last(self.body(x))


def trained(images, labels):
    torch.manual_seed(1)
    model = Classifier()
    steps = len(images) // 128
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, EPOCHS * steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(images))
        for step in range(steps):
            chosen = order[step * 128 : (step + 1) * 128]
            optimizer.zero_grad()
            F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    return model


@torch.no_grad()
def outputs(network, images):
    return torch.cat([network(part) for part in images.split(500)])


def gaussian(model, images):
    features = outputs(model.body, images).double().numpy()
    return features.mean(0), np.cov(features, rowvar=False)


def distance(one, other):
    (m, c), (n, d) = one, other
    values, vectors = np.linalg.eigh(c)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    # The eigenvalues of C C' are those of the symmetric C^(1/2) C' C^(1/2).
    common = np.sqrt(np.clip(np.linalg.eigvalsh(root @ d @ root), 0, None)).sum()
    return ((m - n) ** 2).sum() + np.trace(c) + np.trace(d) - 2 * common


def main():
    folder = Path(sys.argv[1])
    images, labels = split(folder, "train")
    test, test_labels = split(folder, "t10k")
    kept = Path(f"classifier-{folder.name}.pt")
    model = Classifier()
    if kept.exists():
        model.load_state_dict(torch.load(kept))
    else:
        model = trained(images, labels)
        torch.save(model.state_dict(), kept)
    model.eval()
    accuracy = (outputs(model, test).argmax(1) == test_labels).double().mean()
    print(f"classifier: {100 * accuracy:.2f} % of the test images right")
    real = gaussian(model, test)
    print(f"{distance(gaussian(model, images[:10000]), real):10.2f}  training images")
    for path in sys.argv[2:]:
        samples = torch.tensor(np.load(path)).reshape(-1, 1, 28, 28).clamp(0, 1)
        classes = outputs(model, samples).argmax(1).bincount(minlength=10)
        rare = f"rarest class {100 * classes.min() / len(samples):.1f} %"
        print(f"{distance(gaussian(model, samples), real):10.2f}  {path} ({len(samples)}; {rare})")


if __name__ == "__main__":
    main()
