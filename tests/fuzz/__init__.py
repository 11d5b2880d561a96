"""Generated and mutated inputs, compared with what other implementations make of them."""
