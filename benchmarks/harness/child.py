"""`python -m benchmarks.harness.child SPEC`: the process in which one case is measured.

SPEC is JSON: question, case with its parameters, factory and seconds; or a factory alone, to learn
its version.
"""

import json
import sys

from benchmarks.harness import contenders, messages
from benchmarks.harness.catalogue import load_question
from benchmarks.harness.cores import measured_core
from benchmarks.harness.process import MeasuredProcess, python_command
from benchmarks.harness.question import START_SECONDS, Case, Effort, Question


def start_child(
    question: Question, contender: contenders.Contender, case: Case, effort: Effort
) -> MeasuredProcess:
    """Start a question's code for one contender, on the measured core."""
    spec = {
        "question": question.name,
        "case": case.name,
        "parameters": dict(case.parameters),
        "factory": contender.factory,
        "seconds": effort.seconds,
    }
    return _start(spec, effort.limit_seconds)


def probe_version(factory: str) -> str:
    """Make a loop in a process of its own and return its version."""
    with _start({"factory": factory}, START_SECONDS) as process:
        return str(process.receive()["version"])


def main(argument: str) -> int:
    """Do what SPEC says; whatever is raised is reported as the reason of a failed case."""
    spec = json.loads(argument)
    try:
        factory = contenders.import_factory(spec["factory"])
        if "question" not in spec:
            factory().close()
            messages.send({"version": contenders.version_of(spec["factory"])})
            return 0
        question = load_question(spec["question"])
        case = Case(spec["case"], spec["parameters"])
        question.run_child(factory, case, spec["seconds"])
    except Exception as error:
        messages.send({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _start(spec: dict[str, object], limit_seconds: float) -> MeasuredProcess:
    command = python_command("benchmarks.harness.child", json.dumps(spec))
    return MeasuredProcess(command, measured_core(), limit_seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
