"""The emergency of a MariaDB or MySQL pair and the rejoin behind it, killed at every message that changes something,
just before it leaves and just after. In each round the active server dies under the writer, the emergency is
killed and ended by resume or rollback, the old one comes back, the rejoin is killed and ended, and the pair is
whole again the other way round. What was acknowledged is there in the end: by the standby's having it or, where only
the dead one did, by what the rejoin that was held has saved."""
import itertools
import time

import pytest

from conftest import soak
from lib.crash import Table, all_cells, finish, kill_at, some_cells, undisturbed
from lib.emergency import EmergencyWorld, begin, wait_same
from lib.world import PAIR

REJOIN = ["rejoin", PAIR, "--yes"]
ERRANT_ROWS = 20


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def world(request, module_procs, consul):
    world = EmergencyWorld(module_procs, consul, request.param, hz=soak(1000, 250))
    begin(world)
    yield world
    world.close()


class Round:
    """One death of the active server, and the way back to a whole pair."""

    def __init__(self, world, writer, has_errant=False):
        self.world, self.writer, self.has_errant = world, writer, has_errant
        self.old, self.new = world.named(), world.other()
        self.servers = world.servers
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
        self.writer.freeze()
        time.sleep(0.02)
        new.wait_applied(old)
        old.kill()
        self.writer.thaw()

    # --- emergency ---------------------------------------------------------------------------------------

    def emergency_args(self):
        return self.world.emergency_argv("--dead", self.old)

    def check_emergency(self, result):
        """The servers are what the journal says."""
        world, new = self.world, self.servers[self.new]
        assert world.lock_session() is None
        if result == "done":
            assert (world.named(), world.writable()) == (self.new, [self.new])
            assert not new.waits_for_replica() and not new.is_applying()
        else:
            assert (world.named(), world.writable()) == (self.old, [])
            assert new.waits_for_replica() and new.is_applying()

    def emergency(self, cell=None):
        """(message, what was done, outcome). At its end the new one takes writes."""
        world, message, words, result = self.world, None, "", "done"
        if cell:
            message = kill_at(world, self.emergency_args(), cell)
        if message is None:
            op = world.operation("emergency")
            if op is None:
                assert world.emergency("--dead", self.old).code == 0
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
        assert not any(s.is_applying() for s in self.servers.values())

    def check_held(self, done):
        """What only the old one has is listed and saved, and both are as they were. The file to replay."""
        assert done.code == 3, done
        op = self.world.operation("rejoin")
        assert op["result"] == "undone" and op["facts"]["errant"], op
        self.check_apart()
        saved = op["facts"]["errant-file"][:-len("binlog")] + "sql"
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
        if self.has_errant:
            world.replay(self.check_held(world.rejoin()), self.new)
            self.writer.wait_rows(5)
        if result != "done" or message is None or self.has_errant:
            done = world.rejoin()
            assert done.code == 0, (message, words, done)
        wait_same(world)
        assert self.servers[self.new].waits_for_replica() and world.lock_session() is None
        world.check_never_both()
        return message, words, result

    def run(self, emergency_cell=None, rejoin_cell=None):
        """Both rows of the tables."""
        self.die()
        first = self.emergency(emergency_cell)
        self.world.come_back(self.old)
        return first, self.rejoin(rejoin_cell)


def messages_of(world, writer, has_errant):
    """Of an emergency and its rejoin that nobody disturbs."""
    plain = Round(world, writer, has_errant)
    plain.die()
    emergency = undisturbed(world, plain.emergency_args())
    world.come_back(plain.old)
    rejoin = undisturbed(world, REJOIN, (3,) if has_errant else (0,))
    plain.rejoin()
    return emergency, rejoin


def test_killed_at_every_message(world):
    writer = world.writer(rate=soak(200, 100))
    messages_of(world, writer, False)  # makes the table of the test write
    emergency, rejoin = messages_of(world, writer, False)
    held = messages_of(world, writer, True)[1]
    for words in (emergency, rejoin, held):
        print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(words)))
    choose = soak(all_cells, lambda messages: some_cells(messages, 5))
    emergencies, rejoins = choose(emergency), choose(rejoin)
    tables = [Table("emergency, " + world.kind), Table("rejoin, " + world.kind)]
    for cells in itertools.zip_longest(emergencies, rejoins):
        rows = Round(world, writer).run(*cells)
        for table, cell, row in zip(tables, cells, rows):
            if cell:
                table.add(cell, *row)
    tables.append(Table("held, " + world.kind))
    for cell in choose(held):
        tables[2].add(cell, *Round(world, writer, has_errant=True).run(None, cell)[1])
    for table, wanted in zip(tables, (("done", "undone"), ("done", "undone"), ("undone",))):
        table.end(wanted)
    writer.stop()
    report = writer.check(world.servers[world.named()], world.servers[world.other()])[1]
    print("%d rows acknowledged, %d lost, %d twice" % (report["acknowledged"], report["lost"],
                                                      report["duplicated"]))
    assert report["lost"] == 0 and report["duplicated"] == 0 and report["equal"], report
