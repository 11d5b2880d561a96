"""Whether the sanitizers of `make asan` report what they must: one wrong deed for each of them."""
