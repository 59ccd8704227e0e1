"""tests/proof/watcher on two servers: was there an instant at which both were writable?"""
import json
import os
import select
import subprocess

from .daemon import build_dir
from .proc import Process, Timeout, wait_for

PROGRAM = os.path.join(build_dir(), "tests", "proof", "watcher")


class Watcher(Process):
    """account: an option file with a [client]. Reports are of the time since the last one."""

    def __init__(self, procs, account, servers, name="watcher", hz=1000):
        self.names = [s.name for s in servers]
        super().__init__(procs, name, [PROGRAM, account] + ["%s=%s" % (s.name, s.endpoint) for s in servers] + [hz],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pending = b""
        self.changes = []  # (nanoseconds, name, state)

    def start(self):
        super().start()
        os.set_blocking(self.popen.stdout.fileno(), False)

        def knows_both():
            self._read(0.05)
            return {name for _, name, _ in self.changes} == set(self.names)
        wait_for("the watcher knows both servers", knows_both, 10)
        self.report()
        return self

    def _read(self, limit):
        """Takes in the changes; a report among them is returned."""
        if not select.select([self.popen.stdout], [], [], limit)[0]:
            assert self.is_alive(), "the watcher ended: " + self.log()
            return None
        self.pending += self.popen.stdout.read() or b""
        *lines, self.pending = self.pending.split(b"\n")
        found = None
        for line in lines:
            if line.startswith(b"{"):
                found = json.loads(line)
            else:
                at, name, state = line.decode().split()
                self.changes.append((int(at), name, state))
        return found

    def report(self, limit=30.0):
        """{"both_writable": 0, "longest_ms": 0.0, "db3": {"state", "polls", "late", "gap_ms"}, …}"""
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        found, tries = None, int(limit / 0.1)
        while found is None and tries > 0:
            found, tries = self._read(0.1), tries - 1
        if found is None:
            raise Timeout("the watcher does not report")
        return found

    def history(self):
        """The changes since the last call of it, as [(name, state)], in their order."""
        self._read(0.0)
        changes, self.changes = self.changes, []
        return [(name, state) for _, name, state in changes]
