"""The regression losses against PyTorch, other libraries, and 50 digits; and what is true of each."""

import inspect
import itertools

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as TF
from hypothesis import given, settings

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.bridge import as_torch

IN_TORCH = [
    ("mse_loss", {}),
    ("l1_loss", {}),
    ("huber_loss", {}),
    ("huber_loss", {"delta": 0.3}),
    ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.3}),
    ("smooth_l1_loss", {"beta": 0.0}),
]
ALL = [*IN_TORCH, ("log_cosh_loss", {}), ("tukey_loss", {}), ("tukey_loss", {"c": 0.7})]
WEIGHTED = [case for case in IN_TORCH if case[0] != "smooth_l1_loss"]
REDUCTIONS = ["none", "mean", "sum"]
DTYPES = [np.float32, np.float64]
SPECIAL = [0.0, -0.0, 0.3, 0.5, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 1e-30]


def case_id(value):
    """A readable test id: huber_loss-delta=0.3."""
    if isinstance(value, tuple):
        return "-".join([value[0], *(f"{k}={v}" for k, v in value[1].items())])
    return getattr(value, "__name__", str(value))


def over(cases):
    return pytest.mark.parametrize("case", cases, ids=case_id)


over_reductions = pytest.mark.parametrize("reduction", REDUCTIONS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=case_id)


def ours(case, arrays, reduction, wrt, grad_output=None):
    name, parameters = case
    differentiated = value_and_grad(getattr(F, name), tuple(wrt))
    return differentiated(**arrays, reduction=reduction, grad_output=grad_output, **parameters)


def theirs(case, arrays, reduction, wrt, grad_output=None):
    name, parameters = case
    tensors = {k: torch.tensor(np.asarray(a), requires_grad=k in wrt) for k, a in arrays.items()}
    value = getattr(TF, name)(**tensors, reduction=reduction, **parameters)
    value.backward(torch.ones_like(value) if grad_output is None else torch.tensor(grad_output))
    return value.detach().numpy(), [tensors[k].grad.numpy() for k in wrt]


def assert_same(case, arrays, reduction, wrt=("input", "target"), grad_output=None):
    """Value, gradients, shapes, and dtypes are torch's, up to the rounding of a sum."""
    value, gradients = ours(case, arrays, reduction, wrt, grad_output)
    torch_value, torch_gradients = theirs(case, arrays, reduction, wrt, grad_output)
    for mine, reference in zip([value, *gradients], [torch_value, *torch_gradients], strict=True):
        assert np.asarray(mine).dtype == reference.dtype
        assert np.shape(mine) == reference.shape
        # torch sums float32 in float32: its own rounding, not ours, sets the tolerance
        rtol = 2e-5 if reference.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(mine, reference, rtol=rtol, atol=rtol * 1e-2)


def sample(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


# ---- agreement with PyTorch


@over(IN_TORCH)
@over_reductions
@over_dtypes
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_drawn_shapes_and_numbers(case, reduction, dtype, data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    numbers = hnp.arrays(dtype, shape, elements=st.floats(-100, 100, width=32))
    assert_same(case, {"input": data.draw(numbers), "target": data.draw(numbers)}, reduction)


@over(IN_TORCH)
@over_dtypes
def test_special_numbers(case, dtype):
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)), dtype)
    assert_same(case, {"input": pairs[:, 0].copy(), "target": pairs[:, 1].copy()}, "none")


