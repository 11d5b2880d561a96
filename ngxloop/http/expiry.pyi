from typing import final

from typing_extensions import disjoint_base

from ngxloop.core.timed import Timed
from ngxloop.transports.receiver import Receiver

@disjoint_base
class Expiring(Receiver): ...

@final
class Expiries(Timed): ...
