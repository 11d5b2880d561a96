"""The compiled core: events, timers, the poller and the turn; does not know transports."""
