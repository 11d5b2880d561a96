from typing import final

@final
class Poller:
    @property
    def fd(self) -> int: ...
