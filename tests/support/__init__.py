"""What the tests share: loops to compare, sockets, processes, waiting, and checks for leaks."""
