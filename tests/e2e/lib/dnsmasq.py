"""A real dnsmasq that reads the rendered file the way the README tells people to."""
import os
import pwd
import time

from . import dns
from .proc import Process, free_port, wait_for


def _user():
    """As root dnsmasq gives its rights up, and the file has to be readable for the one it becomes."""
    if os.geteuid() != 0:
        return []
    for user in ("dnsmasq", "nobody"):
        try:
            pwd.getpwnam(user)
            return ["--user=" + user]
        except KeyError:
            continue
    return []


class Dnsmasq(Process):
    def __init__(self, procs, hosts, name="dnsmasq", domain="service.consul", port=None):
        self.address, self.port = "127.0.0.1", port or free_port()
        self.hosts, self.domain = str(hosts), domain
        # Called as in Debian: the agent takes the name of the process from it.
        self.pidfile = os.path.join(procs.dir, name + "-run", "dnsmasq.pid")
        os.makedirs(os.path.dirname(self.pidfile), exist_ok=True)
        self.downs = []  # [from, to]: when it could not answer
        super().__init__(procs, name, [
            "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--no-poll", "--local=/%s/" % domain, "--local=/pointsman.internal/",
            "--listen-address=" + self.address, "--bind-interfaces", "--port=%d" % self.port,
            "--addn-hosts=" + self.hosts, "--pid-file=" + self.pidfile, "--log-facility=-"] + _user())

    @property
    def resolver(self):
        return "%s:%d" % (self.address, self.port)

    def start(self):
        if not self.downs or self.downs[-1][1] is not None:
            self.downs.append([0.0 if not self.downs else time.monotonic(), None])
        super().start()
        wait_for("dnsmasq answering", lambda: self.ask("nobody." + self.domain) == "NXDOMAIN" or
                 not self.is_alive())
        assert self.is_alive(), "dnsmasq ended:\n" + self.log()
        self.downs[-1][1] = time.monotonic()
        return self

    def kill(self):
        if self.is_alive():
            self.downs.append([time.monotonic(), None])
        super().kill()

    def terminate(self, limit=10.0):
        self.downs.append([time.monotonic(), None])
        return super().terminate(limit)

    def ask(self, name, qtype=dns.TYPE_A, limit=1.0):
        return dns.ask(self.address, self.port, name, qtype, limit)

    def address_of(self, name):
        return self.ask("%s.%s" % (name, self.domain))

    def generation(self):
        """The generation it serves, read from the proof name; 0 when it has none."""
        text = self.ask("generation.pointsman.internal", dns.TYPE_AAAA)
        if ":" not in text:
            return 0
        import ipaddress
        return int(ipaddress.IPv6Address(text)) & (2 ** 64 - 1)

    def wait_answer(self, name, address, limit=10.0):
        if isinstance(address, (list, tuple)):
            address = ",".join(sorted(address))
        qtype = dns.TYPE_AAAA if ":" in address else dns.TYPE_A
        last = [None]

        def is_there():
            last[0] = self.ask("%s.%s" % (name, self.domain), qtype)
            return last[0] == address
        try:
            wait_for("answer", is_there, limit, 0.002)
        except AssertionError:
            raise AssertionError("%s is %s and not %s after %.1f s" % (name, last[0], address, limit))

    def was_down(self, begin, end):
        """Whether it could not answer at some time between the two."""
        return any(down <= end and (up is None or begin <= up) for down, up in self.downs)
