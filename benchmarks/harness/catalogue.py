"""Which questions exist: every file in benchmarks/questions/ is one."""

import importlib
import inspect
import pkgutil

from benchmarks import questions
from benchmarks.harness.question import Case, Question


class UnknownNameError(Exception):
    """A question, case or loop that does not exist; the text is one line for the user."""


def question_names() -> list[str]:
    """Return the names of all questions, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(questions.__path__))


def load_question(name: str) -> Question:
    """Import one question and tell it its name and text."""
    if name not in question_names():
        raise UnknownNameError(f"no such question: {name!r} (known: {', '.join(question_names())})")
    module = importlib.import_module(f"{questions.__name__}.{name}")
    question = module.QUESTION
    assert isinstance(question, Question), f"{name}: QUESTION is not a Question"
    question.name = name
    question.text = inspect.getdoc(module) or ""
    return question


def find_case(question: Question, name: str) -> Case:
    """Return a question's case by its name."""
    for case in question.cases:
        if case.name == name:
            return case
    known = ", ".join(case.name for case in question.cases)
    raise UnknownNameError(f"no such case: {question.name}:{name} (known: {known})")


def select(arguments: list[str]) -> list[tuple[Question, list[Case]]]:
    """Turn `question` and `question:case` arguments into work; no argument means everything.

    Cases marked optional take part only when they are named.
    """
    chosen: dict[str, tuple[Question, list[Case]]] = {}
    for argument in arguments or question_names():
        name, _, case_name = argument.partition(":")
        question, cases = chosen.setdefault(name, (load_question(name), []))
        wanted = (
            [find_case(question, case_name)]
            if case_name
            else [case for case in question.cases if not case.optional]
        )
        cases.extend(case for case in wanted if case not in cases)
    return list(chosen.values())
