#!/usr/bin/env python3
"""A Consul that lies: a proxy in front of a real one, which spoils the answers it is told to spoil.

usage: consul.py LISTEN-ADDRESS PORT UPSTREAM-ADDRESS PORT

Commands come on stdin, a JSON object each line, and each is answered by one on stdout:

  {"faults": [FAULT, …]}   from now on these, instead of those before; [] is an honest proxy
  {"cut": true}            closes every connection, as a restarted agent does
  {"stats": true}          {"requests", "bytes_in", "bytes_out", "connections", "paths": {…}, "spoilt"}

A FAULT is {"match": REGEX on "GET /v1/kv/a?recurse", "kind": KIND, "times": N (default: always)} and what
the kind needs. The first one that matches is applied:

  status    code, body ("")             instead of asking
  hang                                  never answers
  reset                                 closes with RST instead of answering
  garbage                               bytes that are no HTTP
  slow      rate (bytes a second)       the right answer, slowly
  truncate  share, is_framed            half of the body; is_framed: with a Content-Length that fits it
  base64                                every Value spoilt
  huge      size                        a body of that many bytes, begun as a list
  body      text, index                 200 with this body and the real index, or with that one
  index     value ("drop": no header)   the real body with this X-Consul-Index
  older     by                          the real body, X-Consul-Index and ModifyIndex lowered by this
  short     share                       a list that lost its last entries, with 200
  lose      key                         a list without the entries whose Key or Node matches
  frozen                                for ever the first answer that this fault saw, with its index
  deaf                                  the same, and a blocking query waits to its end: a leader that was
                                        cut off from the others
"""
import asyncio
import json
import re
import socket
import struct
import sys


class Reader:
    """What a stream sends, with what was read too early kept."""

    def __init__(self, stream):
        self.stream, self.data = stream, b""

    async def more(self):
        data = await self.stream.read(1 << 20)
        if not data:
            raise ConnectionError("closed")
        self.data += data

    async def until(self, mark):
        while mark not in self.data:
            await self.more()
        head, self.data = self.data.split(mark, 1)
        return head

    async def exactly(self, count):
        while len(self.data) < count:
            await self.more()
        body, self.data = self.data[:count], self.data[count:]
        return body


def parse_head(head):
    lines = head.decode("latin-1").split("\r\n")
    return lines[0], [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]


def header(headers, name, default=None):
    for key, value in headers:
        if key.lower() == name.lower():
            return value
    return default


async def read_message(reader, is_answer):
    """The first line, the headers without the framing, the whole body."""
    first, headers = parse_head(await reader.until(b"\r\n\r\n"))
    if header(headers, "Transfer-Encoding") == "chunked":
        body = b""
        while True:
            size = int(await reader.until(b"\r\n"), 16)
            chunk = await reader.exactly(size + 2)
            if size == 0:
                break
            body += chunk[:-2]
    else:
        body = await reader.exactly(int(header(headers, "Content-Length", "0")))
    drop = ("content-length", "transfer-encoding") if is_answer else ()
    return first, [(k, v) for k, v in headers if k.lower() not in drop], body


