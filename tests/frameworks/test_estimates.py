"""`as_estimate` reads what the libraries' own layers, models and results hold, whichever way they wrap it."""

import numpy as np
import pytest

import planted
from planted._estimates.estimate import as_estimate
from planted.errors import InvalidTypeError, InvalidValueError

W, B = [2.0, -3.5], 4.25  # short binary fractions: the same in every type, bfloat16 included
X = np.random.default_rng(0).normal(size=(50, 2))
Y = X @ W + B + np.random.default_rng(1).normal(size=50)
FIT = planted.least_squares((X, Y)).parameters  # B and W as these rows show them
UNSEEN = "has no weights that can be read: let it see a batch of X"


def assert_read(learned, b=B):
    """Exactly `W` and `b` are read, as one row of weights and one number."""
    estimate = as_estimate(learned)
    np.testing.assert_array_equal(estimate.w, W)
    assert estimate.b == b


@pytest.fixture
def keras(framework):
    framework("tensorflow")
    return framework("keras")


@pytest.fixture
def jax(framework):
    return framework("jax")


@pytest.fixture
def nnx(jax, framework):
    framework("flax")
    from flax import nnx

    return nnx


@pytest.fixture
def gluon(framework):
    framework("mxnet")
    from mxnet import gluon

    return gluon


@pytest.fixture
def sm(framework):
    framework("statsmodels")
    import statsmodels.api as sm

    return sm


# ---- Keras ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_keras_dense(keras, dtype):
    layer = keras.layers.Dense(1, dtype=dtype)
    layer.build((None, 2))
    layer.set_weights([np.array(W)[:, None], np.array([B])])
    assert_read(layer)
    assert_read((layer.kernel, layer.bias))


def test_keras_dense_without_a_bias(keras):
    layer = keras.layers.Dense(1, use_bias=False)
    layer.build((None, 2))
    layer.set_weights([np.array(W)[:, None]])
    assert_read(layer, b=0.0)


def test_keras_layers_that_are_no_estimate(keras):
    with pytest.raises(InvalidValueError, match=f"Dense {UNSEEN}"):
        as_estimate(keras.layers.Dense(1))
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    with pytest.raises(InvalidValueError, match=r"w has shape \(2, 3\); .* of the several outputs of Dense pass one"):
        as_estimate(layer)


# ---- JAX's libraries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_nnx_linear_and_its_state(nnx, jax, dtype):
    layer = nnx.Linear(2, 1, rngs=nnx.Rngs(0), param_dtype=dtype)
    layer.kernel[...] = jax.numpy.array(W, dtype)[:, None]
    layer.bias[...] = jax.numpy.array([B], dtype)
    for learned in (layer, nnx.state(layer), nnx.to_pure_dict(nnx.state(layer))):
        assert_read(learned)


def test_nnx_linear_without_a_bias_or_with_several_outputs(nnx, jax):
    layer = nnx.Linear(2, 1, rngs=nnx.Rngs(0), use_bias=False)
    layer.kernel[...] = jax.numpy.array(W)[:, None]
    assert_read(layer, b=0.0)
    with pytest.raises(InvalidValueError, match=r"w has shape \(2, 3\); .* of the several outputs of Linear pass one"):
        as_estimate(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))


@pytest.mark.parametrize("use_bias", [True, False])
def test_parameters_of_a_linen_module(jax, framework, use_bias):
    framework("flax")
    from flax import linen

    variables = linen.Dense(1, use_bias=use_bias).init(jax.random.key(0), X)
    variables["params"]["kernel"] = jax.numpy.array(W)[:, None]
    if use_bias:
        variables["params"]["bias"] = jax.numpy.array([B])
    for learned in (variables, variables["params"]):
        assert_read(learned, b=B if use_bias else 0.0)


@pytest.mark.parametrize("out_features", [1, "scalar"])
def test_equinox_linear(jax, framework, out_features):
    eqx = framework("equinox")
    layer = eqx.nn.Linear(2, out_features, key=jax.random.key(0))
    layer = eqx.tree_at(lambda it: (it.weight, it.bias), layer, (jax.numpy.array([W]), jax.numpy.array([B])))
    assert_read(layer)
    bare = eqx.nn.Linear(2, out_features, use_bias=False, key=jax.random.key(0))
    assert_read(eqx.tree_at(lambda it: it.weight, bare, jax.numpy.array([W])), b=0.0)
    with pytest.raises(InvalidValueError, match=r"w has shape \(3, 2\); .* of the several outputs of Linear pass one"):
        as_estimate(eqx.nn.Linear(2, 3, key=jax.random.key(0)))


# ---- PyTorch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_torch_linear_and_its_state_dict(torch, dtype):
    layer = torch.nn.Linear(2, 1, dtype=getattr(torch, dtype))
    bare = torch.nn.Linear(2, 1, dtype=getattr(torch, dtype), bias=False)
    with torch.no_grad():
        layer.weight[:] = bare.weight[:] = torch.tensor(W)
        layer.bias[:] = B
    for learned in (layer, layer.state_dict()):
        assert_read(learned)
    for learned in (bare, bare.state_dict()):
        assert_read(learned, b=0.0)


def test_a_torch_module_with_parameters_of_its_own(torch):
    """As the book's scratch version has them."""

    class Scratch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor(W)[:, None])
            self.b = torch.nn.Parameter(torch.tensor([B]))

    assert_read(Scratch())


