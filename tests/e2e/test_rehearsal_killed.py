"""A rehearsal killed at every message that changes something, just before it leaves and just after, and ended by
resume, by rollback or by nobody: nothing flips, whoever took writes took them all the time, the replicas go on,
the lock is free, and the journal tells how it ended."""
import itertools

import pytest

from conftest import soak
from lib.chat import Chat
from lib.crash import Table, all_cells, finish, kill_at, some_cells, undisturbed
from lib.redis_desk import RedisDesk
from lib.world import World


class SqlPlace:
    def __init__(self, procs, consul, kind):
        self.desk = World(procs, consul, kind, hz=soak(1000, 250))
        self.title = "rehearsal, " + kind
        self.writer = self.desk.writer(rate=100)
        self.desk.watcher.history()

    def check(self):
        """Nobody's state has changed since the last time, not for an instant."""
        self.desk.check_well("db3")
        assert self.desk.watcher.history() == []
        self.writer.wait_rows(5)

    def end(self):
        report = self.desk.check_writer(self.writer)
        assert report["refused"] == 0, report
        self.desk.close()


class RedisPlace:
    title = "rehearsal, Redis"

    def __init__(self, procs, consul, _):
        self.desk = RedisDesk(procs, consul)
        self.writer, self.watch = self.desk.writer(), self.desk.watch()
        self.before = self.state()

    def state(self):
        """Of both: a replica that had to begin anew would have another history."""
        return {node: tuple(server.info("replication")[key] for key in ("role", "master_replid", "connected_slaves"))
                + tuple(server.call("CONFIG", "GET", "min-replicas-to-write"))
                for node, server in self.desk.servers.items()}

    def check(self):
        self.desk.check_settled()
        assert self.desk.active() == "r4" and self.state() == self.before
        assert self.desk.servers["r4"].call("EXISTS", "pointsman:probe") == 0

    def end(self):
        self.writer.stop()
        self.watch.stop()
        assert not self.watch.two and not self.writer.refused
        assert self.desk.servers["r5"].info("stats")["sync_full"] == "0"
        assert self.writer.count() > 100 and self.writer.lost(self.desk.servers["r4"]) == []


class ChatPlace:
    title = "rehearsal, daemon"

    def __init__(self, procs, consul, _):
        self.desk = Chat(procs, consul)
        self.watch = self.desk.watch()

    def check(self):
        self.desk.check("c1")
        assert self.desk.calls() == []

    def end(self):
        self.watch.stop()
        assert not self.watch.both


PLACES = [(RedisPlace, None), (ChatPlace, None)] + soak([(SqlPlace, "mariadb"), (SqlPlace, "mysql9")], [])


@pytest.mark.parametrize("place,kind", PLACES)
def test_killed_at_every_message(procs, consul, place, kind):
    place = place(procs, consul, kind)
    desk = place.desk
    args = ["failover", desk.pair_name, "--rehearse"]
    undisturbed(desk, args)  # the first one makes the table of the test write
    messages = undisturbed(desk, args)
    print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(messages)))
    place.check()
    table = Table(place.title)
    every = soak(all_cells, lambda m: some_cells(m, 3))(messages)
    # Left alone on each side, too: whoever comes next finds nothing in the way.
    alone = [cell._replace(way="nobody") for cell in every if cell.way == "resume"]
    for cell in itertools.chain(every, soak(alone, alone[1:2])):
        desk.api.delete_tree(desk.root + "ops/")
        message = kill_at(desk, args, cell)
        if message is None:
            table.add(cell, None)
            continue
        words, op = ("nobody", desk.operation()) if cell.way == "nobody" else finish(desk, cell.way)
        desk.free_lock()
        place.check()
        if cell.way == "nobody":
            check_left_alone(desk, args, op)
        table.add(cell, message, words, op["result"] if op else "nothing")
        assert desk.lock_session() is None
    table.end(soak(("done", "undone"), ("done",)))
    place.check()
    place.end()


def check_left_alone(desk, args, op):
    """One that nobody has ended says so, and is in nobody's way: it has moved nothing. The next one settles it."""
    if op is not None:
        said = desk.run("-o", "json", "history", op["id"]).json
        assert said["result"] == ("interrupted" if op["result"] == "running" else op["result"]), said
    again = desk.run(*args, limit=60)
    assert again.code == 0 and desk.operation()["result"] == "done", again
    if op is not None and op["result"] == "running":
        said = desk.run("-o", "json", "history", op["id"]).json
        assert said["overtaken_by"] == desk.operation()["id"], said
