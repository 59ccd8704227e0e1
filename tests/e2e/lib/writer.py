"""The lab's writer on servers of the test: a back end that writes, and afterwards looks for every row."""
import json
import os
import subprocess

from .daemon import build_dir
from .proc import Process, wait_for

PROGRAM = os.path.join(build_dir(), "contrib", "lab", "writer")
USER, PASSWORD = "game", "gamepw"


def create_account(pair, database="game"):
    """An ordinary application's: no right that gets past read_only."""
    pair.each_account(USER, PASSWORD, "USAGE")
    for server in (pair.active, pair.standby):
        was_read_only = server.is_read_only()
        server.set_read_only(False)  # MySQL's super_read_only is for root as well
        server.sql("SET SESSION sql_log_bin = 0; GRANT ALL ON %s.* TO '%s'@'%%'" % (database, USER))
        server.set_read_only(was_read_only)
    pair.active.sql("CREATE DATABASE IF NOT EXISTS %s" % database)


class Writer(Process):
    """follow: the address is told with tell(); else resolver and name, as "127.0.0.1:53", "maindb.…"."""

    _count = 0

    def __init__(self, procs, port, resolver=None, name=None, connections=8, rate=1000, retry_ms=5,
                 wrapper=()):
        Writer._count += 1
        self.record = os.path.join(procs.dir, "writer-%d.record" % Writer._count)
        self.account = os.path.join(procs.dir, "writer-%d.cnf" % Writer._count)
        with open(self.account, "w") as f:
            f.write("[client]\nuser=%s\npassword=%s\n" % (USER, PASSWORD))
        self.is_told = resolver is None
        where = ["--follow", "-"] if self.is_told else ["--resolver", resolver, "--name", name]
        super().__init__(procs, "writer-%d" % Writer._count, [
            *wrapper, PROGRAM, "write", "--log", self.record, "--account", self.account, "--create",
            "--port", port, "--connections", connections, "--rate", rate, "--retry-ms", retry_ms,
            "-o", "json", *where], stdin=subprocess.PIPE if self.is_told else None)

    def start(self, server=None):
        super().start()
        if self.is_told:
            self.tell(server)
        self.wait_rows(20)
        return self

    def tell(self, server):
        self.popen.stdin.write(("%s\n" % server.endpoint).encode())
        self.popen.stdin.flush()

    def lines(self, word="ack"):
        """[connection, sequence] of the record's lines of a kind."""
        try:
            with open(self.record) as f:
                fields = [line.split() for line in f if line.startswith(word + " ")]
        except FileNotFoundError:
            return []
        return [(int(f[1]), int(f[2])) for f in fields if len(f) > 2]

    def wait_rows(self, more, word="ack", limit=20.0):
        """Until so many more of them are there than now."""
        want = len(self.lines(word)) + more

        def are_there():
            assert self.is_alive(), self.log()
            return len(self.lines(word)) >= want
        wait_for("%d more rows of the writer: %s" % (more, word), are_there, limit, 0.05)

    def stop(self):
        """Its own report, of what it felt."""
        assert self.terminate() == 0, self.log()
        return json.loads(self.log())

    @property
    def run_id(self):
        with open(self.record) as f:
            return f.readline().split()[1]

    def check(self, *servers, settle=10.0):
        """(exit status, report) after looking at the servers, the active one first."""
        argv = [PROGRAM, "check", "--log", self.record, "--account", self.account, "--settle",
                str(settle), "-o", "json"]
        for server in servers:
            argv += ["--server", server.endpoint]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr
