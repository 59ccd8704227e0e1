"""An emergency whose fence-command fails, or whose active server has a full disk: one is writable in the end, the
name says that one, and the way back is open. (Killed in the middle: test_emergency_killed.py.)"""
import os

import pytest

from conftest import soak
from lib import mariadb
from lib.emergency import EmergencyWorld, begin, fill_disk, on_a_small_disk, said, wait_same
from lib.proc import wait_for
from lib.world import PAIR

FENCE = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/fenced"
test -f "$(dirname "$0")/fence-fails" && { echo "the board does not answer"; exit 7; }
exit 0
"""


def db3_on_a_small_disk(procs, server):
    if server.name == "db3" and os.geteuid() == 0 and isinstance(server, mariadb.MariaDB):
        on_a_small_disk(procs, server)


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, consul):
    world = EmergencyWorld(module_procs, consul, request.param, hz=200, prepare=db3_on_a_small_disk)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    begin(raised)
    yield raised
    if raised.has_semi_sync and all(s.is_alive() for s in raised.servers.values()):
        raised.set_semi_sync(False)


# --- fence-command -----------------------------------------------------------------------------------------


def test_fence_command(world):
    fence = os.path.join(world.dir, "fence")
    with open(fence, "w") as f:
        f.write(FENCE)
    os.chmod(fence, 0o755)
    world.configure('fence-command = {"%s", "{node}", "{address}"}' % fence)
    try:
        world.db3.kill()
        with open(os.path.join(world.dir, "fence-fails"), "w"):
            pass
        before = (world.named(), world.api.index(world.root + "names/" + PAIR), world.db4.is_read_only(),
                  world.db4.is_applying())
        done = world.emergency("--dead", "db3")
        assert done.code in (3, 5) and "the board does not answer" in said(done), done
        assert before == (world.named(), world.api.index(world.root + "names/" + PAIR),
                          world.db4.is_read_only(), world.db4.is_applying())
        assert world.lock_session() is None and world.operation("emergency")["result"] == "undone"
        os.unlink(os.path.join(world.dir, "fence-fails"))
        done = world.emergency("--dead", "db3")
        assert done.code == 0, done
        called = open(os.path.join(world.dir, "fenced")).read().splitlines()
        assert called == ["db3 " + world.db3.address] * 2
        assert world.named() == "db4" and world.writable() == ["db4"]
        world.come_back("db3")
        assert world.rejoin().code == 0
        wait_same(world)
    finally:
        world.configure()


# --- a full disk -------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: mounting a small disk needs root")
def test_the_disk_of_the_active_is_full(world):
    """It answers, and commits wait for room: a planned failover is refused or undone, the emergency goes."""
    if not world.is_mariadb:
        pytest.skip("in test_emergency_rounds.py")
    filler = fill_disk(world.db3)
    client = world.db3.open_client("game", "gamepw")
    client.stdin.write(b"".join(b"INSERT INTO game.t VALUES (%d);\n" % (500000 + i) for i in range(900)))
    client.stdin.flush()
    # The one that found no room for its entry in the binary log.
    wait_for("a commit waits for room", lambda: world.db3.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'game' AND COMMAND = 'Query'"
        " AND TIME_MS > 1000") != "0", 20, 0.1)
    try:
        code, plan = world.plan()
        refused = [p["fact"] for p in plan["preflight"] if p["level"] in ("refused", "unknown")]
        if code == 0:
            done = world.failover()
            assert done.code == 5, done
            refused = [world.operation("failover")["error"]]
        print("planned: %s" % refused)
        assert world.named() == "db3" and world.db4.is_read_only()
        done = world.run("failover", PAIR, "--emergency", "--dry-run")
        assert done.code == 3 and "db3 answers" in said(done), done
        done = world.emergency("--dead", "db3")
        print("emergency: exit %d, %s" % (done.code, said(done)[-200:]))
        assert done.code in (0, 1), done
        assert world.named() == "db4" and not world.db4.is_read_only()
    finally:
        os.unlink(filler)
    client.kill()
    client.wait()
    # Room is made, as an administrator does before it is started anew.
    world.db3.kill()
    world.come_back("db3")
    done = world.rejoin()
    if done.code == 3:
        world.replay(world.saved(), "db4")
        done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)
