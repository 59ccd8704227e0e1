"""What happens to an active server in a World, and what an administrator does afterwards: it dies under the
writer, comes back as its configuration says (read-only, without replication), is let back, or its errant
transactions are replayed, or it is rebuilt from the other."""
import os
import subprocess

import pytest

from . import mysql9
from .proc import MARK
from .world import PAIR, World

TABLES = "game.t, game.counter"


class EmergencyWorld(World):
    """With two tables of the application: rows, and a counter that both servers may have changed."""

    def __init__(self, procs, consul, kind="mariadb", **kwargs):
        if kind == "mysql9":
            mysql9.skip_without()
            # What it saves is made readable by the tool of that MySQL.
            path = pytest.MonkeyPatch()
            path.setenv("PATH", mysql9.tools(procs) + os.pathsep + os.environ["PATH"])
            procs.at_close(path.undo)
        super().__init__(procs, consul, kind, **kwargs)
        self.db3.sql("CREATE TABLE game.counter (id INT PRIMARY KEY, n INT NOT NULL);"
                     "INSERT INTO game.counter VALUES (1, 0)")
        self.db4.wait_applied(self.db3)
        self.rows = 0
        self.has_semi_sync = False

    # --- before it dies ----------------------------------------------------------------------------------

    def set_semi_sync(self, on):
        """On both, each way, as their configuration would."""
        self.has_semi_sync = on
        for server in self.servers.values():
            server.set_semi_sync(replica=on)
        for server in self.servers.values():
            server.set_semi_sync(source=on)

    def write_row(self, node):
        """A transaction of that server: a row that nobody else has."""
        self.rows += 1
        self.servers[node].sql("INSERT INTO game.t VALUES (%d)" % (100000 + self.rows))
        return 100000 + self.rows

    def write_errant(self, node, rows=3, conflict=False):
        """Transactions that never reach the other one, which stops receiving."""
        other = self.servers["db4" if node == "db3" else "db3"]
        other.wait_applied(self.servers[node])
        other.sql("STOP REPLICA")
        written = [self.write_row(node) for _ in range(rows)]
        if conflict:
            self.servers[node].sql("UPDATE game.counter SET n = n + 1000 WHERE id = 1")
        return written

    def tables(self, node):
        """What it has, by table."""
        return {r["Table"]: r["Checksum"]
                for r in self.servers[node].sql("CHECKSUM TABLE %s EXTENDED" % TABLES)}

    # --- the command -------------------------------------------------------------------------------------

    def emergency_argv(self, *args):
        return ["failover", PAIR, "--emergency", *args, "--plan", self.plan_id("--emergency", *args), "--yes"]

    def emergency(self, *args, limit=90.0):
        return self.run(*self.emergency_argv(*args), limit=limit)

    def rejoin(self, limit=90.0):
        return self.run("rejoin", PAIR, "--yes", limit=limit)

    def errant_dir(self):
        return os.path.join(self.dir, "state", "errant")

    # --- afterwards --------------------------------------------------------------------------------------

    def come_back(self, node):
        """It starts by its configuration: read-only, and its replication stopped."""
        server = self.servers[node]
        server.start()
        assert server.is_read_only() and not server.is_replicating()
        if self.has_semi_sync:
            server.sql("SET GLOBAL rpl_semi_sync_%s_enabled = 1" % server.semi_sync_sides[1])
        return server

    def replay(self, path, node):
        """The saved transactions, with their GTIDs, on the active one."""
        subprocess.run(["mariadb", "--no-defaults", "--user=root", "--socket=" + self.servers[node].socket],
                       stdin=open(path), check=True, timeout=60, env=dict(os.environ, **{MARK: self.procs.mark}))

    def rebuild(self, node, source):
        """A new server out of the other one."""
        self.servers[node].rebuild(self.servers[source])


def said(done):
    """Without the lines that a screen has."""
    return " ".join((done.out + done.err).split())


def begin(world):
    """A case that failed leaves servers that differ: then one of them is made anew."""
    try:
        world.reset()
        assert world.tables("db3") == world.tables("db4")
    except Exception as e:  # whatever it was, the next case is about something else
        print("made anew after: %s" % e)
        for server in world.servers.values():
            server.kill()
            server.start()
        world.rebuild("db4", "db3")
        world.reset()


def wait_same(world):
    """After a rejoin: one writable, both replicate, and both have the same."""
    active = world.named()
    other = "db4" if active == "db3" else "db3"
    world.wait_replicating()
    world.servers[other].wait_applied(world.servers[active])
    assert world.writable() == [active]
    assert world.tables("db3") == world.tables("db4")
