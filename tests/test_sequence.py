"""CTC and the cross-entropy of a linear layer, beside optax, brute force, and PyTorch."""

import itertools
import tracemalloc

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import torch
import torch.nn.functional as TF
from torch.autograd.gradcheck import GradcheckError

import lossutils.functional as F
from lossutils import value_and_grad
from lossutils.losses import sequence
from lossutils.numerics import log_softmax

INF, NAN = np.inf, np.nan
mp = mpmath.mp.clone()
mp.dps = 60


def tensor(a):
    return torch.tensor(a) if isinstance(a, np.ndarray) else a


def theirs(name, arguments, wrt=()):
    """PyTorch's value, and the gradient of its sum."""
    tensors = {k: tensor(a) for k, a in arguments.items()}
    for k in wrt:
        tensors[k].requires_grad_()
    value = getattr(TF, name)(**tensors)
    if wrt:
        value.sum().backward()
    return value.detach().numpy(), [tensors[k].grad.numpy() for k in wrt]


# ---- connectionist temporal classification


def speech(seed=0, times=9, batch=4, classes=5, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {
        "log_probs": log_softmax(3 * rng.normal(size=(times, batch, classes))).astype(dtype),
        "targets": rng.integers(1, classes, size=(batch, 3)),
        "input_lengths": rng.integers(6, times + 1, size=batch),
        "target_lengths": rng.integers(0, 4, size=batch),
    }


def read(path, blank):
    """What a path says: equal neighbours merged, then blanks dropped."""
    return [label for label, _ in itertools.groupby(path) if label != blank]


def by_enumeration(log_probs, target, blank=0):
    """−log of the sum over all paths, and how probable each label is at each time, given the target."""
    times, classes = log_probs.shape
    p = [[mp.exp(mp.mpf(float(x))) for x in row] for row in log_probs]
    total, seen = mp.mpf(0), [[mp.mpf(0)] * classes for _ in range(times)]
    for path in itertools.product(range(classes), repeat=times):
        if read(path, blank) == list(target):
            probability = mp.fprod(p[t][label] for t, label in enumerate(path))
            total += probability
            for t, label in enumerate(path):
                seen[t][label] += probability
    return -mp.log(total), [[x / total for x in row] for row in seen]


@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 2], [2, 1, 2], [1, 2, 2], [2, 2, 2]], ids=str)
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_ctc_is_the_sum_over_all_paths(target, blank, dtype):
    target = [label if blank == 0 else label - 1 for label in target]
    rng = np.random.default_rng(1)
    log_probs = log_softmax(4 * rng.normal(size=(5, 4)).astype(dtype))
    exact, seen = by_enumeration(log_probs, target, blank)
    given = np.array(target, int), 5, len(target)
    value, gradient = value_and_grad(F.ctc_loss)(log_probs, *given, blank=blank, reduction="sum")
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    assert abs(mp.mpf(float(value)) - exact) <= tolerance * exact
    for t, label in np.ndindex(5, 4):
        slope = mp.exp(mp.mpf(float(log_probs[t, label]))) - seen[t][label]
        assert abs(mp.mpf(float(gradient[t, label])) - slope) <= tolerance * abs(slope) + mp.mpf(1e-15)


def test_ctc_beside_optax():
    jax.config.update("jax_enable_x64", True)
    try:
        given = speech()
        times, labels = np.arange(9), np.arange(3)
        paddings = times >= given["input_lengths"][:, None], labels >= given["target_lengths"][:, None]
        scores = jnp.swapaxes(given["log_probs"], 0, 1)

        def of_logits(logits):
            values = optax.losses.ctc_loss(logits, paddings[0] * 1.0, given["targets"], paddings[1] * 1.0)
            return values.sum(), values

        slopes, values = jax.grad(of_logits, has_aux=True)(scores)
        value, gradient = value_and_grad(F.ctc_loss)(**given, reduction="none")
        np.testing.assert_allclose(value, values, rtol=1e-9)
        np.testing.assert_allclose(gradient, np.swapaxes(slopes, 0, 1), rtol=1e-7, atol=1e-12)
    finally:
        jax.config.update("jax_enable_x64", False)


