"""The test suite: it mirrors ngxloop/, and adds conformance, packages and the interpreter's own."""
