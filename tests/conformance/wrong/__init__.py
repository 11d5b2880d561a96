"""What a user can get wrong with each public method of a loop, and what comes of it.

Rules. A wrong use is a line of a table: a name, and what is called with the loop and with things
that can be misused. test_wrong_use.py makes each on asyncio's loop and on ngxloop's and compares
what comes of it: the exception with its text, or what is returned, and what the loop reports. So
each version of Python says what is right. Texts that are the interpreter's own (of a sum that
cannot be made, of a missing attribute) tell how a thing is written, not what asyncio promises: such
a use is in OWN_WORDS, where only the type of the exception is compared.
"""
