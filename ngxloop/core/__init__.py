"""The compiled core: events, timers, the poller and the turn; knows no transport."""
