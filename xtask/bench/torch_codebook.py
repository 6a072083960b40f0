"""The codebook of `vq` in PyTorch."""

import torch
from torch import nn


class Codebook(nn.Module):
    """Entries that are moving averages (van den Oord 2017, appendix A.1)."""

    def __init__(self, codes=512, width=16):
        super().__init__()
        entries = (2 * torch.rand(codes, width) - 1) / width**0.5
        for name, values in [("entries", entries), ("counts", torch.ones(codes)), ("sums", entries.clone())]:
            self.register_buffer(name, values)

    def nearest(self, cells):
        return torch.addmm((self.entries**2).sum(1), cells, self.entries.t(), alpha=-2).argmin(1)

    @torch.no_grad()
    def learn(self, cells, indices, decay=0.99, least=1.0):
        codes = len(self.counts)
        self.counts.lerp_(torch.bincount(indices, minlength=codes).float(), 1 - decay)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, indices, cells), 1 - decay)
        total = self.counts.sum()
        smoothed = (self.counts + 1e-5) * total / (total + codes * 1e-5)
        torch.div(self.sums, smoothed.unsqueeze(1), out=self.entries)
        unused = self.counts < least
        if unused.any():
            order = torch.randperm(len(cells))
            drawn = cells[order.repeat(-(-codes // len(cells)))[:codes]]
            for values in (self.entries, self.sums):
                torch.where(unused.unsqueeze(1), drawn, values, out=values)
            self.counts.masked_fill_(unused, max(1.0, least))
