from typing import final

@final
class Stopwatch: ...
