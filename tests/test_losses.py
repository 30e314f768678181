"""What holds for every loss, from one place: runs over the cases of every family."""

import inspect
import zlib

import numpy as np
import pytest
from cases import all_cases, torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lossutils.functional as F
from lossutils import engine, value_and_grad
from lossutils.bridge import as_torch

CASES = all_cases()
over_cases = pytest.mark.parametrize("case", CASES, ids=str)
over_derivatives = pytest.mark.parametrize("case", [c for c in CASES if not c.gradient_differs], ids=str)
over_reductions = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch isn't installed")
seeds = st.integers(0, 2**32 - 1)


def loss_of(case):
    return getattr(F, case.name)


def drawn(case, seed=None, dtype=np.float64):
    """Valid arrays for a case; floats in this dtype. Without a seed: the same for a case on every run."""
    seed = zlib.crc32(str(case).encode()) if seed is None else seed
    arrays = case.draw(np.random.default_rng(seed))
    return {name: cast(array, dtype) for name, array in arrays.items()}


def cast(array, dtype):
    array = np.asarray(array)
    return array.astype(dtype) if array.dtype.kind == "f" else array


def ours(case, arrays, reduction="mean", wrt=None, grad_output=None):
    differentiated = value_and_grad(loss_of(case), case.wrt if wrt is None else wrt)
    return differentiated(**arrays, **case.parameters, reduction=reduction, grad_output=grad_output)


def theirs(case, arrays, reduction="mean", grad_output=None):
    function = case.reference or getattr(torch.nn.functional, case.name)
    tensors = {name: torch.tensor(array, requires_grad=name in case.wrt) for name, array in arrays.items()}
    value = function(**tensors, **case.parameters, reduction=reduction)
    value.backward(torch.ones_like(value) if grad_output is None else torch.tensor(grad_output, dtype=value.dtype))
    gradients = [tensors[name].grad for name in case.wrt]
    return value.detach().numpy(), [
        np.zeros_like(arrays[n]) if g is None else g.numpy() for n, g in zip(case.wrt, gradients, strict=True)
    ]


def assert_close(ours, theirs, dtype):
    """Equal up to rounding: of some operations on single entries, or of a sum that is small because it cancels."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape
    tolerance, smallest = {np.float64: (1e-9, 1e-12), np.float32: (1e-5, 1e-6)}[dtype]
    size = np.max(np.abs(theirs), initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * size * 1e-1 + smallest)


# ---- every loss is covered


def test_every_loss_has_a_case_and_every_case_a_loss():
    assert {case.name for case in CASES} == set(F.__all__)


@pytest.mark.parametrize("name", F.__all__)
def test_some_case_is_worked_by_hand(name):
    assert any(case.hand for case in CASES if case.name == name)


@pytest.mark.parametrize("name", F.__all__)
def test_every_parameter_is_varied_by_some_case(name):
    loss = getattr(F, name).loss
    varied = {key for case in CASES if case.name == name for key in case.parameters}
    drawn_names = {key for case in CASES if case.name == name for key in drawn(case)}
    assert set(loss.names) - set(loss.arrays) - {"reduction"} <= varied
    assert set(loss.arrays) <= drawn_names


# ---- values and slopes


@pytest.mark.parametrize(("case", "i"), [(c, i) for c in CASES for i in range(len(c.hand))], ids=str)
def test_value_by_hand(case, i):
    arguments, expected = case.hand[i]
    value = loss_of(case)(**{**case.parameters, **arguments})
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-15)


@over_derivatives
@over_reductions
def test_gradient_is_the_fourth_order_difference(case, reduction):
    """(f(x − 2h) − 8 f(x − h) + 8 f(x + h) − f(x + 2h)) / 12h differs from f′ by O(h⁴), plus rounding over h."""
    arrays = drawn(case)
    _, gradients = ours(case, arrays, reduction)
    for name, gradient in zip(case.wrt, gradients, strict=True):
        numeric = numeric_gradient(case, arrays, name, reduction)
        scale = max(1.0, np.abs(numeric).max(initial=0))
        np.testing.assert_allclose(gradient, numeric, rtol=2e-6, atol=2e-7 * scale, err_msg=name)


def numeric_gradient(case, arrays, name, reduction):
    result = np.empty(arrays[name].shape)
    for index in np.ndindex(arrays[name].shape):
        h = 1e-3 * max(1e-1, min(1.0, abs(float(arrays[name][index]))))
        sums = []
        for k in (-2, -1, 1, 2):
            moved = np.array(arrays[name])
            moved[index] += k * h
            value = loss_of(case)(**(arrays | {name: moved}), **case.parameters, reduction=reduction)
            sums.append(np.sum(value))
        result[index] = (sums[0] - 8 * sums[1] + 8 * sums[2] - sums[3]) / (12 * h)
    return result


@needs_torch
@over_cases
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda d: d.__name__)
@pytest.mark.filterwarnings("ignore:Using a target size")
@given(seed=seeds)
@settings(max_examples=8, deadline=None)
def test_value_gradients_and_dtypes_are_the_references(case, dtype, seed):
    """The reference computes in double precision from the same numbers, so that its rounding doesn't hide ours."""
    arrays = drawn(case, seed, dtype)
    exactly = {name: cast(array, np.float64) for name, array in arrays.items()}
    for reduction in case.reductions:
        value, gradients = ours(case, arrays, reduction)
        expected, expected_gradients = theirs(case, exactly, reduction)
        assert np.asarray(value).dtype == theirs(case, arrays, reduction)[0].dtype
        assert_close(value, expected, dtype)
        for name, gradient, reference in zip(case.wrt, gradients, expected_gradients, strict=True):
            assert gradient.dtype == arrays[name].dtype
            assert_close(gradient, reference, dtype)


