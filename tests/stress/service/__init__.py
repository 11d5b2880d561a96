"""A master under load, with orders, kills, a rude client and nonsense in random order."""
