from typing import final

@final
class DatagramOutbox: ...