@needs_torch
@over_cases
def test_grad_output_multiplies_each_values_gradient(case):
    arrays = drawn(case)
    shape = np.shape(loss_of(case)(**arrays, **case.parameters, reduction="none"))
    factor = np.random.default_rng(5).normal(size=shape)
    _, gradients = ours(case, arrays, "none", grad_output=factor)
    _, expected = theirs(case, arrays, "none", grad_output=factor)
    for gradient, reference in zip(gradients, expected, strict=True):
        assert_close(gradient, reference, np.float64)
    _, doubled = ours(case, arrays, "mean", grad_output=2.0)
    _, once = ours(case, arrays, "mean")
    for twice, gradient in zip(doubled, once, strict=True):
        np.testing.assert_allclose(twice, 2 * gradient, rtol=1e-12)


@pytest.mark.parametrize("case", [c for c in CASES if c.better], ids=str)
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_better_predictions_have_a_smaller_loss(case, seed):
    arrays = drawn(case, seed)
    before, after = (loss_of(case)(**a, **case.parameters, reduction="sum") for a in (arrays, case.better(arrays)))
    assert after <= before + 1e-9 * abs(before)


# ---- how they are computed


@over_cases
def test_inputs_are_not_changed_and_may_be_read_only_or_strided(case):
    arrays = drawn(case)
    strange = {name: spread(array) for name, array in arrays.items()}
    value, gradients = ours(case, strange, "sum")
    expected, expected_gradients = ours(case, arrays, "sum")
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, reference, rtol=1e-10, atol=1e-13)
    for name, array in arrays.items():
        np.testing.assert_array_equal(strange[name], array, strict=True)


def spread(array):
    """The same numbers as a read-only view with gaps and a reversed last axis."""
    array = np.asarray(array)
    if array.ndim:
        room = np.zeros([*array.shape[:-1], 2 * array.shape[-1]], array.dtype)
        room[..., ::2] = array[..., ::-1]
        array = room[..., ::2][..., ::-1]
    array.setflags(write=False)
    return array


@over_cases
@over_reductions
def test_blocks_leave_no_seam(case, reduction, monkeypatch):
    """Cut into blocks of a few numbers, the result is the same."""
    arrays = drawn(case)
    whole = ours(case, arrays, reduction)
    monkeypatch.setattr(engine, "BLOCK", 3)
    monkeypatch.setattr(engine, "ROW_BLOCK", 3)
    cut = ours(case, arrays, reduction)
    np.testing.assert_allclose(cut[0], whole[0], rtol=1e-12)
    for part, gradient in zip(cut[1], whole[1], strict=True):
        np.testing.assert_allclose(part, gradient, rtol=1e-10, atol=1e-14)