@over(IN_TORCH)
@over_reductions
@pytest.mark.parametrize(
    "shapes",
    [((4, 1), (3,)), ((2, 3), (3,)), ((1,), (5,)), ((), (3,)), ((2, 1, 3), (4, 1)), ((0, 3), (3,))],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*(broadcast|target size):UserWarning")
def test_broadcasting(case, reduction, shapes):
    arrays = {"input": sample(shapes[0], np.float64), "target": sample(shapes[1], np.float64, seed=1)}
    assert_same(case, arrays, reduction)


@over(WEIGHTED)
@over_reductions
@over_dtypes
def test_weights(case, reduction, dtype):
    arrays = {
        "input": sample((3, 4), dtype),
        "target": sample((3, 4), dtype, 1),
        "weight": sample((3, 4), dtype, 2) + 3,
    }
    assert_same(case, arrays, reduction, wrt=("input", "target", "weight"))


@over(WEIGHTED)
@pytest.mark.filterwarnings("ignore:.*(broadcast|target size):UserWarning")
def test_weights_have_the_shape_of_input_even_where_the_target_is_wider(case):
    arrays = {
        "input": sample((3, 1), np.float64),
        "target": sample((3, 4), np.float64, 1),
        "weight": np.ones((3, 1)) * 2,
    }
    for reduction in REDUCTIONS:
        assert_same(case, arrays, reduction, wrt=("input", "weight"))


@over(WEIGHTED)
@pytest.mark.parametrize("weight", [[0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [-1.0, 2.0, 3.0]], ids=str)
def test_weights_that_cancel_or_vanish(case, weight):
    arrays = {"input": np.array([3.0, 1.0, 4.0]), "target": np.array([1.0, 1.5, 9.0]), "weight": np.array(weight)}
    for reduction in REDUCTIONS:
        assert_same(case, arrays, reduction, wrt=("input", "target", "weight"))


@over(IN_TORCH)
@over_dtypes
def test_grad_output(case, dtype):
    arrays = {"input": sample((3, 4), dtype), "target": sample((3, 4), dtype, 1)}
    assert_same(case, arrays, "none", grad_output=sample((3, 4), dtype, 2))
    assert_same(case, arrays, "mean", grad_output=dtype(2.5))


@over(IN_TORCH)
@pytest.mark.filterwarnings("ignore:.*(broadcast|target size):UserWarning")
def test_mixed_dtypes(case):
    """Promotion is torch's: integers and 0-d arrays yield. Huber's wants one dtype once it's differentiated."""
    dtypes = [np.float16, np.float32, np.float64, np.int64]
    for a, b, shape in itertools.product(dtypes, dtypes, [(3,), ()]):
        arrays = {"input": np.array([3, 1, 4]).astype(a), "target": np.ones(shape, b)}
        wrt = [k for k, v in arrays.items() if v.dtype.kind == "f"]
        if not wrt:
            continue
        try:
            theirs(case, arrays, "sum", wrt)
        except RuntimeError:
            with pytest.raises(TypeError, match="dtype"):
                ours(case, arrays, "sum", wrt)
        else:
            assert_same(case, arrays, "sum", wrt)


def test_absolute_error_of_integers():
    input, target = np.array([3, 1, -4]), np.array([1, 1, 9])
    for reduction in ("none", "sum"):
        expected = TF.l1_loss(torch.tensor(input), torch.tensor(target), reduction=reduction).numpy()
        np.testing.assert_array_equal(F.l1_loss(input, target, reduction=reduction), expected, strict=True)


@over(IN_TORCH)
def test_arguments_are_torchs(case):
    """Same names, order, and defaults, without the two deprecated arguments."""
    ours, theirs = (inspect.signature(getattr(module, case[0])).parameters.values() for module in (F, TF))
    theirs = [p for p in theirs if p.name not in ("size_average", "reduce")]
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


REJECTED = [
    ("mse_loss", lambda a: (a([1.0]), a([1.0]), "median")),
    ("mse_loss", lambda a: (a([1.0, 2.0]), a([1.0, 2.0, 3.0]))),
    ("mse_loss", lambda a: (a([1, 2]), a([1, 2]))),
    ("mse_loss", lambda a: (a([True]), a([False]))),
    ("mse_loss", lambda a: (a([1.0, 2.0]), a([1.0, 2.0]), "mean", a([1.0]))),
    ("mse_loss", lambda a: (a([1.0]),)),
    ("mse_loss", lambda a: (a([1.0]), a([1.0]), "mean", None, 3, 4, 5)),
    ("l1_loss", lambda a: (a([1, 2]), a([1, 2]))),
    ("l1_loss", lambda a: (a([True]), a([False]), "sum")),
    ("huber_loss", lambda a: (a([1.0]), a([1.0]), "mean", 0.0)),
    ("huber_loss", lambda a: (a([1.0]), a([1.0]), "mean", -1.0)),
    ("huber_loss", lambda a: (a([1]), a([1.0]))),
    ("smooth_l1_loss", lambda a: (a([1.0]), a([1.0]), "mean", -1.0)),
    ("smooth_l1_loss", lambda a: (a([1, 2]), a([1, 2]))),
]


def with_reduction_fourth(name, arguments):
    """torch's signature has the deprecated size_average and reduce before reduction; huber_loss hasn't."""
    return (*arguments[:2], None, None, *arguments[2:]) if name != "huber_loss" and len(arguments) > 2 else arguments


@pytest.mark.parametrize(("name", "arguments"), REJECTED, ids=[f"{i}-{r[0]}" for i, r in enumerate(REJECTED)])
@pytest.mark.filterwarnings("ignore:.*(broadcast|target size):UserWarning")
def test_what_torch_rejects_is_rejected(name, arguments):
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        getattr(TF, name)(*with_reduction_fourth(name, arguments(torch.tensor)))
    with pytest.raises((TypeError, ValueError)) as raised:
        getattr(F, name)(*arguments(np.array))
    assert any(word in str(raised.value) for word in (name, "argument")), "the message names the culprit"


@over(IN_TORCH)
def test_shapes_that_differ_warn_as_in_torch(case):
    arrays = {"input": np.ones((3, 1)), "target": np.ones(3)}
    for call in [getattr(F, case[0]), value_and_grad(getattr(F, case[0]))] * 2:  # and at the second time too
        with pytest.warns(UserWarning, match=r"\(3, 1\).*\(3,\).*\(3, 3\)") as caught:
            call(**arrays)
        assert caught[0].filename == __file__, "the warning points at the caller's line"


def test_no_gradient_for_what_has_none():
    x = np.ones(3)
    with pytest.raises(TypeError, match=r"weight, which wasn't given"):
        value_and_grad(F.mse_loss, "weight")(x, x)
    with pytest.raises(TypeError, match="input has dtype int64"):
        value_and_grad(F.mse_loss)(np.ones(3, int), x)
    with pytest.raises(TypeError, match="not differentiable with respect to 'delta'"):
        value_and_grad(F.huber_loss, "delta")
    with pytest.raises(TypeError, match="there is no argument 9"):
        value_and_grad(F.huber_loss, 9)
    with pytest.raises(TypeError, match="losses of lossutils"):
        value_and_grad(np.mean)
    with pytest.raises(ValueError, match=r"grad_output of shape \(2,\)"):
        value_and_grad(F.mse_loss)(x, x, grad_output=np.ones(2))
    for shape in ((4, 3), (2,)):
        with pytest.raises(ValueError, match="grad_output of shape"):
            value_and_grad(F.mse_loss)(x, x, reduction="none", grad_output=np.ones(shape))


# ---- exactness


EXACT_ONLY = [
    *(("pinball_loss", {"quantile": q}) for q in (0.0, 0.1, 0.5, 0.999999, 1.0)),
    *(("expectile_loss", {"expectile": q}) for q in (0.1, 0.5, 0.999999)),
    *(("pseudo_huber_loss", {"delta": d}) for d in (1e-20, 1e-3, 1.0, 30.0, 1e20)),
    *(("cauchy_loss", {"scale": s}) for s in (1e-20, 1e-3, 1.0, 30.0, 1e20)),
    *(
        ("general_robust_loss", {"alpha": a, "scale": s})
        for a in (2.0, 2 - 1e-12, 1.9, 1.0, 0.3, 1e-9, 0.0, -1e-25, -0.1, -2.0, -50.0, -1e9, -1e25, -np.inf)
        for s in (1.0, 1e-6, 40.0)
    ),
    *(("general_robust_loss", {"alpha": a, "scale": 1e16}) for a in (2 + 1e-9, 3.0, np.inf)),
]


def exact_barron(r, alpha, scale):
    square, alpha = (r / mpmath.mpf(scale)) ** 2, mpmath.mpf(alpha)
    if alpha == 2:
        return square / 2
    if alpha == 0:
        return mpmath.log1p(square / 2)
    if mpmath.isinf(alpha):
        return mpmath.sign(alpha) * mpmath.expm1(mpmath.sign(alpha) * square / 2)
    bend = abs(alpha - 2)
    return bend / alpha * mpmath.expm1(alpha / 2 * mpmath.log1p(square / bend))


def exact_slope_of(name, r, **parameters):
    if name != "general_robust_loss":
        return mpmath.diff(lambda r: EXACT[name](r, **parameters), r, h=abs(r) * mpmath.mpf("1e-20"))
    alpha, scale = mpmath.mpf(parameters["alpha"]), mpmath.mpf(parameters["scale"])
    square = (r / scale) ** 2  # not by differences: the value comes as near to its limit as 50 digits go
    if mpmath.isinf(alpha):
        return r / scale**2 * mpmath.exp(mpmath.sign(alpha) * square / 2)
    bend = abs(alpha - 2)
    return r / scale**2 * ((square / bend + 1) ** (alpha / 2 - 1) if bend else 1)


EXACT = {
    "pinball_loss": lambda r, quantile: max((1 - mpmath.mpf(quantile)) * r, -mpmath.mpf(quantile) * r),
    "expectile_loss": lambda r, expectile: (1 - mpmath.mpf(expectile) if r > 0 else mpmath.mpf(expectile)) * r**2,
    "pseudo_huber_loss": lambda r, delta: r**2 / (1 + mpmath.sqrt(1 + (r / mpmath.mpf(delta)) ** 2)),
    "cauchy_loss": lambda r, scale: mpmath.mpf(scale) ** 2 / 2 * mpmath.log1p((r / mpmath.mpf(scale)) ** 2),
    "general_robust_loss": exact_barron,
    "mse_loss": lambda r: r**2,
    "l1_loss": abs,
    "huber_loss": lambda r, delta=1.0: r**2 / 2 if abs(r) <= delta else delta * (abs(r) - mpmath.mpf(delta) / 2),
    "smooth_l1_loss": lambda r, beta=1.0: EXACT["huber_loss"](r, beta) / beta if beta else abs(r),
    "log_cosh_loss": lambda r: mpmath.log(mpmath.cosh(r)),
    "tukey_loss": lambda r, c=4.685: mpmath.mpf(c) ** 2 / 6 * (1 - max(0, 1 - (r / mpmath.mpf(c)) ** 2) ** 3),
}


@over([*ALL, *EXACT_ONLY])
@over_dtypes
def test_value_and_slope_are_exact_to_rounding(case, dtype):
    """Against 50 digits, for residuals from 1e-15 to 1e15 (the squares stay within float32)."""
    name, parameters = case
    sizes = np.concatenate([np.logspace(-15, 15, 61), np.linspace(0.1, 9, 20), [4.684]])
    residuals = np.concatenate([sizes, -sizes]).astype(dtype)
    value, slope = value_and_grad(getattr(F, name))(residuals, np.zeros_like(residuals), reduction="none", **parameters)
    with mpmath.workdps(50):
        points = [mpmath.mpf(float(r)) for r in residuals]
        exact = [EXACT[name](r, **parameters) for r in points]
        exact_slope = [exact_slope_of(name, r, **parameters) for r in points]
    rtol = 8 * np.finfo(dtype).eps
    if name in ("general_robust_loss", "tukey_loss") and dtype == np.float64:
        rtol = 3e-12  # exp(−700) and 1 − (r/c)² magnify roundings; float32 is computed in float64
    tiny = float(np.finfo(dtype).tiny)
    for mine, expected in ((value, exact), (slope, exact_slope)):
        with np.errstate(over="ignore", under="ignore"):
            expected = np.array(expected, float).astype(dtype)
        np.testing.assert_allclose(mine.astype(float), expected.astype(float), rtol=rtol, atol=tiny)


NEAR = [
    ("general_robust_loss", {"alpha": a, "scale": s})
    for a in (1.999999, 1.5, 1, 1e-9, -2, -9, -50, -1e3)
    for s in (1, 40)
]
NEAR += [("cauchy_loss", {"scale": s}) for s in (0.01, 1, 40)]


@over(NEAR)
def test_float32_is_exact_where_all_residuals_are_of_the_scales_size_too(case):
    """Nothing in the block calls for float64: what is done in float32 is enough."""
    name, parameters = case
    sizes = parameters["scale"] * np.concatenate([np.logspace(-6, 0, 25), np.linspace(1, 29, 57)])
    residuals = np.concatenate([sizes, -sizes]).astype(np.float32)
    value, slope = value_and_grad(getattr(F, name))(residuals, 0 * residuals, reduction="none", **parameters)
    with mpmath.workdps(50):
        points = [mpmath.mpf(float(r)) for r in residuals]
        exact = np.array([EXACT[name](r, **parameters) for r in points], float)
        exact_slope = np.array([exact_slope_of(name, r, **parameters) for r in points], float)
    held = np.abs(exact_slope) > 1e-37
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    np.testing.assert_allclose(slope[held], exact_slope[held], rtol=1e-6)


def test_a_mean_whose_float32_sum_overflows_is_right():
    """PyTorch answers inf: the sum of four times 2e38 doesn't fit, though their mean does."""
    residual = np.full(4, 2e38, np.float32)
    assert TF.l1_loss(torch.tensor(residual), torch.zeros(4)).item() == np.inf
    assert F.l1_loss(residual, np.zeros(4, np.float32)) == np.float32(2e38)


def test_many_small_numbers_add_up():
    """Ten million float32 residuals of 0.1: blocks summed in float64 keep every digit float32 has."""
    residual = np.full(10**7, 0.1, np.float32)
    assert F.l1_loss(residual, np.zeros(1, np.float32) + residual * 0) == np.float32(0.1)


# ---- what holds for every loss


@over(ALL)
@pytest.mark.parametrize("argument", ["input", "target", "weight"])
@over_reductions
def test_gradient_is_the_fourth_order_difference(case, argument, reduction):
    name, parameters = case
    loss = getattr(F, name)
    arrays = {"input": sample((7,), float) * 2, "target": sample((7,), float, 1)}
    if name != "smooth_l1_loss":
        arrays["weight"] = sample((7,), float, 2) + 3
    elif argument == "weight":
        with pytest.raises(TypeError, match="weight"):
            value_and_grad(loss, "weight")
        return
    _, gradient = value_and_grad(loss, argument)(**arrays, reduction=reduction, **parameters)
    h = 1e-4
    for i in range(7):
        moved = [arrays | {argument: arrays[argument] + k * h * np.eye(7)[i]} for k in (-2, -1, 1, 2)]
        far_low, low, high, far_high = (np.sum(loss(**m, reduction=reduction, **parameters)) for m in moved)
        numeric = (far_low - 8 * low + 8 * high - far_high) / (12 * h)
        np.testing.assert_allclose(gradient[i], numeric, rtol=1e-6, atol=1e-8)


@over(ALL)
def test_inputs_are_not_changed_and_may_be_read_only_or_strided(case):
    name, parameters = case
    base = sample((6, 8), float)
    input, target = base[::2, ::-1], base[1::2].T.copy().T
    copies = input.copy(), target.copy()
    for array in (input, target):
        array.setflags(write=False)
    differentiated = value_and_grad(getattr(F, name), (0, 1))
    value, gradients = differentiated(input, target, **parameters)
    expected, expected_gradients = differentiated(*copies, **parameters)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradients, expected_gradients, rtol=1e-14)
    np.testing.assert_array_equal(input, copies[0], strict=True)
    np.testing.assert_array_equal(target, copies[1], strict=True)


@over(ALL)
@over_dtypes
def test_blocks_leave_no_seam(case, dtype):
    """A result over several blocks equals the results of its parts."""
    name, parameters = case
    input, target = sample(100_003, dtype), sample(100_003, dtype, 1)
    differentiated = value_and_grad(getattr(F, name))
    value, gradient = differentiated(input, target, reduction="sum", **parameters)
    parts = [
        differentiated(input[a], target[a], reduction="sum", **parameters) for a in (slice(33_333), slice(33_333, None))
    ]
    np.testing.assert_allclose(value, sum(float(p[0]) for p in parts), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(gradient, np.concatenate([p[1] for p in parts]), strict=True)


@over(ALL)
def test_half_precision_is_computed_in_single(case):
    name, parameters = case
    input, target = sample(50, np.float16), sample(50, np.float16, 1)
    value, gradient = value_and_grad(getattr(F, name))(input, target, **parameters)
    wide, wide_gradient = value_and_grad(getattr(F, name))(
        input.astype(np.float32), target.astype(np.float32), **parameters
    )
    assert value == np.float16(wide)
    np.testing.assert_array_equal(gradient, wide_gradient.astype(np.float16), strict=True)


@over([case for case in ALL if case[0] != "tukey_loss"])
@given(points=hnp.arrays(float, (3,), elements=st.floats(-50, 50)), share=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_convex(case, points, share):
    """ℓ at a point between two is at most the line between them."""
    name, parameters = case
    a, b, target = points
    loss = getattr(F, name)
    between, *ends = (float(loss([p], [target], **parameters)) for p in (share * a + (1 - share) * b, a, b))
    assert between <= share * ends[0] + (1 - share) * ends[1] + 1e-9 * (1 + max(ends))


# ---- the bridge


@over(ALL)
@over_reductions
def test_as_torch_passes_torchs_own_gradient_check(case, reduction):
    name, parameters = case
    input, target = (torch.tensor(sample((2, 3), float, seed), requires_grad=True) for seed in (3, 4))
    function = as_torch(getattr(F, name))
    assert torch.autograd.gradcheck(lambda i, t: function(i, t, reduction=reduction, **parameters), (input, target))


def test_as_torch_trains_a_torch_model_as_torch_does():
    X, y = torch.tensor(sample((20, 3), np.float32)), torch.tensor(sample((20,), np.float32, 1))

    def trained(loss):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(20):
            optimizer.zero_grad()
            loss(model(X)[:, 0], y).backward()
            optimizer.step()
        return model.weight.detach().numpy()

    np.testing.assert_allclose(trained(as_torch(F.huber_loss)), trained(TF.huber_loss), rtol=1e-5)


# ---- independent implementations of what torch lacks


def test_tukey_is_statsmodels():
    from statsmodels.robust.norms import TukeyBiweight

    residual = np.linspace(-9, 9, 1001)
    value, slope = value_and_grad(F.tukey_loss)(residual, 0 * residual, reduction="none", c=3.0)
    np.testing.assert_allclose(value, TukeyBiweight(c=3.0).rho(residual), atol=1e-12)
    np.testing.assert_allclose(slope, TukeyBiweight(c=3.0).psi(residual), atol=1e-12)


def test_huber_is_scipys():
    from scipy.special import huber

    residual = np.linspace(-9, 9, 1001)
    np.testing.assert_allclose(F.huber_loss(residual, 0 * residual, "none", 2.5), huber(2.5, residual), atol=1e-12)


def weights_for(array):
    return np.random.default_rng(7).uniform(0.5, 3, size=array.shape)


@pytest.mark.parametrize("weighted", [False, True])
def test_pinball_msle_and_mape_are_scikit_learns(weighted):
    import sklearn.metrics as metrics

    input, target = np.abs(sample(500, float)), np.abs(sample(500, float, 1))
    target[:3] = [0, 1e-20, 1e-8]
    weight = weights_for(input) if weighted else None
    for q in (0.0, 0.2, 0.5, 0.9, 1.0):
        expected = metrics.mean_pinball_loss(target, input, sample_weight=weight, alpha=q)
        np.testing.assert_allclose(F.pinball_loss(input, target, quantile=q, weight=weight), expected, rtol=1e-12)
    expected = metrics.mean_squared_log_error(target, input, sample_weight=weight)
    np.testing.assert_allclose(F.msle_loss(input, target, weight=weight), expected, rtol=1e-12)
    expected = metrics.mean_absolute_percentage_error(target, input, sample_weight=weight)
    np.testing.assert_allclose(F.mape_loss(input, target, weight=weight), expected, rtol=1e-12)


def test_what_scikit_learn_rejects_is_rejected():
    import sklearn.metrics as metrics

    for bad in ([-1.0, 1.0], [-2.0, 1.0]):
        for pair in ((bad, [1.0, 1.0]), ([1.0, 1.0], bad)):
            with pytest.raises(ValueError, match="Logarithmic"):
                metrics.mean_squared_log_error(*pair)
            with pytest.raises(ValueError, match=f"msle_loss: input and target must be greater than −1, got {bad[0]}"):
                F.msle_loss(*pair)
    assert F.msle_loss([-0.5], [-0.5]) == 0
    for q in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="alpha"):
            metrics.mean_pinball_loss([1.0], [1.0], alpha=q)
        with pytest.raises(ValueError, match=f"pinball_loss: quantile must be in .*, got {q}"):
            F.pinball_loss([1.0], [1.0], quantile=q)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *(("expectile_loss", {"expectile": q}) for q in (0.0, 1.0, -0.1, np.nan)),
        *(("pseudo_huber_loss", {"delta": d}) for d in (0.0, -1.0, np.nan)),
        *(("cauchy_loss", {"scale": s}) for s in (0.0, -1.0, np.nan)),
        *(("general_robust_loss", {"scale": s}) for s in (0.0, -1.0, np.nan)),
        ("general_robust_loss", {"alpha": np.nan}),
        *(("mape_loss", {"eps": e}) for e in (0.0, -1.0, np.nan)),
        *(("tukey_loss", {"c": c}) for c in (0.0, -1.0, np.nan)),
    ],
    ids=str,
)
def test_parameters_are_checked(name, parameters):
    [(parameter, value)] = parameters.items()
    with pytest.raises(ValueError, match=f"{name}: .*{parameter}.* must be .*{value}"):
        getattr(F, name)([1.0], [1.0], **parameters)


