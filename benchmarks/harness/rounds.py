"""Who is measured when: every round measures all contenders of a case, one after the other.

So a machine that becomes slower for a while slows all of them (A B C A B C, never A A B B).
A contender that fails a case is out of the later rounds of this case; what it had managed before
and the reason are kept and shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.contenders import Contender
from benchmarks.harness.question import Case, CaseFailedError, Effort, Question, Sample

Progress = Callable[[str], None]


@dataclass
class CaseResult:
    """The samples of one case, a list per contender with one entry a round, and the failures."""

    case: Case
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class QuestionResult:
    """A question with what was measured for it."""

    question: Question
    contenders: Sequence[Contender]
    cases: list[CaseResult] = field(default_factory=list)


def measure_case(
    result: QuestionResult, case: Case, missing: Mapping[str, str], effort: Effort, say: Progress
) -> None:
    """Measure all rounds of one case and add them to the result.

    `missing` names the contenders that cannot be imported, with the reason.
    """
    outcome = CaseResult(case, {contender.name: [] for contender in result.contenders})
    result.cases.append(outcome)
    for contender in result.contenders:
        if contender.name in missing:
            outcome.failures[contender.name] = missing[contender.name]
    for number in range(1, effort.rounds + 1):
        say(f"{result.question.name} {case.name}, round {number} of {effort.rounds}")
        _measure_round(result, outcome, number, effort)


def _measure_round(
    result: QuestionResult, outcome: CaseResult, number: int, effort: Effort
) -> None:
    samples: dict[str, Sample] = {}
    for contender in result.contenders:
        if contender.name in outcome.failures:
            continue
        try:
            samples[contender.name] = result.question.measure(contender, outcome.case, effort)
        except CaseFailedError as error:
            outcome.failures[contender.name] = f"round {number}: {error}"
    for name, sample in result.question.complete_round(samples).items():
        outcome.samples[name].append(sample)
