from typing import final

@final
class DatagramInbox: ...
