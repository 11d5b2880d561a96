import sys

import uvicorn


async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\n"})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop=sys.argv[2], lifespan="off", log_level="warning")
