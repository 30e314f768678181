"""Value and gradient of each loss beside PyTorch eager forward and backward: ``make bench``.

Both run alternately in one process, so that what else the machine does falls on both. pytest-benchmark times this
library's call; PyTorch's is timed in the same round just before. Read the ratios, not the milliseconds.
"""

import statistics
import time
import tracemalloc

import numpy as np
import pytest
import torch

import lossutils.functional as F
from lossutils import value_and_grad

SHAPES = [(10, 3), (100, 10), (4096, 1000), (512, 32_000)]


def numbers(rng, size):
    return rng.normal(size=size).astype(np.float32)


def probabilities(rng, size):
    return rng.uniform(1e-3, 1 - 1e-3, size=size).astype(np.float32)


def counts(rng, size):
    return rng.poisson(2, size=size).astype(np.float32)


def signs(rng, size):
    return rng.choice(np.array([-1, 1], np.float32), size=size)


def positives(rng, size):
    return rng.uniform(0.1, 3, size=size).astype(np.float32)


def log_probabilities(rng, size):
    return np.log(probabilities(rng, size))


# Every elementwise loss of torch, and how its arguments are drawn.
ELEMENTWISE = {
    "mse_loss": (numbers, numbers),
    "l1_loss": (numbers, numbers),
    "smooth_l1_loss": (numbers, numbers),
    "huber_loss": (numbers, numbers),
    "binary_cross_entropy": (probabilities, probabilities),
    "binary_cross_entropy_with_logits": (numbers, probabilities),
    "kl_div": (log_probabilities, probabilities),
    "poisson_nll_loss": (numbers, counts),
    "gaussian_nll_loss": (numbers, numbers, positives),
    "soft_margin_loss": (numbers, signs),
    "hinge_embedding_loss": (numbers, signs),
    "margin_ranking_loss": (numbers, numbers, signs),
}


def copy_seconds(nbytes):
    """The least time for moving this many bytes, read and written together: a large copy's bandwidth, now."""
    array = np.ones(8_000_000, np.float32)
    target = np.empty_like(array)
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        np.copyto(target, array)
        durations.append(time.perf_counter() - start)
    return nbytes / (2 * array.nbytes / min(durations))


def peak_bytes(function, *arrays):
    """Memory at its highest beyond the arguments and the result."""
    tracemalloc.start()
    _, gradient = function(*arrays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - gradient.nbytes


def side_by_side(benchmark, name, arrays, threads):
    """Time both alternately; leave the medians, their ratio, the floor, and the memory in the benchmark's record."""
    torch.set_num_threads(threads)
    ours, theirs = value_and_grad(getattr(F, name)), getattr(torch.nn.functional, name)
    tensors = [torch.tensor(array) for array in arrays]
    tensors[0].requires_grad_()

    def forward_and_backward():
        tensors[0].grad = None
        theirs(*tensors).backward()

    calls = max(1, 100_000 // max(100, arrays[0].size))
    durations = []

    def time_torch():
        start = time.perf_counter()
        for _ in range(calls):
            forward_and_backward()
        durations.append((time.perf_counter() - start) / calls)

    def many():
        for _ in range(calls):
            ours(*arrays)

    rounds = 25 if arrays[0].size < 1_000_000 else 9
    benchmark.pedantic(many, setup=time_torch, rounds=rounds, warmup_rounds=2)
    torch_time = statistics.median(durations[2:])
    our_time = benchmark.stats["median"] / calls
    benchmark.extra_info |= {
        "loss": name,
        "shape": "×".join(f"{n:,}" for n in arrays[0].shape),
        "threads": threads,
        "torch": torch_time,
        "ours": our_time,
        "ratio": torch_time / our_time,
        "floor": copy_seconds(sum(a.nbytes for a in arrays) + arrays[0].nbytes),
        "memory": peak_bytes(ours, *arrays),
    }


@pytest.mark.parametrize(("threads", "size"), [(1, 10), (1, 1_000), (1, 1_000_000), (1, 10_000_000), (2, 10_000_000)])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(benchmark, name, size, threads):
    rng = np.random.default_rng(0)
    side_by_side(benchmark, name, [draw(rng, size) for draw in ELEMENTWISE[name]], threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_cross_entropy(benchmark, shape, threads):
    rng = np.random.default_rng(0)
    side_by_side(benchmark, "cross_entropy", [numbers(rng, shape), rng.integers(0, shape[1], size=shape[0])], threads)
