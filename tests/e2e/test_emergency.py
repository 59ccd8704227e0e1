"""The active server dies under the writer, hangs, is cut off or fills its disk: the standby takes over, and
when the old one comes back nothing that was acknowledged is overwritten without a word. What only the old
one has is listed, saved and held; replayed, or the server rebuilt, both have the same again."""
import json
import os
import re
import subprocess
import time

import pytest

from conftest import soak
from lib.cli import Result, op_id
from lib.daemon import run_cli
from lib.emergency import EmergencyWorld, begin, said, wait_same
from lib.proc import wait_for
from lib.tripwire import Tripwire, announces
from lib.vantage import Vantage
from lib.world import PAIR


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, consul):
    world = EmergencyWorld(module_procs, consul, request.param, hz=200)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    begin(raised)
    yield raised
    if raised.has_semi_sync and all(s.is_alive() for s in raised.servers.values()):
        raised.set_semi_sync(False)


def check_held(world, done, old, new, written, before):
    """A rejoin that found errant transactions: held, listed, saved, and neither server's data touched."""
    assert done.code == 3, done
    op = world.operation("rejoin")
    assert op["result"] == "undone" and op["from"] == old and op["to"] == new, op
    facts = op["facts"]
    text = said(done)
    assert facts["errant"] and os.path.dirname(facts["errant-file"]) == world.errant_dir(), facts
    assert os.path.basename(facts["errant-file"]) == "%s-%s-%s.binlog" % (PAIR, old, op["id"])
    assert text.count("errant ") >= min(len(written), 20), done
    assert "man pointsman-runbook" in text, done
    printed = open(world.saved(), errors="replace").read()
    for row in written:
        assert "@1=%d\n" % row in printed, "row %d is not saved" % row
    # Nobody lets it back: read-only, deaf, and the active does not listen to it.
    assert world.servers[old].is_read_only() and not world.servers[old].is_replicating()
    assert not world.servers[new].is_replicating()
    assert (world.tables(old), world.tables(new)) == before
    return world.saved()


# --- refused -----------------------------------------------------------------------------------------------


def test_an_active_that_lives_is_not_dead(world):
    before = world.snapshot()
    done = world.run("failover", PAIR, "--emergency", "--dry-run")
    assert done.code == 3 and "db3 answers, and takes writes" in said(done), done
    # Typing the standby's name, or another, is no way around it.
    for node in ("db4", "db9"):
        done = world.run("failover", PAIR, "--emergency", "--dead", node, "--dry-run")
        assert done.code == 3, done
    assert world.snapshot() == before and world.lock_session() is None
    world.check_well("db3")


# --- killed ------------------------------------------------------------------------------------------------


def test_an_orphan_keeps_nobody_out(world):
    """The host of an operation died, and the standby has not noticed: it keeps the lock for it. Of whoever is no
    operation of ours nothing is known, and its lock stays."""
    world.db3.kill()
    holder = world.db4.open_client()
    holder.stdin.write(b"DO GET_LOCK('pointsman/%s', 0);\n" % PAIR.encode())
    holder.stdin.flush()
    wait_for("the lock", lambda: world.db4.value("SELECT IS_USED_LOCK('pointsman/%s') IS NULL" % PAIR) == "0", 5)
    done = world.emergency("--dead", "db3")
    assert done.code == 3 and "another pointsman is at work there" in said(done), done
    at_ms = int(time.time() * 1000)
    world.put("ops/" + op_id(at_ms), json.dumps({
        "id": op_id(at_ms), "kind": "rehearse", "pair_kind": "mysql", "pair": PAIR, "name": PAIR, "from": "db3",
        "to": "db4", "by": "cron", "host": "adm-07", "plan": "", "session": "gone", "pid": 4711,
        "at": "2026-11-21T03:00:00Z", "at_ms": at_ms, "result": "running", "direction": "forward",
        "facts": {}, "steps": []}))
    world.free_lock()
    done = world.emergency("--dead", "db3")
    holder.kill()
    holder.wait()
    assert done.code in (0, 1), done
    assert world.writable() == ["db4"] and world.named() == "db4"


