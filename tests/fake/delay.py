"""A transparent TCP relay that is slow: delay.py PORT. Connections are redirected to it (nftables) and go
on to where they were meant to; every piece of data waits at random up to so many milliseconds, without
overtaking another. The number comes on stdin, a line each, 0 at first."""
import asyncio
import os
import random
import socket
import struct
import sys

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
NOBODY = 65534

delay_ms = 0


async def pump(reader, writer):
    try:
        while True:
            data = await reader.read(65536)
            if delay_ms:
                await asyncio.sleep(random.random() * delay_ms / 1000)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    port, address = struct.unpack("!2xH4s8x", raw)
    try:
        there = await asyncio.open_connection(socket.inet_ntoa(address), port)
    except OSError:
        # Closed at once is the nearest to a refusal that a relay can say.
        writer.transport.abort()
        return
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))


async def main():
    global delay_ms
    server = await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]))
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    print("ready", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        delay_ms = int(line)
    server.close()


asyncio.run(main())
