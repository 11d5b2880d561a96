from typing_extensions import disjoint_base

from ngxloop.core.timed import Timed

@disjoint_base
class Receiver(Timed): ...
