"""Asks dnsmasq for all names all the time and writes down every answer (run by hammer.py).

usage: hammer_process.py ADDRESS PORT DOMAIN RATE LOG; names come on stdin, a line each: "+name",
"-name"; end of file ends it. A line of the log is "SENT ANSWERED NAME ANSWER" (monotonic clock).
Questions are sent by the clock and do not wait for answers, so a mute dnsmasq is noticed as such; the
qualified and the short form of a name take turns.
"""
import os
import select
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import dns  # noqa: E402

ANSWER_LIMIT = 2.0  # a dnsmasq of 10,000 names is mute for 12 ms, facts say; beyond this it is lost


class Hammer:
    def __init__(self, address, port, domain, rate, log):
        self.target, self.domain, self.interval, self.log = (address, port), domain, 1.0 / rate, log
        self.names, self.at, self.ident = [], 0, 0
        self.waiting = {}  # id -> (sent, name), oldest first
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.setblocking(False)
        self.sock.connect(self.target)

    def record(self, sent, name, answer):
        self.log.write("%.6f %.6f %s %s\n" % (sent, time.monotonic(), name, answer))

    def send(self):
        if not self.names:
            return
        name = self.names[self.at % len(self.names)]
        is_short = (self.at // len(self.names)) % 2
        self.at += 1
        self.ident = (self.ident + 1) % 65536
        packet = dns.question(self.ident, name if is_short else "%s.%s" % (name, self.domain))
        sent = time.monotonic()
        try:
            self.sock.send(packet)
        except ConnectionRefusedError:
            self.record(sent, name, "NOBODY")
            return
        except BlockingIOError:
            self.record(sent, name, "TIMEOUT")
            return
        self.waiting[self.ident] = (sent, name)

    def receive(self):
        while True:
            try:
                packet = self.sock.recv(65536)
            except BlockingIOError:
                return
            except ConnectionRefusedError:  # an answer to an earlier question: its limit tells which
                continue
            sent = self.waiting.pop(int.from_bytes(packet[:2], "big"), None)
            if sent is not None:
                self.record(*sent, dns.answer(packet))

    def expire(self, now):
        while self.waiting:
            ident = next(iter(self.waiting))
            sent, name = self.waiting[ident]
            if sent + ANSWER_LIMIT > now:
                return
            del self.waiting[ident]
            self.record(sent, name, "TIMEOUT")

    def command(self, line):
        if line.startswith("+"):
            self.names.append(line[1:])
        elif line.startswith("-"):
            self.names.remove(line[1:])

    def run(self):
        os.set_blocking(0, False)
        pending, due, is_ending = b"", time.monotonic(), None
        while True:
            now = time.monotonic()
            while is_ending is None and due <= now:
                self.send()
                due += self.interval
            self.expire(now)
            if is_ending is not None and (not self.waiting or now > is_ending):
                return
            fds = [self.sock] if is_ending is not None else [self.sock, 0]
            ready, _, _ = select.select(fds, [], [], max(0.0, min(due - now, 0.05))
                                        if is_ending is None else 0.02)
            if self.sock in ready:
                self.receive()
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    is_ending = time.monotonic() + ANSWER_LIMIT + 0.1
                    continue
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self.command(line.decode())


def main():
    address, port, domain, rate, path = sys.argv[1:]
    with open(path, "w", buffering=1) as log:
        Hammer(address, int(port), domain, float(rate), log).run()


main()