def test_ctc_gradient_is_the_derivative_after_log_softmax_and_not_before():
    """As PyTorch's: its gradcheck fails without log_softmax and passes with it."""
    given = speech(2, times=7, batch=2, classes=3)
    others = {k: a for k, a in given.items() if k != "log_probs"}
    logits = np.random.default_rng(3).normal(size=(7, 2, 3))
    _, gradient = value_and_grad(F.ctc_loss)(log_softmax(logits), **others)
    numeric, h = np.empty_like(logits), 1e-4
    for index in np.ndindex(logits.shape):
        moved = []
        for k in (-2, -1, 1, 2):
            z = logits.copy()
            z[index] += k * h
            moved.append(F.ctc_loss(log_softmax(z), **others))
        numeric[index] = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * h)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-10)
    tensors = [torch.tensor(others[k]) for k in ("targets", "input_lengths", "target_lengths")]
    z = torch.tensor(logits, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: TF.ctc_loss(z.log_softmax(-1), *tensors), z)
    with pytest.raises(GradcheckError):
        torch.autograd.gradcheck(lambda z: TF.ctc_loss(z, *tensors), z)


def test_ctc_of_what_is_no_log_softmax_is_torchs_too():
    given = speech(4)
    given["log_probs"] = given["log_probs"] * 0.7 + 0.3
    value, gradient = value_and_grad(F.ctc_loss)(**given, reduction="sum")
    expected, (slope,) = theirs("ctc_loss", given | {"reduction": "sum"}, ("log_probs",))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", [np.int32, np.int16, np.uint8, np.int64], ids=lambda d: d.__name__)
def test_ctc_takes_integers_of_any_width(kind):
    given = speech()
    narrow = {k: a if k == "log_probs" else a.astype(kind) for k, a in given.items()}
    assert F.ctc_loss(**narrow) == F.ctc_loss(**given) == pytest.approx(float(theirs("ctc_loss", narrow)[0]), rel=1e-12)


LP = speech(5, times=6, batch=2, classes=4)["log_probs"]
TG = np.array([[1, 2, 3], [2, 2, 1]])
IL, TL = np.array([6, 5]), np.array([3, 2])


@pytest.mark.parametrize(
    "arguments",
    [
        (LP, TG, IL, TL),
        (LP, TG, [6, 5], [3, 2]),
        (LP, TG, (6, 5), (3, 2)),
        (LP, np.array([1, 2, 3, 2, 2]), IL, TL),
        (LP, np.array([[1, 2, 3], [2, 2, -9]]), IL, TL),
        (LP, TG, IL, np.array([0, 2])),
        (LP, TG, np.array([0, 5]), np.array([0, 2])),
        (LP, TG, np.array([0, 5]), TL),
        (LP, TG, np.array([3, 3]), np.array([3, 2])),
        (LP, np.zeros((2, 0), int), IL, np.array([0, 0])),
        (LP, np.zeros(0, int), IL, np.array([0, 0])),
        (LP[:, 0], np.array([1, 2]), np.array(6), np.array(2)),
        (LP[:, 0], np.array([1, 2]), np.array([6]), np.array([2])),
        (LP[:, 0], np.array([[1, 2]]), np.array([6]), np.array([2])),
        (LP[:, 0], np.array([[1, 2, 3]]), np.array(6), np.array(2)),
        (LP[:, :1], np.array([[1, 2]]), np.array(6), np.array(2)),
        (LP[:, :1], np.array([1, 2]), np.array(6), np.array(2)),
        (LP[:, :, :1], np.zeros((2, 0), int), IL, np.array([0, 0])),
        (np.where(np.arange(4) == 3, -INF, LP), TG, IL, TL),
    ],
    ids=lambda a: "-".join(str(np.shape(x)) for x in a),
)
@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc_of_every_form_is_torchs(arguments, zero_infinity, reduction):
    given = dict(zip(("log_probs", "targets", "input_lengths", "target_lengths"), arguments, strict=True))
    given |= {"zero_infinity": zero_infinity, "reduction": reduction}
    value, gradient = value_and_grad(F.ctc_loss)(**given)
    expected, (slope,) = theirs("ctc_loss", given, ("log_probs",))
    assert np.shape(value) == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    right = np.isfinite(given["log_probs"])  # where that is −inf, PyTorch's gradient is NaN even if the loss is finite
    np.testing.assert_allclose(gradient[right], slope[right], rtol=1e-7, atol=1e-9)


