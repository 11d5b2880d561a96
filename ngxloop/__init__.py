"""nginx's architecture for asyncio: an event loop on raw epoll and a prefork master."""
