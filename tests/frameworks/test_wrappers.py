"""What holds one linear layer is that layer, whatever wraps it; what holds more is refused, and says what it holds.

`W` and `B` are short binary fractions, so that they are the same in every type.
"""

import numpy as np
import pytest

import planted
from planted._estimates.estimate import as_estimate
from planted.errors import InvalidTypeError, InvalidValueError

W, B = [2.0, -3.5], 4.25
ROWS = planted.regression(W, B, n=200)
X = np.random.default_rng(0).normal(size=(50, 2))


def assert_read(model, b=B):
    """Exactly `W` and `b` are read; a model that is not trained is refused all the same."""
    estimate = as_estimate(model)
    np.testing.assert_array_equal(estimate.w, W)
    assert estimate.b == b


@pytest.fixture
def linear(torch):
    """A function that makes torch layers of these weights."""

    def make():
        layer = torch.nn.Linear(2, 1)
        with torch.no_grad():
            layer.weight[:] = torch.tensor(W)
            layer.bias[:] = B
        return layer

    return make


@pytest.fixture
def keras(framework):
    framework("tensorflow")
    return framework("keras")


@pytest.fixture
def dense(keras):
    """A function that makes Keras layers of these weights."""

    def make(**options):
        layer = keras.layers.Dense(1, **options)
        layer.build((None, 2))
        layer.set_weights([np.array(W)[:, None], np.array([B])])
        return layer

    return make


@pytest.fixture
def jax(framework):
    return framework("jax")


# ---- PyTorch ----------------------------------------------------------------------------------------------------


def test_a_torch_sequence_of_one_layer(torch, linear):
    nn = torch.nn
    assert_read(nn.Sequential(linear()))
    assert_read(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Dropout(0.1), linear()), nn.Identity()))
    assert planted.check(nn.Sequential(linear()), ROWS).passed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when it first compiles
def test_what_wraps_a_torch_layer(torch, linear, tmp_path):
    assert_read(torch.nn.DataParallel(linear()))
    assert_read(torch.compile(linear()))
    assert_read(torch.compile(torch.nn.Sequential(linear())))
    assert_read(torch.optim.swa_utils.AveragedModel(linear()))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        assert_read(torch.nn.parallel.DistributedDataParallel(linear()))
    finally:
        torch.distributed.destroy_process_group()


def test_the_state_of_what_wraps_a_torch_layer(torch, linear):
    """As it is saved: names with dots, in a checkpoint among other things."""
    state = torch.nn.Sequential(linear()).state_dict()
    assert_read(state)
    assert_read({"module." + name: value for name, value in state.items()})
    assert_read({"state_dict": state, "epoch": 3, "optimizer_states": [{"state": {}}], "hyper_parameters": {"lr": 0.1}})
    assert_read(list(linear().parameters()))


def test_torch_models_that_are_no_line(torch, linear):
    nn = torch.nn
    for model, message in (
        (nn.Sequential(linear(), nn.ReLU()), r"besides its linear layer it holds ReLU \(1\)"),
        (nn.Sequential(nn.BatchNorm1d(2), linear()), r"besides its linear layer it holds a parameter \(0\.weight\)"),
        (nn.Sequential(nn.Linear(2, 2), linear()), r"it holds 2 linear layers \(0, 1\), and check judges one"),
        (nn.Sequential(nn.Linear(2, 2), linear()).state_dict(), r"it holds 2 linear layers \(0, 1\)"),
        (
            nn.Sequential(nn.BatchNorm1d(2, affine=False), linear()).state_dict(),
            r"it holds running_mean \(0\.running_mean",
        ),
        (nn.BatchNorm1d(1), "BatchNorm1d is not an estimate"),
        (nn.Sequential(nn.ReLU()), "Sequential is not an estimate: pass an Estimate"),
        (linear().parameters(), "generator is not an estimate"),
        (nn.Linear, "Linear is a class, not an estimate: pass an object of it that was trained"),
    ):
        with pytest.raises(InvalidTypeError, match=message):
            as_estimate(model)
    with pytest.raises(InvalidValueError, match="has no weights that can be read: let it see a batch of X"):
        as_estimate(nn.Sequential(nn.LazyLinear(1)))