def test_pseudo_huber_and_cauchy_are_scipys():
    from scipy.optimize import least_squares
    from scipy.special import pseudo_huber

    residual = np.linspace(-9, 9, 1001)
    value = F.pseudo_huber_loss(residual, 0 * residual, "none", delta=2.5)
    np.testing.assert_allclose(value, pseudo_huber(2.5, residual), rtol=1e-13)
    fit = least_squares(lambda x: residual + 0 * x, [0.0], loss="cauchy", f_scale=2.5)
    np.testing.assert_allclose(F.cauchy_loss(residual, 0 * residual, "sum", scale=2.5), fit.cost, rtol=1e-13)


def test_log_cosh_and_squared_error_are_optaxs():
    import optax

    input, target = sample(100, np.float32), sample(100, np.float32, 1)
    np.testing.assert_allclose(F.log_cosh_loss(input, target, "none"), optax.log_cosh(input, target), atol=1e-6)
    np.testing.assert_allclose(F.mse_loss(input, target, "none"), optax.squared_error(input, target), rtol=1e-6)


def test_msle_mape_and_log_cosh_are_keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    input, target = np.abs(sample(100, np.float32)) + 0.1, np.abs(sample(100, np.float32, 1)) + 0.1
    for name, other, factor in [
        ("msle_loss", keras.losses.MeanSquaredLogarithmicError(), 1),
        ("mape_loss", keras.losses.MeanAbsolutePercentageError(), 100),
        ("log_cosh_loss", keras.losses.LogCosh(), 1),
    ]:
        expected = float(other(torch.tensor(target), torch.tensor(input)))
        np.testing.assert_allclose(factor * getattr(F, name)(input, target), expected, rtol=1e-5)


