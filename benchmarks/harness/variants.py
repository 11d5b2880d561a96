"""ngxloop with one of its options set, as a contender of its own beside the loops as they are."""

from collections.abc import Sequence

from benchmarks.harness.contenders import Contender
from benchmarks.harness.echo import EchoQuestion, StartServer
from benchmarks.harness.question import Case


class VariantQuestion(EchoQuestion):
    """An echo server on ngxloop with an option, against all loops without one."""

    def __init__(self, variant: Contender, start: StartServer, cases: Sequence[Case]) -> None:
        super().__init__(start, cases)
        self._variant = variant

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        if "ngxloop" not in {loop.name for loop in loops}:
            return ()
        as_they_are = [Contender(loop.name, loop.factory) for loop in loops]
        return (*super().contenders(as_they_are), self._variant)
