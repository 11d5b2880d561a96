from typing import final

@final
class Deflate: ...
