"""Mult-VAE (Liang 2018) in PyTorch, on the table of movielens.py, to compare `--likelihood multinomial` with.

    python multvae.py films/train.npy scores.npy --seed 1 --epochs 100
    python movielens.py check films scores.npy test

One hidden layer of 600 tanh units on each side of a code of 200, the row divided by its L2 norm and then with dropout
as the input, `-sum x log softmax(logits) + beta KL` averaged over the batch (eq. 2 and 5), Adam. Weights are drawn as
PyTorch does unless told otherwise, which is also what `vae` does; with `--glorot` as in the paper's code, by Glorot's
rule, and biases from N(0, 0.001^2). Scores are the logits of the mean code. Needs PyTorch.
"""
import argparse

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class MultVae(nn.Module):
    def __init__(self, items, hidden, latent, dropout, glorot):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, items))
        self.dropout = dropout
        for layer in (*self.encoder, *self.decoder):
            if glorot and isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.normal_(layer.bias, std=0.001)

    def encode(self, x):
        x = F.dropout(F.normalize(x), self.dropout, self.training)
        return self.encoder(x).chunk(2, 1)

    def loss(self, x, beta):
        mean, log_variance = self.encode(x)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        nll = -(F.log_softmax(self.decoder(z), 1) * x).sum(1)
        kl = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return (nll + beta * kl).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("scores")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--beta", type=float, default=0.2)
    parser.add_argument("--until", type=float, default=0.5, help="part of the steps in which beta rises from 0")
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--hidden", type=int, default=600)
    parser.add_argument("--latent", type=int, default=200)
    parser.add_argument("--glorot", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    x = torch.from_numpy(np.load(args.table))
    model = MultVae(x.shape[1], args.hidden, args.latent, args.dropout, args.glorot)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    batches = -(-len(x) // args.batch)
    step, steps = 0, args.epochs * batches
    for _ in range(args.epochs):
        for rows in torch.randperm(len(x)).split(args.batch):
            rise = min(1.0, step / (args.until * steps)) if args.until > 0 else 1.0
            optimizer.zero_grad()
            model.loss(x[rows], args.beta * rise).backward()
            optimizer.step()
            step += 1
    model.eval()
    with torch.no_grad():
        np.save(args.scores, model.decoder(model.encode(x)[0]).numpy())


if __name__ == "__main__":
    main()
