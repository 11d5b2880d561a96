from typing import final

@final
class OutBuffer: ...
