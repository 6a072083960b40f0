"""Counts of genes in single cells: `vae` beside scvi-tools, trained and tested on the same cells.

    pip install scvi-tools==1.4.2
    pip download --no-deps scanpy==1.11.5
    unzip -j scanpy-1.11.5-py3-none-any.whl scanpy/datasets/10x_pbmc68k_reduced.h5ad
    python genes.py make 10x_pbmc68k_reduced.h5ad genes.npz
    python genes.py independent genes.npz
    python genes.py scvi genes.npz --library observed --seed 1
    vae --dataset genes.npz --likelihood negative-binomial --hidden 128 --latent 10 --epochs 400 --validation 0 \
        --norm batch --dropout 0.1 --kl-schedule '{ kind = "linear", to = 1, until = 1 }' \
        --nll-samples 1000 --threads 1 --seed 1

`make` restores the counts, which the file holds as log(1 + count * 10,000 / all counts of the cell), and keeps a
fifth of the cells for testing: `x_test`, which `vae` takes as the test split. `independent` has a negative binomial for
each gene and no code, also with means in proportion to the size of a cell, which is the sum of its counts. `scvi`
trains on `x_train` and prints, as means over `x_test`:

- `nll`: `-log p(x)` with the size of a cell drawn from a log-normal prior, as the training cells have it;
- `by_scvi`: what scvi-tools gives for it. With `--library observed` the size is taken from the cell itself, and this is
  `-log p(x | size)`; with `--library latent` sizes come from the encoder of sizes, and where that has not been
  trained for long, the estimate is far too high;
- `loss` and `reconstruction`, with the size as in training.
"""
import argparse
import json
import time

import numpy as np


def make(file, out):
    import anndata

    data = anndata.read_h5ad(file)
    counts = np.expm1(data.raw.X.toarray().astype(np.float64)) * data.obs["n_counts"].to_numpy()[:, None] / 1e4
    whole = np.rint(counts)
    away = abs(counts - whole)
    # The file's logarithms have three decimals.
    zeros = (whole == 0).mean()
    print(f"{len(whole)} cells, {whole.shape[1]} genes, counts up to {whole.max():.0f}, {zeros:.1%} zeros")
    print(f"furthest from a whole number: {away.max():.4f}; as a part of the count {(away / whole.clip(1)).max():.6f}")
    print(f"cells without a count: {(whole.sum(1) == 0).sum()}; genes without: {(whole.sum(0) == 0).sum()}")
    order = np.random.default_rng(0).permutation(len(whole))
    test = len(whole) // 5
    rows = whole[order].astype(np.float32)
    np.savez_compressed(out, x_train=rows[test:], x_test=rows[:test])


def independent(data):
    from scipy.optimize import minimize_scalar
    from scipy.stats import nbinom

    arrays = np.load(data)
    train, test = (arrays[name].astype(float) for name in ("x_train", "x_test"))

    def held_out(sizes, test_sizes):
        total = 0.0
        for gene, mean in enumerate(train.sum(0) / sizes.sum()):
            def nll(log_theta, rows, sizes):
                theta = np.exp(log_theta)
                return -nbinom.logpmf(rows[:, gene], theta, theta / (theta + max(mean, 1e-4) * sizes)).sum()

            best = minimize_scalar(nll, bounds=(-6, 10), args=(train, sizes), method="bounded").x
            total += nll(best, test, test_sizes)
        return total / len(test)

    print(f"-log p(x): {held_out(np.ones(len(train)), np.ones(len(test))):.4f}")
    print(f"-log p(x | size): {held_out(train.sum(1), test.sum(1)):.4f}")