def test_killed_under_the_writer_and_clean(world):
    """Semi-synchronous: the standby has all that was acknowledged. The rows of the writer that the old one
    alone has were never acknowledged; what the rejoin says of them is so."""
    world.set_semi_sync(True)
    writer = world.writer()
    world.db3.kill()
    # Nobody has confirmed it: there is no vantage.
    done = world.run("failover", PAIR, "--emergency", "--dry-run")
    assert done.code == 3 and "nobody has confirmed" in said(done), done
    assert "--dead db3" in said(done), done
    assert world.named() == "db3" and world.servers["db4"].is_read_only()
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    assert world.named() == "db4" and world.writable() == ["db4"]
    assert not world.db4.is_replicating()
    assert not world.db4.waits_for_replica()
    writer.wait_rows(100)
    world.come_back("db3")
    done = world.rejoin()
    if done.code == 3:
        # The commit in flight.
        world.replay(world.saved(), "db4")
        done = world.rejoin()
    assert done.code == 0, done
    assert world.db4.waits_for_replica()
    writer.wait_rows(50)
    writer.stop()
    wait_same(world)
    status, report = writer.check(world.db4, world.db3)
    assert report["lost"] == 0 and report["equal"], report
    world.check_never_both()


def test_semi_sync_comes_back_after_one_that_stopped_halfway(world):
    """The rejoin ends that emergency, which nobody goes on with. Fails when only one that is done counts: db4 would
    wait for nobody from then on, and nobody is told."""
    world.set_semi_sync(True)
    world.db3.kill()
    command = Tripwire(world.procs, world.argv(world.emergency_argv("--dead", "db3")), at=1,
                       match=announces("test-write"))
    assert command.wait_stopped(), command.end()
    command.kill()
    world.free_lock()
    world.come_back("db3")
    done = world.rejoin()
    assert done.code == 0 and world.db4.waits_for_replica(), done
    wait_same(world)


# --- errant transactions -----------------------------------------------------------------------------------


def die_with_errant(world, conflict=False):
    """db3 dies with transactions that db4 never got; db4 goes on, with newer ones."""
    written = world.write_errant("db3", conflict=conflict)
    world.db3.kill()
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    world.write_row("db4")
    world.db4.sql("UPDATE game.counter SET n = n + 1 WHERE id = 1")
    world.come_back("db3")
    return written, (world.tables("db3"), world.tables("db4"))


def test_errant_transactions_are_held_and_replayed(world):
    written, before = die_with_errant(world)
    saved = check_held(world, world.rejoin(), "db3", "db4", written, before)
    # Again it is the same, and what was saved before is still there.
    check_held(world, world.rejoin(), "db3", "db4", written, before)
    world.replay(saved, "db4")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)
    for row in written:
        assert world.db4.value("SELECT COUNT(*) FROM game.t WHERE id = %d" % row) == "1"
    world.check_well("db4")


def test_a_conflict_overwrites_nothing(world):
    """Both have changed one row. By itself replication would have set back the newer one, without an error."""
    world.db3.sql("UPDATE game.counter SET n = 0 WHERE id = 1")
    written, before = die_with_errant(world, conflict=True)
    check_held(world, world.rejoin(), "db3", "db4", written, before)
    assert world.db4.value("SELECT n FROM game.counter") == "1"
    assert world.db3.value("SELECT n FROM game.counter") == "1000"
    # A person decides for the active one's: the old one is made anew.
    world.rebuild("db3", "db4")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)
    assert world.db3.value("SELECT n FROM game.counter") == "1"


# --- received, and not executed ----------------------------------------------------------------------------


def replay_relay_log(world, node):
    """As the manual says, for a MariaDB of which both threads are stopped."""
    server = world.servers[node]
    received = server.sql("SHOW ALL SLAVES STATUS")[0]["Gtid_IO_Pos"]
    subprocess.run("mariadb-binlog --start-position='%s' *relay-bin.[0-9]* | mariadb --no-defaults --user=root"
                   " --socket=%s" % (server.value("SELECT @@GLOBAL.gtid_slave_pos"), server.socket),
                   shell=True, check=True, cwd=server.data)
    if received:
        server.sql("SET GLOBAL gtid_slave_pos = '%s'" % received)


def count(world, node, rows):
    return int(world.servers[node].value("SELECT COUNT(*) FROM game.t WHERE id IN (%s)" % ", ".join(
        str(row) for row in rows)))


