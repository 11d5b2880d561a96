import asyncio
import sys

import asyncssh


async def main(host, port):
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(host, port, server_host_keys=[key]) as server:
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
