"""A plugin of pytest that changes nothing: new event loops are asyncio's."""