def test_received_and_not_executed(world):
    """Its replication was stopped by somebody, and what it has received is there alone: the pages of the manual
    bring it back. A MariaDB would throw it away at the next start of its replication."""
    world.db4.sql("STOP REPLICA SQL_THREAD")
    written = [world.write_row("db3") for _ in range(5)]
    wait_for("received", lambda: world.db4.has_received(world.db3), 5)
    world.db4.sql("STOP REPLICA")
    world.db3.kill()
    done = world.run("failover", PAIR, "--emergency", "--dead", "db3", "--dry-run")
    assert done.code == 3 and "5 received transactions left to execute" in said(done), done
    if world.is_mariadb:
        assert '"Received, not executed"' in said(done), done
        replay_relay_log(world, "db4")
    else:
        assert "START REPLICA SQL_THREAD on db4" in said(done), done
        world.db4.sql("START REPLICA SQL_THREAD")
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    assert count(world, "db4", written) == 5
    world.come_back("db3")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)


def test_started_anew_with_something_left(world):
    """The standby crashed as well: its server does not say what it had received, and pointsman says that. The
    manual finds it."""
    if not world.is_mariadb:
        pytest.skip("MySQL says it, and loses nothing: above")
    world.db4.sql("STOP REPLICA SQL_THREAD")
    written = [world.write_row("db3") for _ in range(5)]
    wait_for("received", lambda: world.db4.has_received(world.db3), 5)
    world.db3.kill()
    world.db4.kill()
    world.come_back("db4")
    done = world.run("failover", PAIR, "--emergency", "--dead", "db3", "--dry-run")
    assert done.code == 0 and "does not tell whether its relay log holds" in said(done), done
    replay_relay_log(world, "db4")
    done = world.emergency("--dead", "db3")
    assert done.code == 0 and count(world, "db4", written) == 5, done
    world.come_back("db3")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)


def test_a_receiver_that_tries_to_connect_is_stopped(world):
    """Its applier is stopped and has nothing left: the receiver must not find the old one when it is back."""
    world.db4.wait_applied(world.db3)
    world.db4.sql("STOP REPLICA SQL_THREAD")
    world.db3.kill()
    wait_for("it tries", lambda: "Connecting" in world.db4.sql("SHOW REPLICA STATUS")[0].values(), 20, 0.1)
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    assert "Connecting" not in world.db4.sql("SHOW REPLICA STATUS")[0].values()
    world.come_back("db3")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)


def test_how_long_it_drains(world):
    """A slow applier: how much is left is said all the time, and about how long that takes."""
    slow = "SET SESSION sql_log_bin = 0; CREATE TRIGGER game.slow BEFORE INSERT ON game.t FOR EACH ROW DO SLEEP(0.02)"
    if not world.is_mariadb:
        pytest.skip("NOT TESTED: MySQL runs no triggers for row events, and is slow in no other way")
    world.db4.sql("STOP REPLICA SQL_THREAD; SET GLOBAL slave_run_triggers_for_rbr = YES; " + slow)
    written = [world.write_row("db3") for _ in range(150)]
    wait_for("received", lambda: world.db4.has_received(world.db3), 5)
    world.db3.kill()
    world.db4.sql("START REPLICA SQL_THREAD")
    done = world.run_tty(*world.emergency_argv("--dead", "db3"), limit=60)
    world.db4.sql("SET SESSION sql_log_bin = 0; DROP TRIGGER game.slow; SET GLOBAL slave_run_triggers_for_rbr = NO")
    assert done.code == 0 and count(world, "db4", written) == 150, done
    assert re.search(r"\d+ received and left to execute, about (\d|\d\.\d+)s", said(done)), done
    world.come_back("db3")
    assert world.rejoin().code == 0
    wait_same(world)


def test_a_conflict_while_it_drains(world):
    """It is undone, and what is behind the conflict is still there for who mends it."""
    world.db4.set_read_only(False)
    world.db4.sql("SET SESSION sql_log_bin = 0; INSERT INTO game.t VALUES (88123)")
    world.db4.set_read_only(True)
    holder = world.db4.open_client()
    holder.stdin.write(b"LOCK TABLES game.t READ; DO GET_LOCK('locked', 0);\n")
    holder.stdin.flush()
    wait_for("the lock", lambda: world.db4.value("SELECT IS_USED_LOCK('locked') IS NULL") == "0", 5)
    world.db3.sql("INSERT INTO game.t VALUES (88123)")
    written = [world.write_row("db3") for _ in range(5)]
    wait_for("received", lambda: world.db4.has_received(world.db3), 5)
    world.db3.kill()
    command = world.start(*world.emergency_argv("--dead", "db3"))
    wait_for("it drains", world.history, 20, 0.1)
    time.sleep(1)
    holder.kill()
    holder.wait()
    out, err = command.communicate(timeout=60)
    assert command.returncode == 5 and b"error 1062" in out + err, (command.returncode, out, err)
    assert world.named() == "db3" and world.db4.is_read_only()
    assert count(world, "db4", written) == 0
    # The page "1062".
    world.db4.set_read_only(False)
    world.db4.sql("SET SESSION sql_log_bin = 0; DELETE FROM game.t WHERE id = 88123")
    world.db4.set_read_only(True)
    world.db4.sql("START REPLICA SQL_THREAD")
    wait_for("all of them", lambda: count(world, "db4", written + [88123]) == 6, 10)
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    world.come_back("db3")
    assert world.rejoin().code == 0
    wait_same(world)