def test_ctc_of_a_label_that_cannot_be_has_a_finite_gradient():
    """PyTorch's is NaN at every −inf."""
    given = speech(6)
    given["log_probs"][2, :, 1:] = -INF
    given["log_probs"][2, :, 0] = 0
    given["input_lengths"][:] = 9
    value, gradient = value_and_grad(F.ctc_loss)(**given, reduction="none")
    assert np.isfinite(value).all()
    np.testing.assert_allclose(gradient[2], 0, atol=1e-12)
    assert np.isnan(theirs("ctc_loss", given, ("log_probs",))[1][0]).any()


RAISES = [
    ({"targets": np.array([1, 2, 3, 2, 2, 1])}, "targets must have Σ target_lengths = 5 labels, got 6"),
    ({"targets": np.array([1, 2, 3, 2])}, "targets must have Σ target_lengths = 5 labels, got 4"),
    ({"input_lengths": np.array([6.0, 5.0])}, "input_lengths must be integers, got float64"),
    ({"target_lengths": np.array([3.0, 2.0])}, "target_lengths must be integers, got float64"),
    ({"target_lengths": np.array([True, True])}, "target_lengths must be an array of real numbers, got bool"),
    ({"input_lengths": np.array([7, 5])}, r"input_lengths must be in 0 … 6, got \[7, 5\]"),
    ({"input_lengths": np.array([-1, 5])}, r"input_lengths must be in 0 … 6, got \[-1, 5\]"),
    ({"target_lengths": np.array([4, 2])}, r"target_lengths must be in 0 … 3, got \[4, 2\]"),
    ({"target_lengths": np.array([-1, 2])}, r"target_lengths must be in 0 … 3, got \[-1, 2\]"),
    ({"input_lengths": np.array([6, 5, 4])}, r"log_probs .* and input_lengths of shape \(3,\) don't match"),
    ({"target_lengths": np.array([3])}, r"log_probs .* and target_lengths of shape \(1,\) don't match"),
    ({"input_lengths": np.array(6), "target_lengths": np.array(3)}, "input_lengths must have one entry for each of 2"),
    ({"targets": TG[:1]}, r"log_probs .* and targets of shape \(1, 3\) don't match"),
    ({"targets": TG[None]}, "targets needs axes"),
    ({"log_probs": LP[None]}, "log_probs needs axes"),
    ({"log_probs": LP[0, 0]}, "log_probs needs axes"),
    ({"log_probs": LP[:0]}, "log_probs must not be empty"),
    ({"log_probs": LP[..., :0]}, "log_probs must not be empty"),
    ({"log_probs": LP[:, :0], "targets": TG[:0], "input_lengths": IL[:0], "target_lengths": TL[:0]}, "log_probs must"),
    ({"log_probs": np.ones((6, 2, 4), int)}, "needs floating point"),
    ({"blank": 4}, "blank must be one of 4 labels, got 4"),
    ({"blank": -1}, "blank must be one of 4 labels, got -1"),
    ({"reduction": "batchmean"}, "reduction must be one of"),
    (
        {"log_probs": LP[:, 0], "targets": TG[:2, :2], "input_lengths": np.array(6), "target_lengths": np.array(2)},
        r"targets of shape \(2, 2\) don't match 1 sequences",
    ),
    (
        {"log_probs": LP[:, 0], "targets": TG[0], "input_lengths": np.array(6), "target_lengths": np.array(2)},
        "targets must have Σ target_lengths = 2 labels, got 3",
    ),
]


@pytest.mark.parametrize(("change", "message"), RAISES, ids=[str(i) for i in range(len(RAISES))])
def test_ctc_raises_where_torch_does(change, message):
    given = {"log_probs": LP, "targets": TG, "input_lengths": IL, "target_lengths": TL} | change
    with pytest.raises((RuntimeError, ValueError, IndexError, NotImplementedError)):
        theirs("ctc_loss", given)
    with pytest.raises((TypeError, ValueError), match=f"ctc_loss:? {message}"):
        F.ctc_loss(**given)


@pytest.mark.parametrize("label", [4, -1])
def test_ctc_rejects_a_label_where_torch_reads_past_the_end(label):
    with pytest.raises(IndexError, match=r"ctc_loss: targets must be in 0 … 3"):
        F.ctc_loss(LP, np.where(TG == 3, label, TG), IL, TL)
    with pytest.raises(TypeError, match="ctc_loss: targets must be integers, got float64"):
        F.ctc_loss(LP, TG.astype(float), IL, TL)


