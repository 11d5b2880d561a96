from typing_extensions import disjoint_base

from ngxloop.http.websocket.outbox import Outbox

@disjoint_base
class Pings(Outbox): ...