def test_torch_modules_that_are_no_estimate(torch):
    with pytest.raises(InvalidValueError, match=f"LazyLinear {UNSEEN}"):
        as_estimate(torch.nn.LazyLinear(1))
    with pytest.raises(InvalidTypeError, match="Embedding is not an estimate"):
        as_estimate(torch.nn.Embedding(2, 1))
    with pytest.raises(InvalidValueError, match=r"b, of shape \(3,\), one number: of the several outputs of Linear"):
        as_estimate(torch.nn.Linear(1, 3))


# ---- MXNet ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")  # MXNet's own import of SciPy
@pytest.mark.parametrize("numpy_arrays", [True, False])
def test_gluon_dense(gluon, numpy_arrays):
    """With MXNet's NumPy-like arrays, and with those it had before."""
    import mxnet as mx

    arrays = mx.np if numpy_arrays else mx.nd
    with mx.util.np_shape(True), mx.util.np_array(numpy_arrays):
        layer, bare = gluon.nn.Dense(1), gluon.nn.Dense(1, use_bias=False)
        with pytest.raises(InvalidValueError, match=f"Dense {UNSEEN}"):
            as_estimate(layer)
        for each in (layer, bare):
            each.initialize()
            with pytest.raises(InvalidValueError, match=f"Dense {UNSEEN}"):  # its weights wait for the first batch
                as_estimate(each)
            each(arrays.array(X, dtype="float32"))
            each.weight.set_data(arrays.array([W]))
        layer.bias.set_data(arrays.array([B]))
        assert_read(layer)
        assert_read(bare, b=0.0)
        several = gluon.nn.Dense(3, in_units=2)
        several.initialize()
        with pytest.raises(InvalidValueError, match=r"w has shape \(3, 2\); .* of the several outputs of Dense"):
            as_estimate(several)


# ---- statistics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepend", [True, False])
def test_statsmodels_results_wherever_the_constant_is(sm, prepend):
    design = sm.add_constant(X, prepend=prepend)
    for model in (sm.OLS(Y, design), sm.GLM(Y, design)):
        np.testing.assert_allclose(as_estimate(model.fit()).parameters, FIT, rtol=1e-9)


def test_statsmodels_results_of_a_data_frame_and_of_a_formula(sm, framework):
    pd = framework("pandas")
    import statsmodels.formula.api as smf

    frame = pd.DataFrame(X, columns=["first", "second"])
    design = sm.add_constant(frame, prepend=False)
    formula = smf.ols("y ~ first + second", frame.assign(y=Y))
    for results in (sm.OLS(Y, design).fit(), formula.fit()):
        np.testing.assert_allclose(as_estimate(results).parameters, FIT, rtol=1e-9)


def test_statsmodels_results_without_a_constant_and_with_several_responses(sm):
    estimate = as_estimate(sm.OLS(Y, X).fit())
    np.testing.assert_allclose(estimate.w, np.linalg.lstsq(X, Y, rcond=None)[0], rtol=1e-9)
    assert estimate.b == 0
    several = sm.OLS(np.column_stack([Y, Y]), sm.add_constant(X)).fit()
    with pytest.raises(InvalidValueError, match=r"w has shape \(2, 2\); .* of the several outputs of"):
        as_estimate(several)
    with pytest.raises(InvalidTypeError, match=r"OLS is not an estimate: pass .* a fitted linear model"):
        as_estimate(sm.OLS(Y, X))


@pytest.mark.parametrize("column", [True, False])
def test_scikit_learn(sklearn, column):
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, Y[:, None] if column else Y)
    np.testing.assert_allclose(as_estimate(model).parameters, FIT, rtol=1e-9)
    assert as_estimate(LinearRegression(fit_intercept=False).fit(X, Y)).b == 0
    with pytest.raises(InvalidValueError, match=r"w has shape \(2, 2\); .* of the several outputs of LinearRegression"):
        as_estimate(LinearRegression().fit(X, np.column_stack([Y, Y])))


# ---- no library at all ------------------------------------------------------------------------------------------


def test_an_estimate_is_handed_on_and_mappings_are_read():
    estimate = planted.Estimate(W, B)
    assert as_estimate(estimate) is estimate
    column = np.array(W)[:, None]
    for learned in (
        {"w": W, "b": B},
        {"kernel": column, "bias": [B]},
        {"weight": column.T, "bias": [B], 0: "more"},
        {"params": {"kernel": column, "bias": np.float32(B)}, "batch_stats": {}},
    ):
        assert_read(learned)
    assert_read({"kernel": column}, b=0.0)


@pytest.mark.parametrize(
    ("learned", "error", "message"),
    [
        ({"params": 3.0}, InvalidTypeError, "dict is not an estimate"),
        ({"w": W}, InvalidTypeError, "dict is not an estimate"),
        ({}, InvalidTypeError, "dict is not an estimate"),
        ("weights", InvalidTypeError, "str is not an estimate"),
        (np.array([B, *W]), InvalidTypeError, "ndarray is not an estimate"),
        ({"kernel": None}, InvalidValueError, "dict has no weights that can be read"),
        ({"kernel": ["2", "-3.5"]}, InvalidTypeError, "dict holds .* values; they must be real numbers"),
        ({"kernel": [2.0, np.inf]}, InvalidValueError, r"w\[1\]=inf must be finite"),
        ({"kernel": np.ones((2, 1, 2))}, InvalidValueError, r"w has shape \(2, 1, 2\); it must be a vector"),
        ({"kernel": W, "bias": [1.0, 2.0]}, InvalidValueError, r"b, of shape \(2,\), one number"),
        ({"kernel": W, "bias": []}, InvalidValueError, r"b, of shape \(0,\), one number"),
    ],
)
def test_what_is_no_estimate_is_refused(learned, error, message):
    with pytest.raises(error, match=message):
        as_estimate(learned)
