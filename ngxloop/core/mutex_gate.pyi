from typing import final

from ngxloop.core.shared_gate import SharedGate

@final
class MutexGate(SharedGate): ...
