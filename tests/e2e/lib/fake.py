"""Starts and commands tests/fake/consul.py."""
import json
import os
import subprocess
import sys
import urllib.parse

from . import SOURCE
from .proc import Process, free_port, loopback_net


class FakeConsul(Process):
    """A proxy before a real Consul, on an address of its own; spoils what it is told to. A Site behind it
    is seeded, and its names are flipped, in the real one."""

    def __init__(self, procs, server, name="fake"):
        upstream = urllib.parse.urlsplit(server.url)
        self.api = server.api
        self.address = loopback_net() + "1"
        self.port = free_port(self.address)
        super().__init__(procs, name, [
            sys.executable, os.path.join(SOURCE, "tests", "fake", "consul.py"), self.address,
            self.port, upstream.hostname, upstream.port],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def url(self):
        return "http://%s:%d" % (self.address, self.port)

    def start(self):
        super().start()
        self._read()
        return self

    def _read(self):
        line = self.popen.stdout.readline()
        assert line, "the fake ended:\n" + self.log()
        return json.loads(line)

    def order(self, **what):
        self.popen.stdin.write(json.dumps(what).encode() + b"\n")
        self.popen.stdin.flush()
        return self._read()

    def spoil(self, match, kind, cut=True, **details):
        """Spoils the answers to what matches; cut: and closes what is parked, so that it asks anew."""
        return self.spoil_all([dict(details, match=match, kind=kind)], cut)

    def spoil_all(self, faults, cut=True):
        return self.order(faults=faults, cut=cut)

    def heal(self, cut=False):
        return self.order(faults=[], cut=cut)

    def cut(self):
        return self.order(cut=True)

    def stats(self):
        return self.order(stats=True)

    def kill(self):
        if self.popen and self.popen.stdin:
            self.popen.stdin.close()
        super().kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