@over_cases
def test_half_precision_is_computed_in_single(case):
    arrays = drawn(case, dtype=np.float16)
    value, gradients = ours(case, arrays, "sum")
    wide = {name: cast(array, np.float32) for name, array in arrays.items()}
    expected, expected_gradients = ours(case, wide, "sum")
    assert value.dtype == np.float16
    np.testing.assert_array_equal(value, expected.astype(np.float16))
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_array_equal(gradient, reference.astype(np.float16), strict=True)


@over_cases
def test_sum_and_mean_are_of_the_values(case):
    """Where a mean isn't Σ values / their number, the reference test has it from PyTorch or the paper."""
    arrays = drawn(case)
    values = np.asarray(loss_of(case)(**arrays, **case.parameters, reduction="none"))
    total = loss_of(case)(**arrays, **case.parameters, reduction="sum")
    np.testing.assert_allclose(total, values.sum(), rtol=1e-12, atol=1e-14)


@over_cases
def test_order_does_not_matter(case):
    """Items permuted together: the values are permuted with them."""
    for seed in range(100):
        arrays = drawn(case, seed)
        values = np.asarray(loss_of(case)(**arrays, **case.parameters, reduction="none"))
        n = len(values) if values.ndim else 0
        if n > 1 and all(n not in a.shape[1:] for a in arrays.values()):
            break
    else:
        pytest.skip(f"{case}: items don't lie along the first axis")
    order = np.random.default_rng(seed).permutation(n)
    moved = {name: a[order] if a.shape[:1] == (n,) else a for name, a in arrays.items()}
    permuted = loss_of(case)(**moved, **case.parameters, reduction="none")
    np.testing.assert_allclose(permuted, values[order], rtol=1e-10, atol=1e-13)


# ---- what is rejected


@over_cases
def test_what_cannot_be_is_rejected_by_name(case):
    arrays = drawn(case)
    loss = loss_of(case)
    first = loss.loss.required[0]
    with pytest.raises(ValueError, match=f"{case.name}: reduction must be"):
        loss(**arrays, **case.parameters, reduction="median")
    with pytest.raises(TypeError, match=f"missing.*{first}"):
        loss(**{name: a for name, a in arrays.items() if name != first})
    with pytest.raises(TypeError, match=f"{case.name}: {first} must be an array"):
        loss(**(arrays | {first: None}), **case.parameters)
    with pytest.raises(TypeError, match=f"{case.name}: {first} must be an array of real numbers"):
        loss(**(arrays | {first: np.full(np.shape(arrays[first]), "1.0")}), **case.parameters)
    with pytest.raises(TypeError, match="unexpected"):
        loss(**arrays, **case.parameters, no_such_parameter=1)
    with pytest.raises(TypeError, match="not differentiable with respect to 'reduction'"):
        value_and_grad(loss, "reduction")
    for name in loss.loss.constant:
        with pytest.raises(TypeError, match=f"{case.name} is not differentiable with respect to '{name}'"):
            value_and_grad(loss, name)


TORCHS = [
    name
    for name in (dir(torch.nn.functional) if torch else [])
    if name.endswith(("_loss", "_entropy", "_with_logits")) or name == "kl_div"
]


@needs_torch
@pytest.mark.parametrize("name", TORCHS)
def test_arguments_are_torchs(name):
    """Same names, order, defaults, and kinds, without the deprecated arguments and chunking options."""
    ours, theirs = (inspect.signature(getattr(module, name)).parameters.values() for module in (F, torch.nn.functional))
    theirs = [p for p in theirs if p.name not in ("size_average", "reduce", "options")]
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


# ---- the bridge to PyTorch


@needs_torch
@over_derivatives
def test_as_torch_passes_torchs_own_gradient_check(case):
    arrays = drawn(case)
    function = as_torch(loss_of(case))
    fixed = {name: torch.tensor(a) for name, a in arrays.items() if name not in case.wrt}
    inputs = tuple(torch.tensor(arrays[name], requires_grad=True) for name in case.wrt)

    def of_inputs(*tensors):
        return function(**fixed, **dict(zip(case.wrt, tensors, strict=True)), **case.parameters, reduction="sum")

    assert torch.autograd.gradcheck(of_inputs, inputs, atol=1e-5, rtol=1e-4)
