"""Takes turns with other programs: a round of steps for each line of the standard input."""

import json
import sys
import time


def add_sizes(parser, hidden=int):
    """Adds the arguments that every program takes; `hidden` reads a width or several."""
    parser.add_argument("--hidden", type=hidden, default=512 if hidden is int else None)
    parser.add_argument("--latent", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)


def shuffled_batches(images, batch, permutation):
    """Batches of shuffled images without end; `permutation(n)` shuffles the numbers below n."""
    while True:
        order = permutation(len(images))
        for start in range(0, len(images) - batch + 1, batch):
            yield images[order[start : start + batch]]


def take_turns(step, steps):
    """Prints {"first_step": true} after one step and {"ready": true} when it is warm, after 20 more or 5 seconds;
    then, for each line, the median and the least time of `steps` calls of `step` in milliseconds."""
    step()
    print(json.dumps({"first_step": True}), flush=True)
    started = time.perf_counter()
    for number in range(20):
        # A compiled step may be compiled again when it is called for the second time.
        if number > 1 and time.perf_counter() - started > 5:
            break
        step()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        times = []
        for _ in range(steps):
            started = time.perf_counter()
            step()
            times.append(1e3 * (time.perf_counter() - started))
        times.sort()
        found = {"median_ms": times[len(times) // 2], "min_ms": times[0], "steps": len(times)}
        print(json.dumps(found), flush=True)
