import asyncio
import sys

import asyncssh


async def main(port):
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", port, server_host_keys=[key]) as server:
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
