"""Plain Python pieces of the event loop."""
