from typing import final

@final
class TlsRecords: ...
