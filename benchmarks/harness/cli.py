"""The command: what to measure, on whom, how long; then measure, print and keep."""

import argparse
import datetime
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import results, table
from benchmarks.harness.catalogue import UnknownNameError, load_question, question_names, select
from benchmarks.harness.child import probe_version
from benchmarks.harness.contenders import LOOPS, Contender, is_installed
from benchmarks.harness.load import CompilerError
from benchmarks.harness.machine import describe_machine
from benchmarks.harness.options import parse_options
from benchmarks.harness.question import Case, CaseFailedError, Effort, Question
from benchmarks.harness.rounds import QuestionResult, measure_case

SMOKE_LOOPS = "asyncio,ngxloop"
SMOKE_EFFORT = Effort(seconds=0.1, rounds=1)
USUAL_EFFORT = Effort(seconds=1.0, rounds=5)

EXIT_FAILED_CASE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

Work = list[tuple[Question, list[Case]]]


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    options = parse_options(arguments)
    _raise_fd_limit()
    try:
        return _run(options)
    except (UnknownNameError, CompilerError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return EXIT_USAGE


def _run(options: argparse.Namespace) -> int:
    work = select(options.questions)
    loops = _select_loops(options.loops or (SMOKE_LOOPS if options.smoke else None))
    if options.list:
        _print_list(loops)
        return 0
    if options.smoke:
        work = [(question, _ends(cases)) for question, cases in work]
    effort = _effort(options)
    versions, missing = _probe(loops)
    started = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = results.new_document(started, describe_machine(), versions, effort)
    _print_head(document, missing)
    try:
        _measure(work, loops, missing, effort, document)
    except KeyboardInterrupt:
        print("benchmarks: interrupted; what was measured is kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        _keep(document, options)
    return EXIT_FAILED_CASE if options.smoke and _has_failures(document) else 0


def _measure(
    work: Work,
    loops: Sequence[Contender],
    missing: dict[str, str],
    effort: Effort,
    document: results.Document,
) -> None:
    """Measure question after question; an interrupted one is kept with its whole cases."""
    for question, cases in work:
        if reason := question.missing():
            print(f"\n{question.name} is left out: {reason}", flush=True)
            continue
        result = QuestionResult(question, question.contenders(loops))
        document["versions"].update(question.versions(result.contenders))
        try:
            for case in cases:
                measure_case(result, case, missing, effort, _say)
        finally:
            _say("")
            document["questions"].append(results.question_document(result))
        _print_question(document["questions"][-1])


def _effort(options: argparse.Namespace) -> Effort:
    usual = SMOKE_EFFORT if options.smoke else USUAL_EFFORT
    return Effort(options.seconds or usual.seconds, options.rounds or usual.rounds)


def _ends(cases: list[Case]) -> list[Case]:
    return cases if len(cases) == 1 else [cases[0], cases[-1]]


def _select_loops(names: str | None) -> list[Contender]:
    """Return the loops that are named, or all that are installed."""
    if names is None:
        for loop in LOOPS:
            if not is_installed(loop):
                print(f"{loop.name} is not installed for this Python: left out")
        return [loop for loop in LOOPS if is_installed(loop)]
    known = {loop.name: loop for loop in LOOPS}
    wanted = dict.fromkeys(name.strip() for name in names.split(","))
    for name in wanted:
        if name not in known:
            raise UnknownNameError(f"no such loop: {name!r} (known: {', '.join(known)})")
    return [known[name] for name in wanted]


def _probe(loops: Sequence[Contender]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the versions of the loops that can be made, and why the others cannot."""
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for loop in loops:
        try:
            versions[loop.name] = probe_version(loop.factory)
        except CaseFailedError as error:
            missing[loop.name] = f"cannot be used: {error}"
    return versions, missing


def _raise_fd_limit() -> None:
    """Allow as many open files as the hard limit does; every measured process inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _has_failures(document: results.Document) -> bool:
    return any(case["failures"] for each in document["questions"] for case in each["cases"])


def _keep(document: results.Document, options: argparse.Namespace) -> None:
    """Keep the raw figures; those of a smoke run mean nothing and are kept on request only."""
    path: Path | None = options.json
    if path is None and not options.smoke:
        path = results.default_path(document)
    if path is not None and document["questions"]:
        results.save(document, path)
        print(f"raw figures: {path}")


def _say(text: str) -> None:
    """Show progress in one line, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _print_head(document: results.Document, missing: dict[str, str]) -> None:
    for name, value in document["machine"].items():
        print(f"{name}: {value}")
    print("loops:", ", ".join(f"{name} {text}" for name, text in document["versions"].items()))
    for name, reason in missing.items():
        print(f"{name} {reason}")
    print(f"{document['rounds']} rounds of {document['seconds']:g} s; medians", flush=True)


def _print_question(question: dict[str, Any]) -> None:
    print(f"\n== {question['name']} ==\n{question['text']}")
    for each in table.tables_of(question):
        print(f"\n{table.as_text(each)}", flush=True)


def _print_list(loops: Sequence[Contender]) -> None:
    for name in question_names():
        question = load_question(name)
        cases = [case.name + (" (optional)" if case.optional else "") for case in question.cases]
        print(f"{name}: {question.text.partition(chr(10))[0]}\n    cases: {', '.join(cases)}")
    print("loops:", ", ".join(loop.name for loop in loops))
