"""What stands in the way of a planned failover, appearing at the worst moment: behind the preflight, just
before the fence or just behind it. Each is refused or undone within the budget, the writers go on where
they were, and what was acknowledged is there."""
import contextlib
import re
import time

import pytest

from conftest import soak
from lib import mysql9
from lib.emergency import said
from lib.proc import wait_for
from lib.sql_server import SqlError
from lib.tripwire import Tripwire, announces
from lib.world import PAIR, World, wait_well

# 3 s from the fence to the lift, 1 s that a blocked fence waits, and what a busy machine takes.
BUDGET_S = 3.0
SLACK_S = 2.0


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, consul):
    if request.param == "mysql9":
        mysql9.skip_without()
    world = World(module_procs, consul, request.param, hz=250)
    world.pair.each_account("filler", "", "USAGE")
    yield world
    world.close()


@pytest.fixture
def world(raised):
    raised.reset()
    wait_well(raised)
    yield raised
    while Client.left:  # of a case that failed
        Client.left[0].close()


class Client:
    """A session that does something and stays."""

    left = []

    def __init__(self, server, *statements, user="root", password=None):
        self.client = server.open_client(user, password)
        Client.left.append(self)
        for statement in statements:
            self.say(statement)

    def say(self, statement):
        self.client.stdin.write(statement.encode() + b";\n")
        self.client.stdin.flush()

    def close(self):
        Client.left.remove(self)
        self.client.kill()
        self.client.wait()


def wait_process(server, words):
    """Until a session of root is in that state, or runs that statement."""
    wait_for(words, lambda: server.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'root' AND ID <> CONNECTION_ID()"
        " AND COMMAND <> 'Sleep' AND CONCAT_WS(' ', COMMAND, STATE, INFO) LIKE '%%%s%%'" % words) != "0", 5)


def wait_lock(server):
    """Until the Client that said LOCKED has been heard."""
    wait_for("the lock", lambda: server.value("SELECT IS_USED_LOCK('locked') IS NULL") == "0", 5)


LOCKED = ("DO RELEASE_LOCK('none')", "DO GET_LOCK('locked', 0)")


def wait_transaction(server, user="root"):
    """Of that user, and it holds a lock: the applier has transactions, too. InnoDB looks again for somebody who
    has not asked for 0.1 s."""
    wait_for("the transaction", lambda: server.value(
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST"
        " ON TRX_MYSQL_THREAD_ID = ID WHERE USER = '%s' AND TRX_ROWS_LOCKED > 0" % user) != "0", 5, 0.15)


def lack_a_row(world):
    """For a standby that is blocked: the writer may be between two rows."""
    world.db3.sql("INSERT INTO game.t SELECT COALESCE(MAX(id), 0) + 1 FROM game.t")


def start(world):
    """The command, held before it announces the fence: behind the pre-sync, and no limit runs."""
    command = Tripwire(world.procs, world.argv(["failover", PAIR, "--plan", world.plan_id(), "--yes"]), at=1,
                       match=announces("fence"))
    assert command.wait_stopped(), command.end()
    return command


@contextlib.contextmanager
def goes_on(world, codes=(5,)):
    """Inside: the command that was held ends with one of these codes, in time, and the writers, who were
    refused for no longer than the budget, go on where they were. Yields a function that lets it go on."""
    writer = world.writer(rate=200)
    done = {}

    def let(command):
        began = time.monotonic()
        command.go_on()
        done["result"] = command.end()
        done["took"] = time.monotonic() - began
        return done["result"]
    try:
        yield let
    except BaseException:
        writer.kill()
        raise
    result = done["result"]
    if result.code not in codes:
        writer.kill()
        raise AssertionError(result)
    writer.wait_rows(50)
    report = world.check_writer(writer)
    assert report["silence"]["ms"] < (BUDGET_S + SLACK_S) * 1000, report["silence"]
    newest = world.history()[0]
    if result.code == 5:
        assert newest["result"] == "undone" and newest["error"], newest
        # What it says on the screen is the reason, too.
        assert world.named() == "db3"
    print("took %.2f s, writers were without an answer for %.0f ms: %s" % (
        done["took"], report["silence"]["ms"], newest["error"]))
    world.check_well()