def test_ctc_finds_a_path_of_tiny_probability_beside_a_likely_one():
    """Probabilities of e⁻¹⁰⁰⁰ would be 0; and the blank is sure at the same times."""
    log_probs = np.full((6, 3), -1000.0, np.float32)
    log_probs[:, 0] = 0
    value, gradient = value_and_grad(F.ctc_loss)(log_probs, [1, 2], 6, 2)
    ways = 15  # to choose two of six times
    assert value == pytest.approx((2000 - np.log(ways)) / 2, rel=1e-6)
    np.testing.assert_allclose(gradient.sum(axis=0), np.array([2, -1, -1]) / 2, rtol=1e-5)


def test_ctc_of_a_long_sequence_in_single_precision_is_exact():
    given = speech(7, times=2000, batch=2, classes=6, dtype=np.float32)
    given["input_lengths"][:] = 2000
    value, gradient = value_and_grad(F.ctc_loss)(**given, reduction="none")
    wide = given | {"log_probs": given["log_probs"].astype(float)}
    exact, slope = value_and_grad(F.ctc_loss)(**wide, reduction="none")
    np.testing.assert_allclose(value, exact, rtol=1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-12)


def test_ctc_that_is_nearly_sure_keeps_its_digits():
    """Blank, 1, blank, each missed by 1e-9: in single precision, p − γ would be 0."""
    log_probs = np.full((3, 2), np.log(1e-9))
    log_probs[[0, 1, 2], [0, 1, 0]] = np.log1p(-1e-9)
    log_probs = log_probs.astype(np.float32)
    value, gradient = value_and_grad(F.ctc_loss)(log_probs, [1], 3, 1)
    exact, seen = by_enumeration(log_probs, [1])
    assert value == pytest.approx(float(exact), rel=1e-6)
    for t, label in np.ndindex(3, 2):
        slope = mp.exp(mp.mpf(float(log_probs[t, label]))) - seen[t][label]
        assert gradient[t, label] == pytest.approx(float(slope), rel=1e-6)


def test_ctc_sequences_do_not_see_each_other():
    given = speech(8)
    value, gradient = value_and_grad(F.ctc_loss)(**given, reduction="none")
    for n in range(4):
        length = given["target_lengths"][n]
        alone = given["log_probs"][:, n], given["targets"][n, :length], given["input_lengths"][n], length
        one, slope = value_and_grad(F.ctc_loss)(*alone, reduction="sum")
        assert value[n] == pytest.approx(one, rel=1e-13)
        np.testing.assert_allclose(gradient[:, n], slope, rtol=1e-10, atol=1e-14)
        past = given["log_probs"].copy()
        past[given["input_lengths"][n] :, n] = NAN
        assert F.ctc_loss(**(given | {"log_probs": past}), reduction="none")[n] == pytest.approx(one, rel=1e-13)


# ---- cross-entropy of a linear layer's outputs


def layer(n=6, features=4, classes=5, positions=(), dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "input": rng.normal(size=(n, features)).astype(dtype),
        "linear_weight": rng.normal(size=(classes, *positions, features)).astype(dtype),
        "target": rng.integers(0, classes, size=(n, *positions)),
        "linear_bias": rng.normal(size=(classes, *positions)).astype(dtype),
        "weight": rng.uniform(0.5, 2, size=classes).astype(dtype),
    }


