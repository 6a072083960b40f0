"""Times training steps of a dense VAE in JAX, in turns with other programs.

The protocol and the model are those of torch_step.py. The step is compiled as a whole, and its
buffers are donated.
"""

import argparse
import os

from turns import add_sizes, shuffled_batches, take_turns

parser = argparse.ArgumentParser(description=__doc__)
add_sizes(parser)
args = parser.parse_args()

if args.threads:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

import jax
import jax.numpy as jnp
import numpy as np
import optax

features = 784
random = np.random.default_rng(1)


def layer(inputs, outputs):
    bound = inputs**-0.5
    return {
        "w": jnp.asarray(random.uniform(-bound, bound, (inputs, outputs)), jnp.float32),
        "b": jnp.asarray(random.uniform(-bound, bound, outputs), jnp.float32),
    }


parameters = [
    layer(features, args.hidden),
    layer(args.hidden, 2 * args.latent),
    layer(args.latent, args.hidden),
    layer(args.hidden, features),
]
optimizer = optax.adam(1e-3)
state = optimizer.init(parameters)


def loss_of(parameters, x, key):
    def dense(layer, x):
        return x @ layer["w"] + layer["b"]

    hidden = jax.nn.relu(dense(parameters[0], x))
    mean, log_variance = jnp.split(dense(parameters[1], hidden), 2, axis=1)
    z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
    logits = dense(parameters[3], jax.nn.relu(dense(parameters[2], z)))
    nll = (jax.nn.softplus(logits) - x * logits).sum(1)
    kl = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1).sum(1)
    return (nll + kl).mean()


def update(parameters, state, x, key):
    key, now = jax.random.split(key)
    loss, gradients = jax.value_and_grad(loss_of)(parameters, x, now)
    updates, state = optimizer.update(gradients, state)
    return optax.apply_updates(parameters, updates), state, key, loss


update = jax.jit(update, donate_argnums=(0, 1, 3))
key = jax.random.PRNGKey(1)
images = random.random((max(9000, 2 * args.batch_size), features), dtype=np.float32)
source = shuffled_batches(images, args.batch_size, random.permutation)


def step():
    global parameters, state, key
    parameters, state, key, loss = update(parameters, state, next(source), key)
    return float(loss)


take_turns(step, args.steps)