def test_a_long_update(world):
    with goes_on(world) as let:
        command = start(world)
        client = Client(world.db3, "INSERT INTO game.t VALUES (1000 + SLEEP(6))")
        wait_process(world.db3, "INSERT INTO game.t")
        done = let(command)
        assert "db3" in done.out + done.err, done
        client.close()


def test_lock_tables_write(world):
    with goes_on(world) as let:
        command = start(world)
        client = Client(world.db3, "LOCK TABLES game.t WRITE", *LOCKED)
        wait_lock(world.db3)
        let(command)
        client.close()


def test_an_idle_transaction_holds_nobody_up(world):
    """With a row lock: it is ended with the other sessions, and then the old one's applier goes on."""
    world.db3.sql("REPLACE INTO game.t VALUES (1)")
    world.db4.wait_applied(world.db3)
    with goes_on(world, codes=(0,)) as let:
        command = start(world)
        # Not root's: MySQL lets nobody end that who has not SYSTEM_USER.
        client = Client(world.db3, "BEGIN", "SELECT * FROM game.t WHERE id = 1 FOR UPDATE", user="game",
                        password="gamepw")
        wait_transaction(world.db3, "game")
        let(command)
        world.db4.sql("DELETE FROM game.t WHERE id = 1")
        world.db3.wait_applied(world.db4, 10)
        client.close()


def test_a_transaction_that_waits_at_the_standby(world):
    """A session there holds the row that the active changes: it cannot catch up."""
    world.db3.sql("REPLACE INTO game.t VALUES (1)")
    world.db4.wait_applied(world.db3)
    with goes_on(world) as let:
        command = start(world)
        if world.is_mariadb:
            client = Client(world.db4, "BEGIN", "SELECT * FROM game.t WHERE id = 1 FOR UPDATE")
            wait_transaction(world.db4)
        else:  # super_read_only: not even root may lock a row
            client = Client(world.db4, "LOCK TABLES game.t READ", *LOCKED)
            wait_lock(world.db4)
        world.db3.sql("DELETE FROM game.t WHERE id = 1")
        done = let(command)
        assert "behind" in done.out + done.err, done
        client.close()


def test_the_applier_is_blocked(world):
    with goes_on(world) as let:
        command = start(world)
        world.db4.sql("STOP REPLICA SQL_THREAD")
        lack_a_row(world)
        done = let(command)
        assert "behind" in done.out + done.err, done
        world.db4.sql("START REPLICA")


def test_the_receiver_is_blocked(world):
    with goes_on(world) as let:
        command = start(world)
        world.db4.sql("STOP REPLICA IO_THREAD")
        lack_a_row(world)
        let(command)
        world.db4.sql("START REPLICA")


@pytest.fixture
def semi_sync(world):
    side = world.db3.semi_sync_sides[0]
    world.db3.sql("SET GLOBAL rpl_semi_sync_%s_timeout = 60000" % side)
    world.db3.set_semi_sync(source=True)
    world.db4.set_semi_sync(replica=True)
    wait_for("semi-sync", lambda: world.db3.sql("SHOW STATUS LIKE 'Rpl_semi_sync_%s_clients'" % side)[0][
        "Value"] == "1", 10)
    wait_well(world)
    yield world
    world.db3.set_semi_sync(source=False)
    world.db4.set_semi_sync(replica=False)


