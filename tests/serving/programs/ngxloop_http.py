import asyncio
import sys

from ngxloop.http import serve


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\n"})


if __name__ == "__main__":
    host, port = sys.argv[1:]
    asyncio.run(serve(app, host, int(port), lifespan="off"))
