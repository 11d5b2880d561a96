"""What a question is: metrics, cases, and one measurement of one contender.

The harness calls `measure` in the parent, once a round for every contender. What is timed runs in
a process of its own: `benchmarks.harness.child` calls `run_child` there. A kind of question
(scheduler, echo, memory) is a subclass; a question is an instance, QUESTION, in a file of its own.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.harness.contenders import Contender, LoopFactory

Sample = dict[str, float]

# What a process needs to start and to end on a loaded machine, beside the time it measures.
START_SECONDS = 150.0  # ample: asyncio needs ten for a million timers, on an idle machine


@dataclass(frozen=True)
class Metric:
    """A column. `compared` adds the spread and the ratio to the best peer."""

    name: str
    label: str
    better: Literal["lower", "higher"]
    digits: int = 2
    compared: bool = False


@dataclass(frozen=True)
class Case:
    """One variant of a question. An optional case runs only when it is named."""

    name: str
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    optional: bool = False

    def number(self, name: str) -> int:
        """Return a parameter that is a number."""
        return int(self.parameters[name])


@dataclass(frozen=True)
class Effort:
    """How long one measurement takes, and how often it is repeated."""

    seconds: float
    rounds: int

    @property
    def limit_seconds(self) -> float:
        """When a case is given up: far beyond what any loop needs."""
        return START_SECONDS + 10 * self.seconds


class CaseFailedError(Exception):
    """A contender could not do a case; the text is the reason that the table shows."""


class Question(ABC):
    """The base of all kinds of questions."""

    metrics: Sequence[Metric]
    cases: Sequence[Case]
    name: str = ""  # the file's name; set when the file is loaded
    text: str = ""  # the file's docstring

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases

    @abstractmethod
    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        """Measure once, in a process of its own; raise CaseFailedError if the contender cannot."""

    @abstractmethod
    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        """Do the measured work; called in the process of its own."""

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        """Return who takes part, given the chosen loops."""
        return loops

    def missing(self) -> str | None:
        """Say what a question needs that this machine does not have; it is left out then."""
        return None

    def versions(self, contenders: Sequence[Contender]) -> dict[str, str]:
        """Return the versions of contenders that are no event loops."""
        return {}

    def complete_round(self, samples: Mapping[str, Sample]) -> Mapping[str, Sample]:
        """Add to one round's samples what follows from comparing the contenders."""
        return samples
