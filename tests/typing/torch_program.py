"""A user's program on PyTorch: the book's classes, datasets for a DataLoader; read by two type checkers, and run."""

from typing import assert_type

import torch
from torch.utils.data import DataLoader

import planted
from planted import torch as d2l

data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=100, drop_last=True, streaming=True)
X, y = next(iter(data.train_dataloader()))
assert (len(X), len(y), len(data.val_dataloader()), len(data.X[0])) == (32, 32, 32, 2)
assert (data.num_train + 1, 2 * data.noise) == (101, 0.02)
assert (data.w - torch.zeros(2).reshape(data.w.shape)).shape == (2,)


class Own(d2l.DataModule):
    """The chapter's own class."""

    def __init__(self, w: torch.Tensor, batch_size: int = 4) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.X = torch.randn(10, len(w))

    def get_dataloader(self, train: bool) -> "planted.Loader":
        return self.get_tensorloader((self.X,), train, slice(0, 5), drop_last=train)


@d2l.add_to_class(Own)
def size(self: Own) -> int:
    """Registered afterwards."""
    return self.batch_size


assert len(Own(torch.ones(2)).train_dataloader()) == 1

rows = planted.regression(w=[2.0, -3.4], b=4.2, n=100)
dataset = d2l.Dataset(rows)
assert_type(dataset[3], tuple[torch.Tensor, torch.Tensor])
named = d2l.Dataset(rows, fields=("x", "y"))
assert_type(named[3], dict[str, torch.Tensor])
assert [len(batch["x"]) for batch in DataLoader(named, 64)] == [64, 36]
loader = planted.Loader(rows, 50, framework="torch")
stream = d2l.IterableDataset(loader)
stream.set_epoch(3)
assert [len(x) for x, _ in DataLoader(stream, batch_size=None)] == [50, 50]
stream = d2l.IterableDataset(planted.Pipeline(loader).map(torch.add), fields=["x", "y"])
report = planted.check(d2l.fit(loader, epochs=200, lr=0.1), rows)
