"""The active server dies under the writer, hangs, is cut off or fills its disk: the standby takes over, and
when the old one comes back nothing that was acknowledged is overwritten without a word. What only the old
one has is listed, saved and held; replayed, or the server rebuilt, both have the same again."""
import os
import subprocess
import time

import pytest

from conftest import soak
from lib.emergency import EmergencyWorld
from lib.proc import wait_for
from lib.vantage import Vantage
from lib.world import PAIR, on_memory

FENCE = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/fenced"
test -f "$(dirname "$0")/fence-fails" && { echo "the board does not answer"; exit 7; }
exit 0
"""


@pytest.fixture(scope="module")
def raised(module_procs, consul):
    world = EmergencyWorld(module_procs, consul, hz=200)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    begin(raised)
    yield raised
    if raised.has_semi_sync:
        raised.set_semi_sync(False)


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


def check_held(world, done, old, new, written, before):
    """A rejoin that found errant transactions: held, listed, saved, and neither server's data touched."""
    assert done.code == 3, done
    op = world.newest("rejoin")
    assert op["result"] == "undone" and op["from"] == old and op["to"] == new, op
    facts = op["facts"]
    text = done.out + done.err
    assert facts["errant"] and os.path.dirname(facts["errant-file"]) == world.errant_dir(), facts
    assert os.path.basename(facts["errant-file"]) == "%s-%s-%s.binlog" % (PAIR, old, op["id"])
    assert text.count("errant ") >= min(len(written), 20), done
    assert "man pointsman-runbook" in text, done
    printed = open(facts["errant-file"][:-len("binlog")] + "sql", errors="replace").read()
    for row in written:
        assert "@1=%d\n" % row in printed, "row %d is not saved" % row
    # Nobody lets it back: read-only, deaf, and the active does not listen to it.
    assert world.servers[old].is_read_only() and not world.servers[old].is_replicating()
    assert not world.servers[new].is_replicating()
    assert (world.tables(old), world.tables(new)) == before
    return facts["errant-file"][:-len("binlog")] + "sql"


# --- refused -----------------------------------------------------------------------------------------------


def test_an_active_that_lives_is_not_dead(world):
    before = world.snapshot()
    done = world.run("failover", PAIR, "--emergency", "--dry-run")
    assert done.code == 3 and "db3 answers, and takes writes" in done.out + done.err, done
    # Typing the standby's name, or another, is no way around it.
    for node in ("db4", "db9"):
        done = world.run("failover", PAIR, "--emergency", "--dead", node, "--dry-run")
        assert done.code == 3, done
    assert world.snapshot() == before and world.lock_session() is None
    world.check_well("db3")


# --- killed ------------------------------------------------------------------------------------------------


def test_killed_under_the_writer_and_clean(world):
    """Semi-synchronous: the standby has all that was acknowledged. The rows of the writer that the old one
    alone has were never acknowledged; what the rejoin says of them is so."""
    world.set_semi_sync(True)
    writer = world.writer()
    world.db3.kill()
    # Nobody has confirmed it: there is no vantage.
    done = world.run("failover", PAIR, "--emergency", "--dry-run")
    assert done.code == 3 and "nobody has confirmed" in done.out + done.err, done
    assert "--dead db3" in done.out + done.err, done
    assert world.named() == "db3" and world.writable() == ["db4"][1:]
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    assert world.named() == "db4" and world.writable() == ["db4"]
    assert not world.db4.is_replicating()
    assert world.db4.value("SELECT @@GLOBAL.rpl_semi_sync_master_enabled") == "0"
    writer.wait_rows(100)
    world.come_back("db3")
    done = world.rejoin()
    if done.code == 3:
        # The commit in flight.
        world.replay(world.newest("rejoin")["facts"]["errant-file"][:-len("binlog")] + "sql", "db4")
        done = world.rejoin()
    assert done.code == 0, done
    assert world.db4.value("SELECT @@GLOBAL.rpl_semi_sync_master_enabled") == "1"
    writer.wait_rows(50)
    writer.stop()
    wait_same(world)
    status, report = writer.check(world.db4, world.db3)
    assert report["lost"] == 0 and report["equal"], report
    world.check_never_both()
