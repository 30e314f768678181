"""Value and gradient of each loss, beside PyTorch eager forward and backward, one thread: ``make bench``.

Read the ratios within one run, not the milliseconds: machines differ, and are shared.
"""

import numpy as np
import pytest
import torch

import lossutils.functional as F
from lossutils import value_and_grad

LOSSES = ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("library", ["lossutils", "torch"])
@pytest.mark.parametrize("size", [10, 1_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient(benchmark, name, size, library):
    benchmark.group = f"{name}, {size:,} float32"
    input, target = np.random.default_rng(0).normal(size=(2, size)).astype(np.float32)
    if library == "lossutils":
        benchmark(value_and_grad(getattr(F, name)), input, target)
        return
    tensor, target = torch.tensor(input, requires_grad=True), torch.tensor(target)

    def forward_and_backward():
        tensor.grad = None
        getattr(torch.nn.functional, name)(tensor, target).backward()

    benchmark(forward_and_backward)
