"""An ASGI application that answers with what it knows of TLS, and with its process id."""

import json
import os


async def app(scope, receive, send):
    assert scope["type"] == "http", "there is no lifespan"
    tls = scope["extensions"].get("tls")
    text = json.dumps({"pid": os.getpid(), "scheme": scope["scheme"], "tls": tls})
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
