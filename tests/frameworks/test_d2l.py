"""The real book: `d2l` 1.0.3's Trainer and LinearRegression, in all four of its systems, trained on our data modules.

Each in a process of its own, since the book's package no longer fits what its readers install. What it takes to import
it today is stood in for here and nowhere else.
"""

import json
import subprocess
import sys

import pytest

import planted

STAND_INS = {
    # torchvision is for images only
    "torch": """
for name in ("torchvision", "torchvision.transforms"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
import torch
torch.manual_seed(0)
weights = torch.tensor([2, -3.4])
numpy = lambda x: x.detach().numpy()
""",
    # a name that JAX 0.4.24 took away
    "jax": """
import jax
jax.random.PRNGKeyArray = jax.Array
weights = jax.numpy.array([2, -3.4])
numpy = lambda x: x
""",
    # the book's optimizers are those of Keras 2
    "tensorflow": """
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf
tf.random.set_seed(0)
weights = tf.constant([2, -3.4])
numpy = lambda x: x.numpy() if hasattr(x, "numpy") else x
""",
    # the chapter calls this itself
    "mxnet": """
from mxnet import np as mnp, npx
npx.set_np()
npx.random.seed(0)
weights = mnp.array([2, -3.4])
numpy = lambda x: x.asnumpy()
""",
}

TRAINING = """
import importlib
name, model, epochs = sys.argv[1:]
d2l = importlib.import_module(f"d2l.{name}")
ours = importlib.import_module(f"planted.{name}")
data = ours.SyntheticRegressionData(w=weights, b=4.2)
concise = model == "LinearRegression"
learner = d2l.LinearRegression(lr=0.03) if concise else d2l.LinearRegressionScratch(2, lr=0.03)
learner.board.display = False
trainer = d2l.Trainer(max_epochs=int(epochs))
trainer.fit(learner, data)
if name == "jax":
    w, b = learner.get_w_b(trainer.state) if concise else (trainer.state.params["w"], trainer.state.params["b"])
else:
    w, b = learner.get_w_b() if concise else (learner.w, learner.b)
error = data.w - d2l.reshape(w, data.w.shape)  # as the book's next section has it
error, w, b = (np.asarray(numpy(x)) for x in (error, w, b))
import planted
left = trainer.state if name == "jax" else learner  # in JAX parameters are the trainer's
pairs = planted.check((w, b), data.rows.split(1000)[0]), planted.check(left, data)
books = d2l.SyntheticRegressionData(w=weights, b=4.2)
print(json.dumps({
    "distances": [report.distance for report in pairs], "p_value": planted.check(left, books).p_value,
    "batches": [trainer.num_train_batches, trainer.num_val_batches],
    "w": w.ravel().tolist(), "b": b.ravel().tolist(), "error": float(np.abs(error).max()),
}))
"""


@pytest.fixture
def trained(framework):
    """A function that lets the book train a model of a framework on our data, and tells what came of it."""

    def train(name, model, epochs):
        for needed in (name, "d2l"):
            framework(needed)
        code = (
            "import json, os, sys, types, warnings\nimport numpy as np\nwarnings.simplefilter('ignore')\n"
            "import matplotlib\nmatplotlib.use('Agg')\n" + STAND_INS[name] + TRAINING
        )
        command = [sys.executable, "-c", code, name, model, str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return train


def check(found):
    truth = planted.LinearTruth([2, float.fromhex("-0x1.b333340000000p+1")], 4.2, 0.01)  # -3.4 as a float32
    train, _ = planted.rows(truth, 2000).split(1000, 1000)
    return planted.check((found["w"], found["b"]), train)


@pytest.mark.parametrize("model", ["LinearRegression", "LinearRegressionScratch"])
@pytest.mark.parametrize("name", list(STAND_INS))
def test_the_books_trainer_recovers_the_truth_from_our_data(trained, name, model):
    """`Trainer(max_epochs=10).fit(model, data)`: w and b are found, by the book's error and by our check."""
    found = trained(name, model, 10)
    assert found["batches"] == [32, 32]
    assert found["error"] < 0.01
    assert abs(found["b"][0] - 4.2) < 0.01
    report = check(found)
    assert report.passed, report
    assert found["distances"] == [report.distance] * 2  # of the book's model and data module, handed over as they are
    assert (
        found["p_value"] > 1e-6
    )  # the book's own data has the truth in it; fails for one choice of seeds in a million


def test_three_epochs_are_too_few_and_the_check_says_so(trained):
    """The book's three epochs of the concise model: near, but hundreds of times further than chance allows."""
    report = check(trained("torch", "LinearRegression", 3))
    assert not report.passed
    assert report.p_value > 0.001
    assert "train longer" in report.advice
