"""WebSocket: connections that an HTTP request has turned into streams of messages (RFC 6455)."""