# ---- theorems


SKEWED = np.random.default_rng(0).lognormal(size=301) * 3


def pull_on_constant(name, constant, **parameters):
    constants = np.full_like(SKEWED, constant)
    return value_and_grad(getattr(F, name))(constants, SKEWED, "sum", **parameters)[1].sum()


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.83])
def test_pinball_and_expectile_are_minimal_at_quantile_and_expectile(tau):
    from scipy.stats import expectile

    quantile = np.quantile(SKEWED, tau, method="inverted_cdf")
    assert pull_on_constant("pinball_loss", quantile - 1e-9, quantile=tau) < 0
    assert pull_on_constant("pinball_loss", quantile + 1e-9, quantile=tau) > 0
    assert abs(pull_on_constant("expectile_loss", expectile(SKEWED, tau), expectile=tau)) < 1e-9


def test_msle_is_minimal_at_the_geometric_mean_and_mape_at_a_weighted_median():
    from scipy.stats import gmean

    assert abs(pull_on_constant("msle_loss", gmean(1 + SKEWED) - 1)) < 1e-9
    ordered = np.sort(SKEWED)
    share = np.cumsum(1 / ordered) / np.sum(1 / ordered)
    median = ordered[np.searchsorted(share, 0.5)]
    assert median < np.median(SKEWED)
    assert pull_on_constant("mape_loss", median - 1e-9) < 0 < pull_on_constant("mape_loss", median + 1e-9)