def soft(given):
    shape = (len(given["input"]), *given["linear_weight"].shape[:-1])
    p = np.random.default_rng(1).uniform(0.1, 1, size=shape)
    return given | {"target": (p / p.sum(axis=1, keepdims=True)).astype(given["input"].dtype)}


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("make", [layer, lambda: soft(layer())], ids=["indices", "probabilities"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_linear_cross_entropy_is_that_of_the_logits_in_chunks_of_any_size(make, chunk, smoothing, monkeypatch):
    monkeypatch.setattr(sequence, "CHUNK", chunk)
    given = make()
    x, w, target = given["input"], given["linear_weight"], given["target"]
    logits = x @ w.T + given["linear_bias"]
    options = {"weight": given["weight"], "label_smoothing": smoothing}
    value, slope = value_and_grad(F.cross_entropy)(logits, target, **options)
    ours, (by_input, by_weight, by_bias) = value_and_grad(F.linear_cross_entropy, (0, 1, "linear_bias"))(
        **given, label_smoothing=smoothing
    )
    assert ours == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(by_input, slope @ w, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(by_weight, slope.T @ x, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(by_bias, slope.sum(axis=0), rtol=1e-10, atol=1e-14)
    if target.dtype.kind == "f":
        by_target, by_class = value_and_grad(F.linear_cross_entropy, ("target", "weight"))(
            **given, label_smoothing=smoothing
        )[1]
        expected = value_and_grad(F.cross_entropy, ("target", "weight"))(logits, target, **options)[1]
        np.testing.assert_allclose(by_target, expected[0], rtol=1e-12)
        np.testing.assert_allclose(by_class, expected[1], rtol=1e-12)


@pytest.mark.parametrize("positions", [(2,), (2, 3), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("kind", ["indices", "ignored", "probabilities"])
def test_linear_cross_entropy_at_positions_is_torchs(positions, reduction, kind):
    given = layer(positions=positions) | {"reduction": reduction}
    if kind == "ignored":
        given["target"][::2] = 3
        given["ignore_index"] = 3
    if kind == "probabilities":
        given = soft(given)
    wrt = ("input", "linear_weight", "linear_bias", *(("target", "weight") if kind == "probabilities" else ()))
    value, gradients = value_and_grad(F.linear_cross_entropy, wrt)(**given)
    expected, slopes = theirs("linear_cross_entropy", given, wrt)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


def test_linear_cross_entropy_never_holds_all_logits(monkeypatch):
    """Beyond inputs and gradients: a few chunks, and one more array of the size of the weights."""
    given = layer(600, 8, 4_000, dtype=np.float32)
    del given["weight"]
    wrt = ("input", "linear_weight", "linear_bias")
    gradients = sum(given[name].nbytes for name in wrt)
    logits = 600 * 4_000 * 4
    peaks = {}
    for chunk in (1 << 15, 1 << 17):
        monkeypatch.setattr(sequence, "CHUNK", chunk)
        for name, function in (
            ("value", F.linear_cross_entropy),
            ("gradients", value_and_grad(F.linear_cross_entropy, wrt)),
        ):
            tracemalloc.start()
            function(**given)
            peaks[name, chunk] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peaks["value", chunk] < 5 * 4 * chunk + 100_000
        assert peaks["gradients", chunk] - gradients < 5 * 4 * chunk + given["linear_weight"].nbytes + 100_000
    assert peaks["gradients", 1 << 17] < logits / 2


@pytest.mark.parametrize("name", ["input", "linear_weight", "linear_bias", "weight"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64], ids=lambda d: d.__name__)
def test_linear_cross_entropy_has_one_dtype_as_in_torch(name, dtype):
    given = layer()
    given |= {name: np.ceil(given[name]).astype(dtype)}
    with pytest.raises((RuntimeError, NotImplementedError)):
        theirs("linear_cross_entropy", given)
    with pytest.raises(TypeError, match=r"linear_cross_entropy: .* must be floating point, and of input's dtype"):
        F.linear_cross_entropy(**given)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64], ids=lambda d: d.__name__)
def test_linear_cross_entropy_promotes_to_the_dtype_of_probabilities_and_weights(dtype):
    given = soft(layer(dtype=np.float32))
    for name in ("target", "weight"):
        changed = given | {name: given[name].astype(dtype)}
        value, gradients = value_and_grad(F.linear_cross_entropy, ("input", name))(**changed)
        expected, slopes = theirs("linear_cross_entropy", changed, ("input", name))
        assert value.dtype == expected.dtype
        assert [g.dtype for g in gradients] == [s.dtype for s in slopes]
        np.testing.assert_allclose(value, expected, rtol=1e-6)


X, W, Y, B, C = layer().values()
SHARES = soft(layer())["target"]
LAYER_RAISES = [
    ({"target": Y.astype(np.int32)}, "target must be int64 class indices, got int32"),
    ({"target": Y.astype(np.int8)}, "target must be int64 class indices, got int8"),
    ({"target": Y.astype(float)}, "target must be int64 class indices, got float64"),
    ({"target": np.ones((6, 5), int)}, "target of the logits' shape must be floating point, got int64"),
    ({"target": np.array([0, 1, 2, 3, 4, 5])}, "target 5 is out of bounds for 5 classes"),
    ({"target": np.array([0, 1, 2, 3, 4, -1])}, "target -1 is out of bounds for 5 classes"),
    ({"target": Y[:5]}, r"input .* and target of shape \(5,\) don't match"),
    ({"target": SHARES[:, :4]}, r"linear_weight .* and target of shape \(6, 4\) don't match"),
    ({"target": SHARES, "ignore_index": 0}, "ignore_index is for indices, got 0 with probabilities"),
    ({"target": SHARES, "ignore_index": -100}, "ignore_index is for indices, got -100 with probabilities"),
    ({"label_smoothing": 1.5}, r"label_smoothing must be in \[0, 1\], got 1.5"),
    ({"weight": C[:4]}, r"linear_weight .* and weight of shape \(4,\) don't match"),
    ({"linear_bias": B[:1]}, r"linear_weight .* and linear_bias of shape \(1,\) don't match"),
    ({"linear_bias": B[0]}, "linear_bias needs axes"),
    ({"linear_weight": W[0]}, "linear_weight needs two axes or more"),
    ({"input": X[:, :3]}, r"input .* and linear_weight of shape \(5, 4\) don't match"),
    ({"input": X[None]}, "input needs axes"),
    ({"linear_weight": layer(positions=(2,))["linear_weight"]}, "linear_weight needs axes"),
    ({"input": X[0], "target": np.array(1), "linear_weight": W[:, None]}, "linear_weight needs axes|input needs axes"),
    ({"linear_weight": W[:0], "linear_bias": None, "weight": None}, "is out of bounds for 0 classes"),
    ({"reduction": "batchmean"}, "reduction must be one of"),
]


@pytest.mark.parametrize(("change", "message"), LAYER_RAISES, ids=[str(i) for i in range(len(LAYER_RAISES))])
def test_linear_cross_entropy_raises_where_torch_does(change, message):
    given = {"input": X, "linear_weight": W, "target": Y, "linear_bias": B, "weight": C} | change
    with pytest.raises((RuntimeError, ValueError, IndexError)):
        theirs("linear_cross_entropy", given)
    with pytest.raises((TypeError, ValueError, IndexError), match=message):
        F.linear_cross_entropy(**given)


def test_linear_cross_entropy_has_no_gradient_in_the_weights_of_indices_as_in_torch():
    given = layer()
    with pytest.raises(RuntimeError, match="not differentiable"):
        theirs("linear_cross_entropy", given, ("weight",))
    with pytest.raises(TypeError, match="linear_cross_entropy is not differentiable with respect to weight"):
        value_and_grad(F.linear_cross_entropy, "weight")(**given)


@pytest.mark.parametrize("sizes", [(0, 3, 5), (3, 0, 5), (3, 2, 1)], ids=str)
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_linear_cross_entropy_of_empty_arrays_is_torchs(sizes, reduction):
    given = layer(*sizes) | {"reduction": reduction}
    value, gradients = value_and_grad(F.linear_cross_entropy, (0, 1))(**given)
    expected, slopes = theirs("linear_cross_entropy", given, ("input", "linear_weight"))
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)
    for gradient, slope in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


def test_linear_cross_entropy_of_ignored_rows_is_nan_with_gradient_0():
    given = layer() | {"target": np.full(6, -100)}
    value, gradients = value_and_grad(F.linear_cross_entropy, (0, 1))(**given)
    expected, slopes = theirs("linear_cross_entropy", given, ("input", "linear_weight"))
    assert np.isnan(value)
    assert np.isnan(expected)
    assert not any(map(np.any, (*gradients, *slopes)))
    given["input"][2] = NAN  # what is ignored may be anything
    given["target"][:2] = 1
    assert np.isfinite(F.linear_cross_entropy(**given))


def test_linear_cross_entropy_right_by_a_margin_of_50_is_not_0():
    """PyTorch says 0, in both precisions."""
    given = {"input": np.ones((1, 1), np.float32), "linear_weight": np.array([[50.0], [0.0]], np.float32)}
    for target in (np.array([0]), np.array([[1.0, 0.0]], np.float32)):
        value, slope = value_and_grad(F.linear_cross_entropy, "linear_weight")(**given, target=target)
        assert value == pytest.approx(float(mp.log1p(mp.exp(-50))), rel=1e-6)
        np.testing.assert_allclose(slope, np.array([[-1], [1]]) / float(1 + mp.exp(50)), rtol=1e-6)
        assert theirs("linear_cross_entropy", given | {"target": target})[0] == 0


def test_linear_cross_entropy_takes_uint8_and_is_torchs():
    given = layer() | {"target": Y.astype(np.uint8), "ignore_index": 2}
    expected, _ = theirs("linear_cross_entropy", given)
    assert F.linear_cross_entropy(**given) == pytest.approx(float(expected), rel=1e-12)
