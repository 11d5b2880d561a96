"""How fast is ngxloop, beside asyncio and the other event loops? One question, one file."""
