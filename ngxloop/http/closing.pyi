from typing_extensions import disjoint_base

from ngxloop.http.unparsed import Unparsed

TRANSITIONS: dict[str, tuple[str, ...]]

@disjoint_base
class Closing(Unparsed):
    @property
    def state_name(self) -> str: ...
    def pause_writing(self) -> None: ...
