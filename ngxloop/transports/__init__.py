"""The compiled transports, on top of the core."""