def test_semi_sync_is_stalled(semi_sync):
    """Commits wait for a standby that takes nothing: so does the fence. Whoever mends the standby mends the
    writers; the failover must not have made it worse."""
    world = semi_sync
    command = start(world)
    writer = world.writer(rate=200, connections=4)
    world.db4.sql("STOP REPLICA IO_THREAD")
    # A commit that waits, not the writer: it gives up after two seconds and comes back.
    client = Client(world.db3, "INSERT INTO game.t VALUES (3000)")
    wait_process(world.db3, "INSERT INTO game.t VALUES (3000)")
    began = time.monotonic()
    command.go_on()
    done = command.end()
    took = time.monotonic() - began
    assert done.code == 5 and took < BUDGET_S + SLACK_S, (took, done)
    assert world.writable() == ["db3"] and world.named() == "db3"
    world.db4.sql("START REPLICA")
    writer.wait_rows(50)
    client.close()
    writer.stop()
    status, report = writer.check(world.db3, world.db4)
    assert status == 0 and report["lost"] == 0 and report["equal"], report
    world.check_well("db3")


WRITE_ON = b"""USE game; DROP PROCEDURE IF EXISTS write_on;
    DELIMITER //
    CREATE PROCEDURE write_on() BEGIN
        DECLARE n INT DEFAULT 4001;
        WHILE n < 24000 DO INSERT INTO game.t VALUES (n); SET n = n + 1; DO SLEEP(0.002); END WHILE;
    END//
    CALL write_on()//\n"""


def test_somebody_who_writes_past_the_fence(world):
    """Root is not stopped by MariaDB's read_only, and writes a row every few milliseconds all the time, by the
    server's own loop, which no busy machine keeps waiting for a client: that is seen before the lift, and all
    is taken back. MySQL has super_read_only, which stops even root. The next plan names who it is."""
    command = start(world)
    client = Client(world.db3)
    client.client.stdin.write(WRITE_ON)
    client.client.stdin.flush()
    wait_for("rows", lambda: int(world.db3.value("SELECT COUNT(*) FROM game.t WHERE id > 4000")) > 20)
    writer = world.writer(rate=200)
    command.go_on()
    done = command.end()
    if world.is_mariadb:
        assert done.code == 5 and "db3 still writes behind the fence" in said(done), done
        assert world.writable() == ["db3"] and world.named() == "db3"
        assert world.history()[0]["refused_ms"] < BUDGET_S * 1000
        named = [p for p in world.plan()[1]["preflight"] if p["name"] == "sessions"]
        assert "root@localhost is at work there" in named[0]["fact"] and "in schema game, at one statement" in \
            named[0]["fact"], named
        # As it says: the server's loop outlives its client.
        world.db3.sql(re.search(r"KILL \d+", named[0]["do"]).group())
        wait_for("it is ended", lambda: world.db3.value(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = 'game' AND USER = 'root'") == "0", 5)
    else:
        assert done.code == 0, done
    client.close()
    writer.wait_rows(50)
    report = world.check_writer(writer)
    assert report["silence"]["ms"] < (BUDGET_S + SLACK_S) * 1000, report["silence"]
    world.check_well()
    # What root was told is saved is missing on neither.
    count = "SELECT COUNT(*) FROM game.t"
    assert world.db3.value(count) == world.db4.value(count)


@contextlib.contextmanager
def full(server):
    """No place is left but the one that is root's alone."""
    clients = []
    server.sql("SET GLOBAL max_connections = 10")
    try:
        clients += [Client(server, "SELECT 1", user="filler") for _ in range(12)]
        wait_for("no place is left", lambda: is_full(server), 10)
        yield
    finally:
        for client in clients:
            client.close()
        server.sql("SET GLOBAL max_connections = 120")


def test_too_many_connections(world):
    """Refused, or done: an administrator's account has a place of its own. Once it has begun it needs no
    other connections than those it has."""
    plan, before = world.plan_id(), world.snapshot()
    with full(world.db3):
        done = world.run("failover", PAIR, "--plan", plan, "--yes")
    if done.code == 3:
        assert "1040" in done.out + done.err and world.snapshot() == before, done
    else:
        assert done.code == 0, done
        world.reset()
    wait_well(world)
    command = start(world)
    with full(world.db3):
        command.go_on()
        done = command.end()
    assert done.code == 0, done
    world.check_well("db4")


def is_full(server):
    try:
        server.value("SELECT 1", user="game", password="gamepw", tcp=True)
        return False
    except SqlError:
        return True
