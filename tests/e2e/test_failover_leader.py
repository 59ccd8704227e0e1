"""Consul's leader dies, or stands still, between the fence and the flip, in a cluster of three: another one is
elected within some seconds, or not within the budget. What became of the flip is found out and said, one master
takes writes, and nothing that was acknowledged is lost."""
import re

import pytest

from conftest import soak
from lib.consul import Cluster
from lib.proc import wait_for
from lib.tripwire import Tripwire
from lib.world import PAIR, World, wait_well


@pytest.fixture(scope="module")
def cluster(module_procs):
    cluster = Cluster(module_procs).start()
    cluster.keep_dead_servers()
    return cluster


@pytest.fixture
def world(module_procs, cluster):
    world = World(module_procs, cluster, hz=250)
    yield world
    world.close()


@pytest.mark.parametrize("what", ["kill", "freeze"])
def test_the_leader_is_gone_in_the_middle(world, cluster, what):
    for after in soak((False, True) * 5, (True,)):
        world.reset()
        wait_well(world)
        writer = world.writer(rate=200)
        command = Tripwire(world.procs, world.argv(["failover", PAIR, "--plan", world.plan_id(), "--yes"]), at=1,
                           match="names/" + PAIR, after=after)
        assert command.wait_stopped(), command.end()
        leader = wait_for("a leader", cluster.leader)
        getattr(leader, what)()
        command.go_on()
        done = command.end(120)
        cluster.ensure()
        op = world.history()[0]
        print("%s the leader %s the flip: exit %d, %s, writes refused %s ms" % (
            what, "behind" if after else "before", done.code, op["result"], op["refused_ms"]))
        assert (done.code, op["result"]) in ((0, "done"), (1, "done"), (5, "undone")), done
        if op["result"] == "undone" and re.search(r" flip +done ", done.out):
            # Who followed the name was refused until it led back.
            assert op["felt_ms"] > op["refused_ms"] > 0 and "it led to db4 for" in done.out, done
        world.check_well(op["to"] if op["result"] == "done" else op["from"])
        assert world.lock_session() is None
        writer.wait_rows(50)
        world.check_writer(writer)
