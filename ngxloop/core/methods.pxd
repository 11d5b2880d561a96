"""Methods of compiled base classes, given to the class that inherits them."""
