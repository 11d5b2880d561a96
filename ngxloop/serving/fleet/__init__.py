"""The fleet of workers: a machine that decides, and an executor that carries it out."""
