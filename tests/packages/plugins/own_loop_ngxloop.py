"""A plugin of pytest: new event loops are ngxloop's, as for a program that calls install()."""

import ngxloop

ngxloop.install()
