from typing import final

from ngxloop.transports.outbuf import OutBuffer

@final
class Writer(OutBuffer): ...
