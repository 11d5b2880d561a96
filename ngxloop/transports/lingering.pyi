from typing import final

from ngxloop.core.timed import Timed

@final
class Lingering(Timed): ...