def test_barrons_loss_is_the_others():
    r = np.linspace(-9, 9, 101)
    zero = 0 * r

    def barron(**parameters):
        value, slope = value_and_grad(F.general_robust_loss)(r, zero, "none", **parameters)
        return np.array([value, slope])

    def other(name, factor, **parameters):
        value, slope = value_and_grad(getattr(F, name))(r, zero, "none", **parameters)
        return factor * np.array([value, slope])

    np.testing.assert_allclose(barron(alpha=2, scale=3), other("mse_loss", 1 / 18), rtol=1e-13)
    np.testing.assert_allclose(barron(alpha=1, scale=3), other("pseudo_huber_loss", 1 / 9, delta=3), rtol=1e-13)
    np.testing.assert_allclose(barron(alpha=0, scale=3), other("cauchy_loss", 1 / 9, scale=3 * 2**0.5), rtol=1e-13)
    for limit, near in [(2, 1.99999999), (2, 2.00000001), (0, 1e-8), (0, -1e-8), (-np.inf, -1e10), (np.inf, 1e12)]:
        scale = 3 if limit <= 2 else 30
        np.testing.assert_allclose(barron(alpha=near, scale=scale), barron(alpha=limit, scale=scale), rtol=3e-7)


# ---- special numbers of what torch lacks