def render(first, headers, body, length=None):
    lines = [first] + ["%s: %s" % h for h in headers]
    lines.append("Content-Length: %d" % (len(body) if length is None else length))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Fake:
    def __init__(self, upstream):
        self.upstream = upstream
        self.faults, self.frozen = [], {}
        self.writers = set()
        self.requests = self.bytes_in = self.bytes_out = self.spoilt = 0
        self.paths = {}

    def fault_for(self, what):
        for fault in self.faults:
            if re.search(fault["match"], what) and fault.get("times", 1) > 0:
                if "times" in fault:
                    fault["times"] -= 1
                self.spoilt += 1
                return fault
        return None

    # --- one client ------------------------------------------------------------------------------

    async def client(self, stream, writer):
        reader, behind = Reader(stream), None
        self.writers.add(writer)
        try:
            while True:
                first, headers, body = await read_message(reader, False)
                raw = render(first, [h for h in headers if h[0].lower() != "content-length"], body)
                self.requests += 1
                self.bytes_in += len(raw)
                what = first.rsplit(" ", 1)[0]
                path = what.split("?")[0]
                self.paths[path] = self.paths.get(path, 0) + 1
                if behind is None:
                    up, down = await asyncio.open_connection(*self.upstream)
                    behind = (Reader(up), down)
                if not await self.answer(what, raw, reader, writer, behind):
                    return
        except (ConnectionError, OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()
            if behind is not None:
                behind[1].close()

    async def forward(self, raw, reader, behind):
        """The real answer; a client that goes away ends the question too."""
        behind[1].write(raw)
        answer = asyncio.ensure_future(read_message(behind[0], True))
        gone = asyncio.ensure_future(reader.more())
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                gone.result()  # raises when the client is gone
                await answer
            return answer.result()
        finally:
            answer.cancel()
            gone.cancel()
            try:
                await gone
            except (asyncio.CancelledError, ConnectionError, OSError):
                pass

    async def send(self, writer, data, rate=None):
        self.bytes_out += len(data)
        if rate is None:
            writer.write(data)
            await writer.drain()
            return
        step = max(1, rate // 10)
        for at in range(0, len(data), step):
            writer.write(data[at:at + step])
            await writer.drain()
            await asyncio.sleep(0.1)

    async def answer(self, what, raw, reader, writer, behind):
        """Answers one request. False: the connection is finished."""
        fault = self.fault_for(what) or {"kind": None}
        kind = fault["kind"]
        if kind == "status":
            await self.send(writer, render("HTTP/1.1 %d Spoilt" % fault["code"], [],
                                           fault.get("body", "").encode()))
            return True
        if kind == "hang":
            while True:
                await reader.more()
        if kind == "reset":
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if kind == "garbage":
            await self.send(writer, bytes(range(256)) * 16)
            return False
        if kind == "huge":
            return await self.send_huge(writer, fault["size"])
        if kind == "deaf":
            return await self.answer_deaf(fault, what, raw, reader, writer, behind)
        if kind == "body" and "index" in fault:  # needs nothing of the real one: it does not wait either
            raw = re.sub(rb"([?&])index=\d+", rb"\1index=0", raw, count=1)
        first, headers, body = await self.forward(raw, reader, behind)
        if fault["kind"] is None:  # one that was set while the question was parked counts as well
            fault = self.fault_for(what) or fault
            kind = fault["kind"]
        if kind in ("status", "hang", "reset", "garbage", "huge"):
            return await self.answer(what, raw, reader, writer, behind)
        if kind == "truncate":
            part = body[:int(len(body) * fault.get("share", 0.5))]
            is_framed = fault.get("is_framed", True)
            await self.send(writer, render(first, headers, part, None if is_framed else len(body)))
            return is_framed
        first, headers, body = self.spoil(fault, what, first, headers, body)
        await self.send(writer, render(first, headers, body),
                        fault["rate"] if kind == "slow" else None)
        return True

    async def answer_deaf(self, fault, what, raw, reader, writer, behind):
        """Waits as long as it was asked to, whatever happens, and answers what was true before."""
        raw = re.sub(rb"([?&])index=\d+", rb"\1index=0", raw, count=1)
        place = (id(fault), re.sub(r"[?&](index|wait)=[^&]*", "", what))
        if place not in self.frozen:
            self.frozen[place] = await self.forward(raw, reader, behind)
        wait = re.search(r"[?&]wait=(\d+)ms", what)
        await asyncio.sleep(int(wait.group(1)) / 1000 if wait else 0)
        await self.send(writer, render(*self.frozen[place]))
        return True

    async def send_huge(self, writer, size):
        head = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: 99999999\r\n"
                b"Content-Length: %d\r\n\r\n" % size)
        begin = b'[{"LockIndex":0,"Key":"huge","Flags":0,"Value":"'
        await self.send(writer, head + begin)
        left = size - len(begin)
        while left > 0:
            await self.send(writer, b"A" * min(left, 65536))
            left -= 65536
        return True

    # --- answers that look right -----------------------------------------------------------------

    def spoil(self, fault, what, first, headers, body):
        kind = fault["kind"]
        if kind == "base64":
            body = re.sub(rb'"Value":"[^"]*"', b'"Value":"*not base64*"', body)
        elif kind == "body":
            first, body = "HTTP/1.1 200 OK", fault["text"].encode("utf-8", "surrogateescape")
            if "index" in fault:
                headers = self.with_index(headers, fault["index"])
        elif kind == "index":
            headers = self.with_index(headers, fault["value"])
        elif kind == "older":
            headers, body = self.lower(headers, body, fault["by"])
        elif kind == "short" and first.split()[1] == "200":
            entries = json.loads(body)
            if isinstance(entries, list):
                body = json.dumps(entries[:int(len(entries) * fault["share"])]).encode()
        elif kind == "lose" and first.split()[1] == "200":
            entries = json.loads(body)
            if isinstance(entries, list):
                body = json.dumps([e for e in entries if not re.search(
                    fault["key"], e.get("Key", e.get("Node", "")))]).encode()
        elif kind == "frozen":
            place = (id(fault), re.sub(r"[?&](index|wait)=[^&]*", "", what))
            return self.frozen.setdefault(place, (first, headers, body))
        return first, headers, body

    @staticmethod
    def with_index(headers, value):
        headers = [h for h in headers if h[0].lower() != "x-consul-index"]
        return headers if value == "drop" else headers + [("X-Consul-Index", str(value))]

    @staticmethod
    def lower(headers, body, by):
        headers = [(k, str(max(1, int(v) - by)) if k.lower() == "x-consul-index" else v)
                   for k, v in headers]
        return headers, re.sub(rb'"ModifyIndex":(\d+)',
                               lambda m: b'"ModifyIndex":%d' % max(1, int(m.group(1)) - by), body)

    # --- commands --------------------------------------------------------------------------------

    def command(self, line):
        order = json.loads(line)
        if "faults" in order:
            self.faults, self.frozen = order["faults"], {}
        if order.get("cut"):
            for writer in list(self.writers):
                writer.transport.abort()
        return {"requests": self.requests, "bytes_in": self.bytes_in, "bytes_out": self.bytes_out,
                "connections": len(self.writers), "paths": self.paths, "spoilt": self.spoilt}


async def main():
    address, port, up_address, up_port = sys.argv[1:]
    fake = Fake((up_address, int(up_port)))
    server = await asyncio.start_server(fake.client, address, int(port), limit=1 << 20)
    commands = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print("{}", flush=True)
    async with server:
        while line := await commands.readline():
            print(json.dumps(fake.command(line)), flush=True)


asyncio.run(main())
