"""Plain Python pieces of the prefork master."""