def test_infinite_and_missing_residuals():
    """The limits; a slope that has one goes there, and NaN stays NaN in the value."""
    r = np.array([np.inf, -np.inf, np.nan, 0.0])
    expected = {
        ("pinball_loss", 0.25): ([np.inf, np.inf, np.nan, 0], [0.75, -0.25, 0, 0]),
        ("expectile_loss", 0.25): ([np.inf, np.inf, np.nan, 0], [np.inf, -np.inf, np.nan, 0]),
        ("pseudo_huber_loss", 2.0): ([np.inf, np.inf, np.nan, 0], [2, -2, np.nan, 0]),
        ("cauchy_loss", 2.0): ([np.inf, np.inf, np.nan, 0], [0, 0, np.nan, 0]),
        ("log_cosh_loss", None): ([np.inf, np.inf, np.nan, 0], [1, -1, np.nan, 0]),
        ("tukey_loss", 2.0): ([2 / 3, 2 / 3, np.nan, 0], [0, 0, np.nan, 0]),
    }
    for (name, parameter), (value, slope) in expected.items():
        loss = getattr(F, name)
        parameters = {} if parameter is None else {loss.loss.names[3 if name != "log_cosh_loss" else 0]: parameter}
        for dtype in DTYPES:
            zero = np.zeros(4, dtype)
            ours_value, ours_slope = value_and_grad(loss)(r.astype(dtype), zero, "none", **parameters)
            np.testing.assert_allclose(ours_value, value, rtol=1e-6)
            np.testing.assert_allclose(ours_slope, slope, rtol=1e-6)


