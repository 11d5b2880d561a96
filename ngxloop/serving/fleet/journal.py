"""Records whose changes can be taken back: an event is handled as a whole, or not at all.

How it works. Each assignment to an attribute of a Record is noted in the journal with the value
from before. Their values are immutable, or Records themselves: a tuple is replaced, never changed.
This costs 0.3 us an assignment; a copy of all records for each event would cost 30 us and more.
"""

import dataclasses

Journal = list[tuple[dict[str, object], str, object]]


@dataclasses.dataclass(eq=False)
class Record:
    """An object whose assignments are noted."""

    journal: Journal = dataclasses.field(repr=False)

    def __setattr__(self, name: str, value: object) -> None:
        attributes = self.__dict__
        if attributes:  # else the first one, the journal itself
            attributes["journal"].append((attributes, name, attributes.get(name)))
        attributes[name] = value


def roll_back(journal: Journal) -> None:
    """Undo every change that is noted, the last one first."""
    for attributes, name, value in reversed(journal):
        attributes[name] = value
    journal.clear()
