"""Accept gates with workers that block, freeze, drain, die, are full or out of fds."""
