"""The address of an application for which none is given: that of $PORT, or DEFAULT_BIND.

Platforms that run an application in a container of theirs (Heroku, Cloud Run, Dokku) tell it the
port in $PORT, and connect from outside: it has to accept on every address of the container.
"""

import os
from collections.abc import Mapping

from ngxloop.serving.options.binds import ANY_IPV4, TcpBind, parse_bind
from ngxloop.serving.options.listening import DEFAULT_BIND

VARIABLE = "PORT"


def default_address(environment: Mapping[str, str]) -> TcpBind:
    """Return the address; a value of $PORT that is no port counts for nothing."""
    port = environment.get(VARIABLE, "")
    if port.isascii() and port.isdecimal() and 0 < int(port) < 2**16:
        return TcpBind(ANY_IPV4, int(port))
    bind = parse_bind(DEFAULT_BIND)
    assert isinstance(bind, TcpBind)
    return bind


# That of the master: a worker may have another $PORT, and its keeper would refuse the address.
DEFAULT_ADDRESS = default_address(os.environ)
