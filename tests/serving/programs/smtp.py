import asyncio
import sys

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.handlers import Sink

if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    controller = UnthreadedController(Sink(), sys.argv[1], int(sys.argv[2]), loop=loop)
    controller.begin()
    try:
        loop.run_forever()
    finally:
        controller.end()
