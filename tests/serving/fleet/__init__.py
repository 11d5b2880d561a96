"""The machine that decides for the master, tried without a process."""
