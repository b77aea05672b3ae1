"""A network to be cut: passes bytes from one local port to another.

Usage: ``python bench/tcp_relay.py FROM TO``; bench/readings.py starts and kills it.
"""

import asyncio
import sys
from contextlib import suppress

import uvloop


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


async def _relay(
    to: int, near: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    try:
        far, forth = await asyncio.open_connection("127.0.0.1", to)
    except OSError:
        back.close()
        return
    await asyncio.gather(_pass(near, forth), _pass(far, back))


async def _serve(port: int, to: int) -> None:
    server = await asyncio.start_server(
        lambda near, back: _relay(to, near, back), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