def test_what_is_received_at_the_last_moment(world):
    """Behind the drain, before it stops listening, and by an applier that is stopped: undone as far as that
    throws nothing away."""
    command = Tripwire(world.procs, world.argv(world.emergency_argv("--dead", "db3")), at=1,
                       match=announces("part"))
    assert command.wait_stopped(), command.end()
    world.db4.sql("STOP REPLICA SQL_THREAD")
    world.db3.set_read_only(False)
    written = [world.write_row("db3") for _ in range(5)]
    wait_for("received", lambda: world.db4.has_received(world.db3), 5)
    command.go_on()
    done = command.end(120)
    op = world.operation("emergency")
    if world.is_mariadb:
        assert done.code == 6 and '"Received, not executed"' in said(done), done
        replay_relay_log(world, "db4")
        done = world.run("rollback", op["id"], "--yes", limit=90)
        assert done.code in (0, 5), done
    else:
        assert done.code == 5, done
    assert world.operation("emergency")["result"] == "undone"
    world.db4.sql("START REPLICA SQL_THREAD")
    wait_for("all of them", lambda: count(world, "db4", written) == 5, 10)
    world.db3.kill()
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    world.come_back("db3")
    assert world.rejoin().code == 0
    wait_same(world)


# --- frozen ------------------------------------------------------------------------------------------------


@pytest.fixture
def vantage(world):
    one = Vantage(world.procs, world.consul.url, world.root, name="vantage", pairs={PAIR: {
        "kind": "mysql", "nodes": ["db3", "db4"], "port": world.port, "credentials": world.credentials}}).start()
    one.wait_known()
    yield one
    one.judge()
    world.api.delete_tree(world.root + "agents/vantage")


def test_frozen_then_thawed(world, vantage):
    client = world.db3.open_client("game", "gamepw")
    client.stdin.write(b"SELECT 1;\n")
    client.stdin.flush()
    wait_for("the client", lambda: world.db3.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'game'") == "1", 5)
    world.db3.freeze()
    vantage.wait_check(PAIR + "/db3", "failing", 20)
    # One vantage alone confirms nothing: it goes, and is told so.
    alone = world.run("failover", PAIR, "--emergency", "--dry-run")
    assert alone.code == 0 and "1 vantage, nobody to confirm" in alone.out, alone
    done = world.emergency()
    assert done.code == 0, done
    assert world.named() == "db4"
    world.db3.thaw()
    began = time.monotonic()
    # Found at once, by whoever looks and by the vantages.
    wait_for("two writers", lambda: vantage.pair(PAIR)["trouble"] == "two-writers", 15, 0.02)
    found = time.monotonic() - began
    for command in ("pairs", "status"):
        seen = Result(*run_cli(vantage.config_path, command))
        assert seen.code == 1 and "both take writes" in said(seen), seen
    done = world.run("doctor", PAIR)
    assert done.code == 1 and "pointsman rejoin" in said(done), done
    print("thawed, and named after %.2f s" % found)
    assert found < 5
    # Its clients are still there, and write: nobody else has that.
    client.stdin.write(b"INSERT INTO game.t VALUES (777001);\n")
    client.stdin.flush()
    wait_for("the row", lambda: world.db3.value("SELECT COUNT(*) FROM game.t WHERE id = 777001") == "1", 5)
    tables = world.tables("db4")
    done = world.rejoin()
    check_held(world, done, "db3", "db4", [777001], (world.tables("db3"), tables))
    assert world.db3.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'game'") == "0", "it was not ended"
    client.kill()
    client.wait()
    world.replay(world.saved(), "db4")
    assert world.rejoin().code == 0
    wait_same(world)
    wait_for("fine", lambda: vantage.pair(PAIR)["trouble"] == "fine", 15, 0.05)
