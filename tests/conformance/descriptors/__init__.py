"""Descriptor numbers that are used again: what had a number before, and what takes it next.

Rules. `before.py` lists what leaves a number behind, `taking.py` what takes one, `refused.py` what
is not a number, or not a file that can be watched. The kernel hands out the lowest free number, so
the number of a closed file is used again at once.
"""
