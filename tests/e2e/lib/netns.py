"""Hosts of their own: network namespaces on one bridge, reached from here through a veth pair.

Nothing has a name in /run/netns: a namespace lives as long as the process that holds it, which dies with
the test, and takes its devices along. So nothing can be left behind, however a test ends.

    here ── veth ── [hub: bridge] ── veth ── [host web-1]
                                 └── veth ── [host web-2]
"""
import http.client
import os
import random
import shutil
import socket
import subprocess

import pytest

from .daemon import SOURCE
from .proc import MARK, Process, wait_for
from .vantage import Vantage

_random = random.Random(os.getpid() * 7919)
_tools = ("ip", "nft", "nsenter", "unshare")


def are_possible():
    return all(shutil.which(t) for t in _tools) and os.geteuid() == 0 and \
        subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


def skip_without():
    if not are_possible():
        pytest.skip("NOT TESTED: network namespaces need root, CAP_SYS_ADMIN and %s" % ", ".join(_tools))


class Namespace:
    """A network namespace, held by a process that sleeps."""

    def __init__(self, procs, name):
        self.procs, self.name = procs, name
        self.holder = Process(procs, "ns-" + name, ["unshare", "--net", "sleep", "infinity"]).start()
        mine = os.readlink("/proc/self/ns/net")
        wait_for("the namespace", lambda: os.readlink(
            "/proc/%d/ns/net" % self.holder.pid) != mine, 5)
        self.enter = ["nsenter", "--net=/proc/%d/ns/net" % self.holder.pid]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv, text=None):
        done = subprocess.run(self.enter + list(argv), input=text, capture_output=True, text=True,
                              timeout=10, env=dict(os.environ, **{MARK: self.procs.mark}))
        assert done.returncode == 0, (argv, text, done.stderr)
        return done.stdout

    def nft(self, text):
        self.run("nft", "-f", "-", text=text)


class Host(Namespace):
    """A namespace with one way out, the device "out"."""

    def __init__(self, procs, name, address):
        super().__init__(procs, name)
        self.address = address
        self.relay = None

    def lose(self, percent):
        """That share of all packets is dropped, in both directions; 0: none."""
        rules = "add table inet loss\ndelete table inet loss\n"
        share = "numgen random mod 100 < %d " % percent if percent < 100 else ""
        if percent:
            rules += "table inet loss {\n"
            for chain, direction in (("input", "iifname"), ("output", "oifname")):
                rules += (" chain %s {\n  type filter hook %s priority 0\n"
                          "  %s \"out\" %sdrop\n }\n"
                          % (chain, chain, direction, share))
            rules += "}\n"
        self.nft(rules)

    def cut(self):
        self.lose(100)

    def heal(self):
        self.lose(0)

    def delay(self, ms):
        """New and standing TCP connections out of here get that much slower, each way at random up to
        it, with tests/fake/delay.py; the first call must come before what it is about connects."""
        if self.relay is None:
            self.relay = Process(self.procs, "delay-" + self.name, self.enter + [
                "/usr/bin/python3", os.path.join(SOURCE, "tests", "fake", "delay.py"), "9"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE).start()
            assert self.relay.popen.stdout.readline() == b"ready\n", self.relay.log()
            # The relay's own connections are nobody's.
            self.nft("table ip delay {\n chain output {\n  type nat hook output priority -100\n"
                     "  oifname \"out\" ip protocol tcp meta skuid != 65534 redirect to :9\n }\n}\n")
        self.relay.popen.stdin.write(b"%d\n" % ms)
        self.relay.popen.stdin.flush()


class Net:
    """A network of our own. address(n): ours, for servers; host(): a namespace in it."""

    def __init__(self, procs):
        skip_without()
        self.procs = procs
        used = subprocess.run(["ip", "-4", "route", "show", "table", "all"], capture_output=True,
                              text=True, check=True).stdout
        while True:
            # Of the range for benchmarks: nobody routes it.
            self.prefix = "198.%d.%d." % (_random.randint(18, 19), _random.randint(1, 254))
            if self.prefix not in used:
                break
        self.device = "pm%x" % _random.getrandbits(40)
        self.hub = Namespace(procs, "hub")
        self.hub.run("ip", "link", "add", "bridge", "type", "bridge")
        self.hub.run("ip", "link", "set", "bridge", "up")
        self._ip("link", "add", self.device, "type", "veth", "peer", "name", "here", "netns",
                 str(self.hub.holder.pid))
        self.hub.run("ip", "link", "set", "here", "master", "bridge", "up")
        self._ip("addr", "add", self.prefix + "1/24", "dev", self.device)
        self._ip("link", "set", self.device, "up")
        self.next = 100

    def _ip(self, *argv):
        subprocess.run(["ip"] + list(argv), check=True, capture_output=True, timeout=10)

    def address(self, n):
        """Another address of ours in that network."""
        address = self.prefix + str(n)
        if n != 1:
            self._ip("addr", "add", address + "/24", "dev", self.device)
        return address

    def host(self, name):
        self.next += 1
        host = Host(self.procs, name, self.prefix + str(self.next))
        port = "h%d" % self.next
        self.hub.run("ip", "link", "add", port, "type", "veth", "peer", "name", "out", "netns",
                     str(host.holder.pid))
        self.hub.run("ip", "link", "set", port, "master", "bridge", "up")
        host.run("ip", "addr", "add", host.address + "/24", "dev", "out")
        host.run("ip", "link", "set", "out", "up")
        return host


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class HostVantage(Vantage):
    """A vantage on a host; asked over a socket in the file system, whatever its network does."""

    def __init__(self, host, procs, consul_url, root, name, agent=None, **kwargs):
        self.host = host
        self.page_socket = os.path.join(procs.dir, name + ".http")
        super().__init__(procs, consul_url, root, name=name, wrapper=host.enter,
                         agent=dict({"http": "unix:" + self.page_socket}, **(agent or {})), **kwargs)

    def http(self, method="GET", path="/v1/status", headers=None, limit=2.0):
        conn = _UnixConnection(self.page_socket, limit)
        try:
            conn.request(method, path, headers=headers or {})
            answer = conn.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            conn.close()
