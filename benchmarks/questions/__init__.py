"""One file, one question. Each file defines QUESTION; its docstring is what the tables say."""
