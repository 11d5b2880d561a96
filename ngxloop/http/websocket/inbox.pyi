from typing_extensions import disjoint_base

from ngxloop.http.link import Link

@disjoint_base
class Inbox(Link): ...
