"""What asyncio promises, on asyncio's own loop and on ngxloop's: one file for each subject."""
