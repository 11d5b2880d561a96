from typing import final

@final
class TlsMemory: ...
