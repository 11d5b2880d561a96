"""aiosmtpd on our loop, with smtplib in a thread at the other end."""

import asyncio
import smtplib

import pytest

from tests.packages.peers import need
from tests.support.streams import address_of
from tests.support.tls import client_context, server_context

smtp = need("aiosmtpd.smtp")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Mailbox:
    """Keep what is delivered."""

    def __init__(self):
        self.messages = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.messages.append(envelope.content)
        return "250 kept"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "STARTTLS"])
async def test_mail_is_delivered(secure):
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    context = server_context() if secure else None
    server = await loop.create_server(
        lambda: smtp.SMTP(mailbox, tls_context=context, loop=loop), "127.0.0.1", 0
    )

    def send(number):
        with smtplib.SMTP(*address_of(server), local_hostname="localhost") as client:
            if secure:
                client.starttls(context=client_context())
            client.sendmail(
                "a@example", ["b@example"], f"Subject: {number}\r\n\r\n" + "x\r\n" * 9000
            )

    await asyncio.gather(*(asyncio.to_thread(send, number) for number in range(10)))
    server.close()
    await server.wait_closed()

    assert sorted(mailbox.messages) == sorted(
        b"Subject: %d\r\n\r\n" % number + b"x\r\n" * 9000 for number in range(10)
    )
