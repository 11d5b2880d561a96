from typing_extensions import disjoint_base

from ngxloop.core.polling import Polling

@disjoint_base
class Waiting(Polling): ...
