"""WebSocket: frames, connections, applications."""