def log_marginal(model, test, prior, samples, at_once=50):
    """`log p(x)` of each cell from importance samples, with a log-normal prior over the size of a cell.

    Sizes are drawn from a Gaussian about the mode of their posterior at the mean code, 1.5 times as wide as its
    curvature says, instead of from the model's encoder, which a model with observed sizes does not train.
    """
    import torch
    from torch.distributions import Normal

    module = model.module.eval()
    module.use_observed_lib_size = True  # only so that its encoder of sizes is left alone
    rows = []
    with torch.inference_mode():
        for tensors in model._make_data_loader(adata=test, batch_size=len(test)):
            x, batch = tensors["X"], tensors["batch"]
            of_x = lambda z, size: module.generative(z=z, library=size, batch_index=batch, y=tensors["labels"])["px"]
            code = module.inference(x, batch)["qz"]
            size = x.sum(1, keepdim=True).log()
            for _ in range(20):  # Fisher scoring
                px = of_x(code.loc, size)
                shrink = px.theta / (px.theta + px.mu)
                slope = ((x - px.mu) * shrink).sum(1, keepdim=True) - (size - prior.loc) / prior.variance
                curve = (px.mu * shrink).sum(1, keepdim=True) + 1 / prior.variance
                size = size + (slope / curve).clamp(-0.5, 0.5)
            near = Normal(size, 1.5 / curve.sqrt())
            parts = []
            for _ in range(samples // at_once):
                z, size = code.sample((at_once,)), near.sample((at_once,))
                ratio = (prior.log_prob(size) - near.log_prob(size)).sum(-1)
                ratio += (Normal(0.0, 1.0).log_prob(z) - code.log_prob(z)).sum(-1)
                parts.append(of_x(z, size).log_prob(x).sum(-1) + ratio)
            parts = torch.cat(parts)
            rows.append(parts.logsumexp(0) - np.log(len(parts)))
    return torch.cat(rows)


def scvi(options):
    import logging
    import warnings

    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    import anndata
    import scvi

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    scvi.settings.seed = options.seed
    arrays = np.load(options.data)
    train, test = (anndata.AnnData(arrays[name]) for name in ("x_train", "x_test"))
    scvi.model.SCVI.setup_anndata(train)
    model = scvi.model.SCVI(
        train,
        n_hidden=options.hidden,
        n_latent=options.latent,
        gene_likelihood=options.likelihood,
        dropout_rate=options.dropout,
        use_batch_norm=options.norm,
        use_observed_lib_size=options.library == "observed",
    )
    if options.decoder_dropout:
        model.module.decoder.px_decoder.fc_layers[-1].append(torch.nn.Dropout(options.decoder_dropout))
    stopping = {"early_stopping": True, "early_stopping_patience": options.patience, "check_val_every_n_epoch": 1}
    start, start_cpu = time.perf_counter(), time.process_time()
    model.train(
        max_epochs=options.epochs,
        train_size=1 - options.validation,
        batch_size=128,
        accelerator="cpu",
        enable_progress_bar=False,
        plan_kwargs={"n_epochs_kl_warmup": options.warmup, "lr": options.lr, "eps": options.eps},
        **(stopping if options.patience else {}),
    )
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    epochs = model.trainer.current_epoch

    mean = lambda values: float(np.mean(np.asarray(values, dtype=np.float64)))
    elbo = lambda: -float(model.get_elbo(test))  # higher is better where scvi-tools gives it
    reconstruction = lambda: float(model.get_reconstruction_error(test)["reconstruction_loss"])
    result = {
        # Each is from one code for each cell.
        "loss": mean([elbo() for _ in range(20)]),
        "reconstruction": mean([reconstruction() for _ in range(20)]),
        "by_scvi": -mean(model.get_marginal_ll(
            test, n_mc_samples=options.samples, n_mc_samples_per_pass=50, return_mean=False
        )),
    }
    sizes = torch.tensor(np.log(arrays["x_train"].sum(1)))
    prior = torch.distributions.Normal(sizes.mean(), sizes.std(correction=0))
    result["nll"] = -mean(log_marginal(model, test, prior, options.samples))
    result |= {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "epochs": epochs,
        "samples_per_second": len(model.train_indices) * epochs / seconds,
        "parameters": sum(p.numel() for p in model.module.parameters()),
        "versions": {"scvi": scvi.__version__, "torch": torch.__version__},
    }
    print(json.dumps({**vars(options), **result}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_make = commands.add_parser("make")
    of_make.add_argument("file")
    of_make.add_argument("out")
    commands.add_parser("independent").add_argument("data")
    of_scvi = commands.add_parser("scvi", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    of_scvi.add_argument("data")
    of_scvi.add_argument("--seed", type=int, default=1, help=" ")
    of_scvi.add_argument("--library", choices=["latent", "observed"], default="latent", help="size of a cell")
    of_scvi.add_argument("--likelihood", choices=["nb", "zinb"], default="nb", help=" ")
    of_scvi.add_argument("--hidden", type=int, default=128, help=" ")
    of_scvi.add_argument("--latent", type=int, default=10, help=" ")
    of_scvi.add_argument("--epochs", type=int, default=400, help=" ")
    of_scvi.add_argument("--warmup", type=int, default=400, help="epochs until the KL weighs 1")
    of_scvi.add_argument("--dropout", type=float, default=0.1, help="of the encoder")
    of_scvi.add_argument("--decoder-dropout", type=float, default=0.0, help="which scvi-tools does not have")
    of_scvi.add_argument("--norm", choices=["both", "encoder", "decoder", "none"], default="both", help="batch norm")
    of_scvi.add_argument("--lr", type=float, default=1e-3, help=" ")
    of_scvi.add_argument("--validation", type=float, default=0.0, help="part of the training cells")
    of_scvi.add_argument("--patience", type=int, default=0, help="epochs without a better loss, 0: never")
    of_scvi.add_argument("--eps", type=float, default=0.01, help="of Adam")
    of_scvi.add_argument("--samples", type=int, default=1000, help="for -log p(x)")
    of_scvi.add_argument("--threads", type=int, default=1, help=" ")
    options = parser.parse_args()
    if options.command == "make":
        make(options.file, options.out)
    elif options.command == "independent":
        independent(options.data)
    else:
        scvi(options)
