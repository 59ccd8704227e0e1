"""What happens to an active server in a World, and what an administrator does afterwards: it dies under the
writer, comes back as its configuration says (read-only, without replication), is let back, or its errant
transactions are replayed, or it is rebuilt from the other."""
import os
import subprocess
import threading

import pytest

from . import mariadb, mysql9
from .crash import finish, kill_at
from .proc import MARK
from .sql_server import SqlError
from .world import PAIR, World

TABLES = "game.t, game.counter"
REJOIN = ["rejoin", PAIR, "--yes"]
ERRANT_ROWS = 20


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

    def saved(self):
        """What the newest rejoin has saved, to be read and replayed."""
        return self.operation("rejoin")["facts"]["errant-file"][:-len("binlog")] + "sql"

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


class Round:
    """One death of the active server, and the way back to a whole pair."""

    def __init__(self, world, writer, has_errant=False):
        self.world, self.writer, self.has_errant = world, writer, has_errant
        self.old, self.new = world.named(), world.other()
        self.servers, self.has_semi_sync = world.servers, True
        world.api.delete_tree(world.root + "ops/")
        world.free_lock()

    # --- the active one dies -----------------------------------------------------------------------------

    def die(self):
        """Under the writer. With errant rows: acknowledged, and nowhere else; else nothing is under way, so
        that the rejoin has as many messages each time."""
        world, old, new = self.world, self.servers[self.old], self.servers[self.new]
        self.writer.wait_rows(20)
        world.set_semi_sync(True)
        world.wait_replicating()
        if self.has_errant:
            # The source of a replica that says nothing goes on alone, after 10 s by default.
            old.sql("SET GLOBAL rpl_semi_sync_%s_timeout = 50" % old.semi_sync_sides[0])
            new.sql("STOP REPLICA IO_THREAD")
            self.writer.wait_rows(ERRANT_ROWS)
            old.kill()
            return
        old.set_read_only(True)
        new.wait_applied(old)
        old.kill()

    # --- emergency ---------------------------------------------------------------------------------------

    def emergency_args(self):
        return self.world.emergency_argv("--dead", self.old)

    def check_emergency(self, result):
        """The servers are what the journal says."""
        world, new = self.world, self.servers[self.new]
        assert world.lock_session() is None
        if result == "done":
            assert (world.named(), world.writable()) == (self.new, [self.new])
            assert not (new.waits_for_replica() or new.is_applying() or new.is_listening())
        else:
            assert (world.named(), world.writable()) == (self.old, [])
            assert new.waits_for_replica() and new.is_applying()
            assert new.is_listening() or self.has_errant  # which was stopped by hand

    def emergency(self, cell=None):
        """(message, what was done, outcome). At its end the new one takes writes."""
        world, message, words, result = self.world, None, "", "done"
        if cell:
            message = kill_at(world, self.emergency_args(), cell)
        if message is None:
            op = world.operation("emergency")
            if op is None:
                done = world.emergency("--dead", self.old)
                assert done.code == 0, done
        else:
            words, op = finish(world, cell.way, "emergency")
            world.free_lock()
            result = op["result"] if op else "nothing"
            self.check_emergency(result)
            if result != "done":
                done = world.emergency("--dead", self.old)
                assert done.code == 0, (message, words, done)
        self.check_emergency("done")
        self.writer.wait_rows(5)
        return message, words, result

    # --- rejoin ------------------------------------------------------------------------------------------

    def check_apart(self):
        """Neither listens to the other, and only the active one takes writes."""
        world = self.world
        assert (world.named(), world.writable()) == (self.new, [self.new])
        assert not any(s.is_applying() or s.is_listening() for s in self.servers.values())

    def check_held(self, done):
        """What only the old one has is listed and saved, and both are as they were. The file to replay."""
        assert done.code == 3, done
        op = self.world.operation("rejoin")
        assert op["result"] == "undone" and op["facts"]["errant"], op
        self.check_apart()
        saved = self.world.saved()
        assert open(saved, errors="replace").read().count("### INSERT INTO") >= ERRANT_ROWS
        return saved

    def rejoin(self, cell=None):
        """(message, what was done, outcome). At its end the pair is whole."""
        world, message, words, result = self.world, None, "", "done"
        if cell:
            message = kill_at(world, REJOIN, cell, (3,) if self.has_errant else (0,))
        if message is not None:
            words, op = finish(world, cell.way, "rejoin")
            world.free_lock()
            result = op["result"] if op else "nothing"
            assert result != "done" or not self.has_errant, op
            if result != "done":
                self.check_apart()
            if self.has_errant and words.startswith("resume"):
                assert os.path.exists(op["facts"]["errant-file"]), op
        if self.has_errant:
            world.replay(self.check_held(world.rejoin()), self.new)
            self.writer.wait_rows(5)
        if result != "done" or message is None or self.has_errant:
            done = world.rejoin()
            if done.code == 5:  # all as before: a loaded machine has not answered in time
                done = world.rejoin()
            assert done.code == 0, (message, words, done)
        self.check_whole()
        return message, words, result

    def check_whole(self):
        world = self.world
        wait_same(world)
        assert world.named() == self.new and world.lock_session() is None
        assert self.has_semi_sync in (None, self.servers[self.new].waits_for_replica())
        world.check_never_both()

    def run(self, emergency_cell=None, rejoin_cell=None):
        """Both rows of the tables."""
        self.die()
        first = self.emergency(emergency_cell)
        self.world.come_back(self.old)
        return first, self.rejoin(rejoin_cell)


# --- a disk that can be filled -----------------------------------------------------------------------------


def on_a_small_disk(procs, server, size="150m"):
    """Before it starts for the first time: its data are on a disk of their own. Needs root."""
    make = mariadb.template if isinstance(server, mariadb.MariaDB) else mysql9.template_of
    os.makedirs(server.data)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=" + size, "tmpfs", server.data], check=True)
    procs.at_close(lambda: (server.kill(), subprocess.run(["umount", "-l", server.data], check=True)))
    # What start() does where there is no directory yet.
    subprocess.run(["cp", "-r", make(server.procs) + "/.", server.data], check=True)


def fill_disk(server):
    """To the last page; the file that does it."""
    path = os.path.join(server.data, "filler")
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 20, 4096):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass
    return path


class FarSide:
    """A back end on the machine of a server that is cut off: it has no network to lose. Each row that was
    acknowledged."""

    def __init__(self, server, first=700000):
        self.server, self.rows, self.first = server, [], first
        self.is_ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        row = self.first
        while not self.is_ended:
            row += 1
            try:
                self.server.sql("INSERT INTO game.t VALUES (%d)" % row, user="game", password="gamepw", limit=5)
                self.rows.append(row)
            except (SqlError, OSError):
                pass
            threading.Event().wait(0.05)

    def end(self):
        self.is_ended = True
        self.thread.join(10)
