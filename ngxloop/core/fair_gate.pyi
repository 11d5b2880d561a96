from typing import final

from ngxloop.core.exclusive_gate import ExclusiveGate

@final
class FairGate(ExclusiveGate): ...
