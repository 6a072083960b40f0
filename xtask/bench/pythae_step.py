"""Trains pythae's VAE with its training pipeline and prints the time of a step, from the samples a second
of its last epoch. Speaks the protocol of turns.py: each line of the standard input is one epoch.

The networks are those of `vae bench --hidden 512 --latent 20`.
"""

import argparse
import json
import logging
import sys
import tempfile
import time

import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from torch import nn

from turns import add_sizes

parser = argparse.ArgumentParser(description=__doc__)
add_sizes(parser)
args = parser.parse_args()
if args.threads:
    torch.set_num_threads(args.threads)
torch.manual_seed(1)
logging.disable(logging.WARNING)


class Encoder(BaseEncoder):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(784, args.hidden), nn.ReLU())
        self.mean = nn.Linear(args.hidden, args.latent)
        self.log_variance = nn.Linear(args.hidden, args.latent)

    def forward(self, x):
        h = self.hidden(x.flatten(1))
        return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))


class Decoder(BaseDecoder):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(args.latent, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 784), nn.Sigmoid()
        )

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).view(-1, 1, 28, 28))


config = VAEConfig(input_dim=(1, 28, 28), latent_dim=args.latent, reconstruction_loss="bce")
model = VAE(config, encoder=Encoder(), decoder=Decoder())
images = torch.rand(args.steps * args.batch_size, 1, 28, 28)


def epoch(images):
    """Milliseconds of a step of one epoch, by the difference of a run of two and a run of one: what the
    pipeline does around its epochs does not count."""

    def run(epochs):
        with tempfile.TemporaryDirectory() as folder:
            trainer = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=1e-3,
                per_device_train_batch_size=args.batch_size,
                optimizer_cls="Adam",
                no_cuda=True,
            )
            started = time.perf_counter()
            # It writes a progress bar; the standard output belongs to the protocol.
            TrainingPipeline(model=model, training_config=trainer)(train_data=images)
            return time.perf_counter() - started

    return 1e3 * (run(2) - run(1)) / (len(images) / args.batch_size)


first = epoch(images[: 2 * args.batch_size])
print(json.dumps({"first_step": True}), flush=True)
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    took = epoch(images)
    print(json.dumps({"median_ms": took, "min_ms": took, "steps": args.steps}), flush=True)
