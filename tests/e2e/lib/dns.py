"""The few lines of DNS that the tests need: one question, and the addresses of its answer."""
import socket
import struct

TYPE_A, TYPE_AAAA = 1, 28
_RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def question(ident, name, qtype=TYPE_A):
    labels = b"".join(struct.pack("B", len(p)) + p.encode() for p in name.split("."))
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, qtype, 1)


def _skip_name(packet, at):
    while packet[at] != 0:
        if packet[at] & 0xc0:
            return at + 2
        at += 1 + packet[at]
    return at + 1


def answer(packet):
    """The sorted addresses joined by a comma, or why there are none: NXDOMAIN, EMPTY, REFUSED …"""
    try:
        _, flags, questions, answers = struct.unpack_from("!HHHH", packet)
        if flags & 15:
            return _RCODES.get(flags & 15, "RCODE%d" % (flags & 15))
        at = 12
        for _ in range(questions):
            at = _skip_name(packet, at) + 4
        found = []
        for _ in range(answers):
            at = _skip_name(packet, at)
            rtype, _, _, length = struct.unpack_from("!HHIH", packet, at)
            at += 10
            if rtype == TYPE_A:
                found.append(socket.inet_ntop(socket.AF_INET, packet[at:at + length]))
            elif rtype == TYPE_AAAA:
                found.append(socket.inet_ntop(socket.AF_INET6, packet[at:at + length]))
            at += length
        return ",".join(sorted(found)) or "EMPTY"
    except (IndexError, struct.error, OSError, ValueError):
        return "BROKEN"


def ask(address, port, name, qtype=TYPE_A, limit=1.0):
    """One question asked and answered, or TIMEOUT, or NOBODY when no one listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(limit)
        try:
            s.connect((address, port))
            s.send(question(4711, name, qtype))
            return answer(s.recv(65536))
        except socket.timeout:
            return "TIMEOUT"
        except ConnectionRefusedError:
            return "NOBODY"
