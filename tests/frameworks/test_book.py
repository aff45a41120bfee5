"""The book's classes, whatever the framework."""

import pytest

from planted._frameworks.book import DataModule, HyperParameters, add_to_class


def test_add_to_class_reaches_objects_that_exist():
    class A:
        b = 1

    a = A()

    @add_to_class(A)
    def do(self):
        return self.b

    assert a.do() == 1
    assert do is None  # as in the book: the name belongs to the class now


def test_save_hyperparameters_saves_arguments_and_locals():
    """As the book has it: all locals but self, underscored names and those ignored; private state is not lost."""

    class B(HyperParameters):
        def __init__(self, a, b, c, *args, _hidden=4, **kwargs):
            d = a + b  # noqa: F841 -- a local is saved too
            self.save_hyperparameters(ignore=["c"])

    one = B(1, 2, 3, 5, x=6)
    assert one.hparams == {"a": 1, "b": 2, "d": 3, "args": (5,), "kwargs": {"x": 6}}
    assert (one.a, one.b, one.d) == (1, 2, 3)
    assert not hasattr(one, "c")
    assert not hasattr(one, "_hidden")


def test_save_hyperparameters_works_with_super_and_other_bases():
    class Other:
        pass

    class C(HyperParameters, Other):
        def __init__(self, a):
            super().__init__()
            self.save_hyperparameters()

    assert C(7).a == 7


def test_a_data_module_without_a_loader_says_what_is_missing():
    module = DataModule()
    assert module.hparams == {"root": "../data", "num_workers": 4}
    for loader in (module.train_dataloader, module.val_dataloader):
        with pytest.raises(NotImplementedError, match="DataModule must define get_dataloader"):
            loader()


def test_the_two_loaders_ask_for_training_and_validation():
    class D(DataModule):
        def get_dataloader(self, train):
            return ["train"] if train else None

    assert D().train_dataloader() == ["train"]
    assert D().val_dataloader() is None
