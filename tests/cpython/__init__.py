"""The interpreter's own tests of asyncio, run with another loop in the place of asyncio's."""
