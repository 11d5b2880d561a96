import sys

import uvicorn


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\n"})


if __name__ == "__main__":
    host, port, certificate, key = sys.argv[1:]
    uvicorn.run(
        app,
        host=host,
        port=int(port),
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
