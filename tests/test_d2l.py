"""The real book: `d2l` 1.0.3's Trainer and LinearRegression, trained on our data module."""

import importlib
import sys
import types
import warnings

import pytest

import planted


@pytest.fixture
def d2l(torch, framework, monkeypatch):
    """The book's package; torchvision, which it imports but needs for images only, is stood in for."""
    import matplotlib as mpl

    mpl.use("Agg")
    for name in ("torchvision", "torchvision.transforms"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    framework("d2l")
    with warnings.catch_warnings():  # its own dependencies' warnings are not ours to mend
        warnings.simplefilter("ignore")
        return importlib.import_module("d2l.torch")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", ["LinearRegression", "LinearRegressionScratch"])
def test_the_books_trainer_recovers_the_truth_from_our_data(torch, d2l, model):
    """`Trainer(max_epochs=10).fit(model, data)`: w and b are found, by the book's error and by our check."""
    from planted import torch as ours

    torch.manual_seed(0)
    data = ours.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    concise = model == "LinearRegression"
    learner = d2l.LinearRegression(lr=0.03) if concise else d2l.LinearRegressionScratch(2, lr=0.03)
    learner.board.display = False
    trainer = d2l.Trainer(max_epochs=10)
    trainer.fit(learner, data)
    assert (trainer.num_train_batches, trainer.num_val_batches) == (32, 32)
    w, b = learner.get_w_b() if concise else (learner.w, learner.b)
    with torch.no_grad():
        assert (data.w - w.reshape(data.w.shape)).abs().max() < 0.01
        assert abs(data.b - b).max() < 0.01
    train, _ = data.rows.split(1000, 1000)
    report = planted.check((w, b), train)
    assert report.passed, report


@pytest.mark.filterwarnings("ignore")
def test_three_epochs_are_too_few_and_the_check_says_so(torch, d2l):
    """The book's three epochs of the concise model: near, but hundreds of times further than chance allows."""
    from planted import torch as ours

    torch.manual_seed(0)
    data = ours.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    learner = d2l.LinearRegression(lr=0.03)
    learner.board.display = False
    d2l.Trainer(max_epochs=3).fit(learner, data)
    train, _ = data.rows.split(1000, 1000)
    report = planted.check(learner.net, train)
    assert not report.passed
    assert report.p_value > 0.001
    assert "train longer" in report.advice