@over_dtypes
def test_msle_is_exact(dtype):
    """Where input and target agree in all but the last digits, are tiny, huge, or next to −1."""
    rng = np.random.default_rng(0)
    base = np.concatenate([10 ** rng.uniform(-12, 12, 60), 10 ** rng.uniform(-4, 0, 30) - 1])
    near = np.maximum(base * (1 + 10 ** rng.uniform(-7, 3, 90)), base - 0.5 * (1 + base)).astype(dtype)
    base = base.astype(dtype)
    value, (slope, slope_in_target) = value_and_grad(F.msle_loss, (0, 1))(base, near, "none")
    with mpmath.workdps(50):
        pairs = [(mpmath.mpf(float(a)), mpmath.mpf(float(b))) for a, b in zip(base, near, strict=True)]
        logs = [mpmath.log1p(a) - mpmath.log1p(b) for a, b in pairs]
        expected = [
            [log**2 for log in logs],
            [2 * log / (1 + a) for log, (a, _) in zip(logs, pairs, strict=True)],
            [-2 * log / (1 + b) for log, (_, b) in zip(logs, pairs, strict=True)],
        ]
    for mine, exact in zip((value, slope, slope_in_target), expected, strict=True):
        np.testing.assert_allclose(mine.astype(float), np.array(exact, float), rtol=8 * np.finfo(dtype).eps)


def test_mape_of_a_target_below_eps_divides_by_eps():
    value, gradients = value_and_grad(F.mape_loss, (0, 1))([3.0, -1.0, 0.0], [0.0, 0.5, 0.0], "none", eps=2.0)
    np.testing.assert_array_equal(value, [1.5, 0.75, 0])
    np.testing.assert_array_equal(gradients[0], [0.5, -0.5, 0])
    np.testing.assert_array_equal(gradients[1], [-0.5, 0.5, 0])
    assert F.mape_loss([1.0], [0.0]) == 2.0**52


def test_a_beta_too_small_for_float32_is_none():
    """PyTorch's answer too; a formula that divides by float32(1e-50) = 0 has NaN where the residual is 0."""
    arrays = {"input": np.array([0, 1e-30, 3], np.float32), "target": np.zeros(3, np.float32)}
    assert_same(("smooth_l1_loss", {"beta": 1e-50}), arrays, "none")