def test_a_torch_module_with_a_scale_beside_its_layer_or_with_an_activation(torch, linear):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.scale = linear(), torch.nn.Parameter(torch.ones(1))

    with pytest.raises(InvalidTypeError, match=r"it holds a parameter \(scale\)"):
        as_estimate(Scaled())

    class Bent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.activation = linear(), torch.relu

    with pytest.raises(InvalidTypeError, match=r"it holds relu \(activation\)"):
        as_estimate(Bent())


def test_a_lightning_module_with_a_loss_and_a_metric(torch, framework, linear):
    lightning = framework("lightning")
    torchmetrics = framework("torchmetrics")

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net, self.loss, self.error = linear(), torch.nn.MSELoss(), torchmetrics.MeanSquaredError()

    assert_read(Model())


# ---- Keras ------------------------------------------------------------------------------------------------------


def test_keras_models_of_one_layer(keras, dense):
    assert_read(keras.Sequential([keras.Input((2,)), dense()]))
    inputs = keras.Input((2,))
    assert_read(keras.Model(inputs, dense()(keras.layers.Flatten()(inputs))))

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.net = dense()

    model = Model()
    assert_read(model)
    assert_read(model.get_weights())
    model.compile("sgd", "mean_squared_error", metrics=["mae"])
    assert_read(model)


def test_keras_models_that_are_no_line(keras, dense):
    with pytest.raises(InvalidTypeError, match=r"it holds relu \(activation\)"):
        as_estimate(dense(activation="relu"))
    with pytest.raises(
        InvalidTypeError, match=r"Sequential is not an estimate: .* it holds sigmoid \(layers\[1\]\.act"
    ):
        as_estimate(keras.Sequential([dense(), keras.layers.Activation("sigmoid")]))
    with pytest.raises(InvalidTypeError, match=r"it holds Normalization \(layers\[0\]\)"):
        as_estimate(keras.Sequential([keras.layers.Normalization(), dense()]))
    with pytest.raises(InvalidTypeError, match="it holds 2 linear layers"):
        as_estimate(keras.Sequential([dense(), keras.layers.Dense(1)]).__class__([dense(), dense()]))
    with pytest.raises(InvalidValueError, match="Dense has no weights that can be read"):
        as_estimate(keras.Sequential([keras.layers.Dense(1)]))


# ---- JAX's libraries --------------------------------------------------------------------------------------------


def test_nnx_modules_with_one_layer(jax, framework):
    framework("flax")
    from flax import nnx

    def layer():
        made = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
        made.kernel[...], made.bias[...] = jax.numpy.array(W)[:, None], jax.numpy.array([B])
        return made

    class Model(nnx.Module):
        def __init__(self, *more):
            self.net, self.rngs, self.more = layer(), nnx.Rngs(1), nnx.List(more)

    assert_read(Model())
    assert_read(nnx.state(Model(), nnx.Param))
    assert_read(nnx.Sequential(layer()))
    assert_read(nnx.Sequential(nnx.Dropout(0.5, rngs=nnx.Rngs(0)), layer()))
    with pytest.raises(InvalidTypeError, match="it holds relu"):
        as_estimate(nnx.Sequential(layer(), jax.nn.relu))
    with pytest.raises(InvalidTypeError, match="it holds 2 linear layers"):
        as_estimate(nnx.Sequential(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), layer()))


def test_the_parameters_of_linen_modules_and_their_training_state(jax, framework):
    framework("flax")
    framework("optax")
    import optax
    from flax import linen
    from flax.training.train_state import TrainState

    class Model(linen.Module):
        def setup(self):
            self.net = linen.Dense(1)

        def __call__(self, X):
            return self.net(X)

    variables = Model().init(jax.random.key(0), X)
    variables["params"]["net"] = {"kernel": jax.numpy.array(W)[:, None], "bias": jax.numpy.array([B])}
    assert_read(variables)
    state = TrainState.create(apply_fn=Model().apply, params=variables["params"], tx=optax.sgd(0.1))
    assert_read(state)
    assert_read(state.params)
    two = {"params": {"a": variables["params"]["net"], "b": variables["params"]["net"]}}
    with pytest.raises(InvalidTypeError, match=r"it holds 2 linear layers \(params\.a, params\.b\)"):
        as_estimate(two)
    with pytest.raises(InvalidTypeError, match=r"Model is not an estimate: .* or its dict of parameters"):
        as_estimate(Model())


