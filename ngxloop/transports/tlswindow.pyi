from typing import final

@final
class TlsWindow: ...
