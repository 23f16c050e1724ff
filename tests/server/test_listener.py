"""The socket that workers accept connections from."""

import asyncio
import socket
import struct
from pathlib import Path

from greenroom.server.worker import BACKLOG, Listener

_SACKED = 28  # in Linux's struct tcp_info; of a socket that listens, its backlog


def test_the_backlog_stays_what_it_was_whatever_the_event_loop_says() -> None:
    async def serve(listener: socket.socket) -> None:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, sock=listener, backlog=1
        )
        info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        server.close()
        assert struct.unpack_from("I", info, _SACKED) == (min(BACKLOG, most),)

    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    listener = Listener(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    asyncio.run(serve(listener))
