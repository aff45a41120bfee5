"""Laws, as the shell spells them: a name, then its numbers, with colons between: ``ar1:0.9``, ``t:3:0.5``."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import click

from planted import features, noise
from planted.errors import PlantedError

FEATURE_LAWS: Final[Mapping[str, tuple[str, Callable[..., Any]]]] = {
    "normal": ("", features.Normal),
    "uniform": ("LOW:HIGH", features.Uniform),
    "t": ("DF", features.StudentT),
    "ar1": ("RHO", features.AR1),
    "equicorrelated": ("RHO", features.Equicorrelated),
    "low-rank": ("RANK:TAIL", features.LowRank),
    "categorical": ("P:P:...", lambda *chances: features.Categorical(chances)),
    "polynomial": ("DEGREE", features.Polynomial),
}
NOISE_LAWS: Final[Mapping[str, tuple[str, Callable[..., Any]]]] = {
    "normal": ("SCALE", noise.Normal),
    "t": ("DF:SCALE", noise.StudentT),
    "laplace": ("SCALE", noise.Laplace),
    "contaminated": ("FRACTION:FACTOR:SCALE", lambda *n: noise.Contaminated(n[2], n[0], n[1])),
    "heteroscedastic": ("GAMMA:SCALE", lambda *n: noise.Heteroscedastic(n[1], n[0])),
    "clustered": ("ICC:SIZE:SCALE", lambda *n: noise.Clustered(n[2], n[0], n[1])),
}


@final
class Law(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """A law of one kind."""

    name = "law"

    def __init__(self, laws: Mapping[str, tuple[str, Callable[..., Any]]]) -> None:
        """Laws by name: the words for their numbers, and what makes them."""
        self._laws = laws
        self.words = ", ".join(f"{name}:{numbers}" if numbers else name for name, (numbers, _) in laws.items())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The law of such a word."""
        if not isinstance(value, str):
            return value
        name, *texts = value.split(":")
        if name not in self._laws:
            self.fail(f"{value!r} names no law: write one of {self.words}", param, ctx)
        words, law = self._laws[name]
        wrong = f"{value!r} is no {f'{name}:{words}' if words else name}"
        try:
            numbers = [_number(text) for text in texts]
        except ValueError:
            self.fail(f"{wrong}: it has something that is no number", param, ctx)
        wanted = len(words.split(":")) if words else 0
        if "..." not in words and len(numbers) != wanted:
            self.fail(f"{wrong}: it has {len(numbers)} of {wanted} numbers", param, ctx)
        try:
            return law(*numbers)
        except PlantedError as error:
            self.fail(f"{wrong}: {_rule(str(error), words.split(':'))}", param, ctx)


def _rule(message: str, words: list[str]) -> str:
    """The rule that is broken, without Python's remedy: RHO 2.0 for rho=2.0."""

    def said(match: re.Match[str]) -> str:
        return next((word for word in words if word.lower() in match[1]), words[0]) + " "

    return re.sub(r"\b([a-z]\w*)(?:\[\d+\])?=", said, message.partition(": ")[0])


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


FEATURE_LAW, NOISE_LAW = Law(FEATURE_LAWS), Law(NOISE_LAWS)