def test_equinox_modules_with_one_layer(jax, framework):
    eqx = framework("equinox")

    def layer():
        made = eqx.nn.Linear(2, 1, key=jax.random.key(0))
        return eqx.tree_at(lambda it: (it.weight, it.bias), made, (jax.numpy.array([W]), jax.numpy.array([B])))

    class Model(eqx.Module):
        net: eqx.nn.Linear

    assert_read(Model(layer()))
    assert_read(eqx.nn.Sequential([layer()]))
    assert_read(eqx.nn.Sequential([eqx.nn.Identity(), layer()]))
    with pytest.raises(InvalidTypeError, match=r"it holds relu \(layers\[1\]\.fn\)"):
        as_estimate(eqx.nn.Sequential([layer(), eqx.nn.Lambda(jax.nn.relu)]))
    with pytest.raises(InvalidTypeError, match="it holds 2 linear layers"):
        as_estimate(eqx.nn.MLP(2, 1, 3, 1, key=jax.random.key(0)))


# ---- MXNet ------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")  # MXNet's own import of SciPy
def test_gluon_blocks_with_one_layer(framework):
    mx = framework("mxnet")
    nn = mx.gluon.nn
    with mx.util.np_shape(True), mx.util.np_array(True):

        def layer(**options):
            made = nn.Dense(1, in_units=2, **options)
            made.initialize()
            made.weight.set_data(mx.np.array([W]))
            made.bias.set_data(mx.np.array([B]))
            return made

        one, bent, two = nn.Sequential(), nn.HybridSequential(), nn.Sequential()
        one.add(nn.Flatten(), layer())
        bent.add(layer(), nn.Activation("relu"))
        two.add(layer(), layer())
        assert_read(one)
        for model in (bent, layer(activation="relu")):
            with pytest.raises(InvalidTypeError, match="it holds Activation"):
                as_estimate(model)
        with pytest.raises(InvalidTypeError, match="it holds 2 linear layers"):
            as_estimate(two)


# ---- the book ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", ["torch", "jax", "tensorflow"])
def test_plants_own_data_modules_stand_for_their_training_rows(framework, door):
    framework(door)
    from importlib import import_module

    data = import_module(f"planted.{door}").SyntheticRegressionData(W, B, num_train=300, num_val=100)
    train, _ = data.rows.split(300, 100)
    fit = planted.least_squares(train)
    report = planted.check(fit, data)
    assert (report.rows, report.distance) == (300, 0)
    np.testing.assert_array_equal(planted.least_squares(data).w, fit.w)


def test_lightnings_data_modules_and_torchs_datasets_stand_for_their_training_rows(framework):
    framework("torch")
    lightning = framework("lightning")
    from torch.utils.data import DataLoader, Subset

    from planted.torch import Dataset, IterableDataset, LightningDataModule

    train, val = ROWS.split(150, 50)

    class Mine(lightning.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(Dataset(train), batch_size=10)

    fit = planted.least_squares(train)
    loader = planted.Loader(train, 10, framework="torch")
    for data in (
        LightningDataModule(train, val),
        LightningDataModule(train, val).train_dataloader(),
        Mine(),
        Dataset(train),
        DataLoader(Dataset(train), batch_size=10),
        IterableDataset(loader),
        DataLoader(IterableDataset(loader), batch_size=None),
        loader,
    ):
        report = planted.check(fit, data)
        assert (report.rows, report.distance) == (150, 0)
    with pytest.raises(InvalidTypeError, match="DataLoader has no truth to check against"):
        planted.check(fit, DataLoader(Subset(Dataset(ROWS), range(150))))
