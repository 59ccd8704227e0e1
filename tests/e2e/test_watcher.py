"""The instruments that failovers are proven with, proven themselves: the watcher sees two writable masters
when there are two and not otherwise, the tripwire stops a command where it should, and a flip by hand
under the writer loses nothing."""
import time

import pytest

from lib.proc import wait_for
from lib.tripwire import Tripwire
from lib.world import World


@pytest.fixture(scope="module")
def raised(module_procs, consul):
    world = World(module_procs, consul)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    raised.reset()
    return raised


def test_one_writable_master_is_no_alarm(world):
    time.sleep(1.0)
    seen = world.watcher.report()
    assert seen["both_writable"] == 0
    for name, state in (("db3", "writable"), ("db4", "read-only")):
        assert seen[name]["state"] == state
        # A thousand were asked for. What a busy machine leaves of them is told, and is not nothing.
        assert 200 < seen[name]["polls"] <= 1300, seen
        assert 1.0 <= seen[name]["gap_ms"] < 500, seen


def test_two_writable_masters_are_seen(world):
    for _ in range(3):
        began = time.monotonic()
        # One after the other in one session: some milliseconds at the least.
        world.db4.sql("SET GLOBAL read_only = 0; DO SLEEP(0.02); SET GLOBAL read_only = 1")
        took = (time.monotonic() - began) * 1000
        time.sleep(0.02)  # it has seen the end of it
        seen = world.watcher.report()
        assert seen["both_writable"] >= 1 and 1 < seen["longest_ms"] <= took, (seen, took)
    assert world.watcher.history().count(("db4", "writable")) == 3
    assert world.watcher.report()["both_writable"] == 0


def test_a_short_moment_is_seen(world):
    """4 ms: a row of two polls has to fit into it."""
    seen = 0
    for _ in range(10):
        world.db4.sql("SET GLOBAL read_only = 0; DO SLEEP(0.004); SET GLOBAL read_only = 1")
        time.sleep(0.02)
        seen += world.watcher.report()["both_writable"] > 0
    assert seen >= 5, seen


def test_what_goes_on_is_told_in_every_report(world):
    world.db4.set_read_only(False)
    time.sleep(0.02)
    assert world.watcher.report()["both_writable"] == 1
    time.sleep(0.02)
    assert world.watcher.report()["both_writable"] == 1
    world.db4.set_read_only(True)


def test_a_moment_between_two_is_no_overlap(world):
    """As close to each other as one session each allows: first this one off, then that one on."""
    for _ in range(8):
        old, new = (world.db3, world.db4) if not world.db3.is_read_only() else (world.db4, world.db3)
        old.set_read_only(True)
        new.set_read_only(False)
        time.sleep(0.025)  # a state that fits into the gap of two polls proves nothing
    seen = world.watcher.report()
    assert seen["both_writable"] == 0, seen


def test_a_session_that_is_killed_is_there_again(world):
    for row in world.db3.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'pointsman'"):
        world.db3.sql("KILL %s" % row["ID"])
    time.sleep(0.1)
    seen = world.watcher.report()
    assert seen["db3"]["state"] == "writable" and seen["db3"]["polls"] > 20, seen


def test_frozen_and_dead_servers(world):
    """Frozen while writable, it says so when it is thawed: nothing is proven of the time between."""
    world.db3.freeze()
    world.db4.set_read_only(False)
    time.sleep(0.1)
    world.db4.set_read_only(True)
    world.db3.thaw()
    time.sleep(0.1)
    assert world.watcher.report()["both_writable"] == 0
    world.db3.freeze()
    world.db4.set_read_only(False)
    world.db3.thaw()
    time.sleep(0.1)
    assert world.watcher.report()["both_writable"] >= 1
    world.db4.set_read_only(True)
    world.db3.kill()
    wait_for("down", lambda: world.watcher.report()["db3"]["state"] == "down", 5, 0.05)


def test_flips_by_hand_lose_nothing(world):
    writer = world.writer()
    for _ in range(4):
        took = world.flip_by_hand()
        writer.wait_rows(100)
        print("flip by hand: %s" % took)
    report = world.check_writer(writer)
    assert len(report["handovers"]) == 4 and report["acknowledged"] > 300
    world.check_well("db3")


def test_without_a_fence_rows_are_written_to_both(world):
    """What all of it is for: a flip that forgets the fence is found by both instruments."""
    writer = world.writer(rate=400)
    world.db4.set_read_only(False)
    world.put("names/maindb", "db4")
    writer.wait_rows(50)
    time.sleep(0.05)
    assert world.watcher.report()["both_writable"] >= 1
    world.db3.set_read_only(True)
    writer.wait_rows(50)
    writer.stop()
    world.db4.wait_applied(world.db3)


# --- the tripwire ----------------------------------------------------------------------------------------


def test_the_tripwire_stops_before_and_after(world):
    world.put("names/other", "db3")
    for after in (False, True):
        for killed in (False, True):
            world.put("names/other", "db3")
            command = Tripwire(world.procs, world.argv(["set", "other", "db4", "--no-wait"]), at=1,
                               after=after, match="names/other")
            assert command.wait_stopped(), command.end()
            if after:
                wait_for("it was sent", lambda: world.get("names/other") == "db4", 5)
            else:
                time.sleep(0.05)
                assert world.get("names/other") == "db3"
            if killed:
                command.kill()
            else:
                command.go_on()
                done = command.end()
                assert done.code == 0, done
            assert world.get("names/other") == ("db4" if after or not killed else "db3")


def test_the_tripwire_counts(world):
    """Where it is never reached, the command runs as ever; what only reads is not counted."""
    world.put("names/other", "db3")
    command = Tripwire(world.procs, world.argv(["set", "other", "db4", "--no-wait"]), at=50)
    assert not command.wait_stopped() and command.end().code == 0
    assert any("names/other" in m for m in command.messages()), command.messages()
    command = Tripwire(world.procs, world.argv(["names"]), at=1)
    assert not command.wait_stopped() and command.end().code == 0
    assert command.messages() == []
