"""Emergencies to and fro under the writer, which loses its connections and writes on: the active is killed, is
killed while the standby receives nothing, is frozen and thawed, is cut off with a client on its side, or has a
full disk. Every row that somebody was told is saved is there in the end, by the standby's having received it or
by the replay of what was saved; and in no round were both seen to take writes, but for an old one that came
back by itself, until the rejoin."""
import os
import time

import pytest

from conftest import soak
from lib import netns
from lib.emergency import EmergencyWorld, FarSide, begin, fill_disk, on_a_small_disk, said, wait_same
from lib.proc import wait_for

# A power board: whoever answers and cannot write is switched off before another one takes over.
FENCE = """#!/bin/sh
echo "$1" >>%(dir)s/fenced
kill -9 "$(cat "%(dir)s/$1.pid")" || true
"""


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def world(request, module_procs, consul):
    """Each server on a host and a disk of its own, where that can be had."""
    net = netns.Net(module_procs) if netns.are_possible() else None
    hosts = {node: net.host(node) for node in ("db3", "db4")} if net else {}

    def place(procs, server):
        if net:
            server.argv = hosts[server.name].enter + server.argv
            on_a_small_disk(procs, server, "400m" if request.param == "mariadb" else "700m")
    world = EmergencyWorld(module_procs, consul, request.param, prepare=place,
                           addresses=[hosts[node].address for node in ("db3", "db4")] if net else None)
    world.hosts = hosts
    world.fence = os.path.join(world.dir, "fence")
    with open(world.fence, "w") as f:
        f.write(FENCE % {"dir": world.procs.dir})
    os.chmod(world.fence, 0o755)
    begin(world)
    yield world
    world.close()


# --- what happens to it, and how it comes back -------------------------------------------------------------


class Killed:
    returns_writable = False

    def __init__(self, world, writer, old, new):
        self.world, self.writer, self.old, self.new = world, writer, old, new
        self.server, self.standby = world.servers[old], world.servers[new]

    def fail(self):
        self.server.kill()

    def come_back(self):
        self.world.come_back(self.old)

    def acknowledged(self):
        """Rows of game.t that somebody else than the writer was told are saved."""
        return []

    def clear(self):
        pass


class KilledWithAStalledStandby(Killed):
    """What it has received it executes; what it has not is only on the old one."""

    def fail(self):
        self.standby.sql("STOP REPLICA IO_THREAD")
        self.writer.wait_rows(20)
        self.server.kill()


class Frozen(Killed):
    returns_writable = True

    def fail(self):
        self.server.freeze()

    def come_back(self):
        self.server.thaw()


class CutOff(Killed):
    returns_writable = True
    count = 0

    def fail(self):
        CutOff.count += 1
        self.world.hosts[self.old].cut()
        self.far = FarSide(self.server, 700000 + 10000 * CutOff.count)
        wait_for("rows on the far side", lambda: len(self.far.rows) > 5, 20)

    def come_back(self):
        before = len(self.far.rows)
        wait_for("it goes on over there", lambda: len(self.far.rows) > before, 10)
        self.world.hosts[self.old].heal()

    def acknowledged(self):
        self.far.end()
        return self.far.rows


class DiskFull(Killed):
    """It answers and says that it takes writes; its commits wait for room. So the fence-command ends it."""

    def fail(self):
        self.filler = fill_disk(self.server)
        last = [len(self.writer.lines()), time.monotonic()]

        def stalls():
            now = len(self.writer.lines())
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] > 1
        wait_for("the writer stalls", stalls, 20, 0.1)
        self.world.configure('fence-command = {"%s", "{node}"}' % self.world.fence)

    def come_back(self):
        wait_for("it is switched off", lambda: not self.server.is_alive(), 5)
        os.unlink(self.filler)
        super().come_back()

    def clear(self):
        self.world.configure()
        fenced = os.path.join(self.world.procs.dir, "fenced")
        assert open(fenced).read().split() == [self.old]
        os.unlink(fenced)


# --- the rounds --------------------------------------------------------------------------------------------


def let_back(world, case):
    """(rows saved and replayed, what the watcher saw until the old one was fenced)"""
    done = world.rejoin()
    seen = world.watcher.report()
    rows = 0
    if done.code == 3:
        saved = world.saved()
        rows = open(saved, errors="replace").read().count("### INSERT INTO")
        assert rows > 0, done
        world.replay(saved, case.new)
        done = world.rejoin()
    assert done.code == 0, "%s\n%s" % (done, said(done))
    return rows, seen


def watch_both(world):
    """The watcher has both again, and reports from now on."""
    wait_for("the watcher asks both", lambda: all(
        world.watcher.report()[node]["polls"] > 0 for node in world.servers), 30, 0.1)


def play(world, writer, kind):
    """One round: (rows saved and replayed, ms in which the old one and the new one took writes)."""
    case = kind(world, writer, world.named(), world.other())
    watch_both(world)
    writer.wait_rows(100)
    case.fail()
    done = world.emergency("--dead", case.old)
    assert done.code == 0, "%s\n%s" % (done, said(done))
    writer.wait_rows(100)
    near = world.write_row(case.new)
    world.check_never_both()
    case.come_back()
    rows, seen = let_back(world, case)
    assert case.returns_writable or seen["both_writable"] == 0, seen
    wait_same(world)
    world.check_never_both()
    far = case.acknowledged() + [near]
    assert world.servers[case.old].value("SELECT COUNT(*) FROM game.t WHERE id IN (%s)" % ", ".join(
        map(str, far))) == str(len(far))
    case.clear()
    return rows, seen["longest_ms"]


@pytest.mark.soak
def test_rounds(world):
    kinds = [DiskFull, CutOff] if world.hosts else []
    kinds += [Killed, KilledWithAStalledStandby, Frozen]
    writer = world.writer(rate=300)
    held, errant = 0, 0
    began = time.monotonic()
    rounds = 30
    for i in range(rounds):
        kind, old, started = kinds[i % len(kinds)], world.named(), time.monotonic()
        rows, both_ms = play(world, writer, kind)
        held += rows > 0
        errant += rows
        print("%2d %-26s %s ==> %s %5.1f s, %4d rows saved and replayed, both took writes for %.0f ms" % (
            i + 1, kind.__name__, old, world.named(), time.monotonic() - started, rows, both_ms), flush=True)
    writer.stop()
    active = world.named()
    status, report = writer.check(world.servers[active], world.servers["db4" if active == "db3" else "db3"])
    print("%s, %d rounds in %.0f s: %d held with %d rows saved and replayed; %d acknowledged, %d lost, %d twice" % (
        world.kind, rounds, time.monotonic() - began, held, errant, report["acknowledged"], report["lost"],
        report["duplicated"]))
    assert report["lost"] == 0 and report["equal"], report
