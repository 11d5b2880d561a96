from typing import final

from ngxloop.core.timed import Timed
from ngxloop.transports.receiver import Receiver

class Expiring(Receiver): ...

@final
class Expiries(Timed): ...
