"""MovieLens 100K for recommendations: the table of who has seen what, and how well a model ranks what came next.

    mkdir films
    python movielens.py make ml-100k.inter films
    vae --dataset films/train.npy --likelihood multinomial --validation 0 --test 0 --hidden 600 --latent 200 \\
        --activation tanh --variant beta --beta 0.5 --kl-schedule '{ kind = "linear", to = 1, until = 0.5 }' \\
        --epochs 100 --out runs/films
    cargo run --release -p vae-variants --example reconstruct -- runs/films films/train.npy scores.npy
    python movielens.py check films scores.npy valid
    python movielens.py check films scores.npy test
    python movielens.py popular films popular.npy

`ml-100k.inter` is user, item, rating and time, with tabs between them; u.data of the original archive is read as well.
Items with fewer than five ratings are left out. Of each user the last item is for testing and the one before for
validation; of those rated in the same second, the one that stands later in the file is the later. The table has a row
for each user and a column for each item, with 1 where the user has rated the item and it is in neither of the two.
All items are ranked that the user has not rated before: for the test also without the one of the validation.
`popular` writes scores that are the same for all: how many have rated the item. Needs NumPy.
"""
import sys

import numpy as np

FEWEST = 5
TOP = 10


def make(source, folder):
    with open(source) as file:
        rows = [line.split("\t") for line in file]
    rows = np.array([row for row in rows if row[0].isdigit()], dtype=float).astype(int)
    rows = rows[np.bincount(rows[:, 1])[rows[:, 1]] >= FEWEST]
    user = np.unique(rows[:, 0], return_inverse=True)[1]
    item = np.unique(rows[:, 1], return_inverse=True)[1]
    train = np.zeros((user.max() + 1, item.max() + 1), dtype=np.float32)
    held_out = np.zeros((len(train), 2), dtype=int)
    in_time = np.argsort(rows[:, 3], kind="stable")
    for u in range(len(train)):
        items = item[in_time][user[in_time] == u]
        train[u, items[:-2]] = 1
        held_out[u] = items[-2:]
    np.save(f"{folder}/train.npy", train)
    np.save(f"{folder}/held_out.npy", held_out)
    print(f"{len(train)} users, {train.shape[1]} items, {len(rows)} ratings, {int(train.sum())} of them for training")


def popular(folder, out):
    train = np.load(f"{folder}/train.npy")
    np.save(out, np.broadcast_to(train.sum(0), train.shape))


def ranks(folder, scores, split):
    """The place of the item that was held out, from 1, for each user; behind all that score the same."""
    scores = np.load(scores).astype(float)
    seen = np.load(f"{folder}/train.npy") > 0
    held_out = np.load(f"{folder}/held_out.npy")
    assert scores.shape == seen.shape, scores.shape
    users = np.arange(len(seen))
    wanted = held_out[:, ["valid", "test"].index(split)]
    if split == "test":
        seen[users, held_out[:, 0]] = True
    own = scores[users, wanted]
    scores[seen] = -np.inf
    return (scores >= own[:, None]).sum(1)


def check(folder, scores, split):
    found = ranks(folder, scores, split)
    gain = np.where(found <= TOP, 1 / np.log2(found + 1), 0).mean()
    print(f"{split}: nDCG@{TOP} {gain:.4f}, Recall@{TOP} {(found <= TOP).mean():.4f}")


if __name__ == "__main__":
    {"make": make, "popular": popular, "check": check}[sys.argv[1]](*sys.argv[2:])
