import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\n"})


if __name__ == "__main__":
    config = Config()
    config.bind = [f"{sys.argv[1]}:{sys.argv[2]}"]
    asyncio.run(serve(app, config))
