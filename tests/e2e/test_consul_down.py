"""Consul killed, stopped, restarted, wiped, restored: what dnsmasq answers is what it answered."""
import signal
import time

import pytest

from conftest import Site, soak
from lib.consul import Consul
from lib.daemon import settle

ROUNDS = soak(20, 1)


@pytest.fixture(scope="module")
def server(module_procs):
    """A Consul that these tests may harm; each leaves it working."""
    return Consul(module_procs, "victim").start()


@pytest.fixture
def site(procs, server):
    server.ensure()
    # Told nothing for 3 s it reads again (60 s by default): the tests have not got a minute each.
    return Site(procs, server, agent={"max-silence": "3s"}).start()


def unchanged(site, seconds, inode):
    """Nothing is rewritten, nothing is signalled, while Consul is away."""
    import os
    settle(seconds)
    assert os.stat(site.hosts).st_ino == inode, "the file was replaced although nothing changed"


def inode_of(site):
    import os
    return os.stat(site.hosts).st_ino


def test_killed(site, server):
    """Fails when an error empties the map, or when the watch does not start again."""
    for _ in range(ROUNDS):
        inode = inode_of(site)
        server.kill()
        site.daemon.until("consul is down", lambda s: not s["consul"]["up"], 10)
        site.daemon.wait_problem("consul")
        assert site.daemon.status()["consul"]["error"]
        unchanged(site, 2, inode)
        server.start()
        site.flip("name-001", limit=20)
        site.daemon.until("all is well again", lambda s: s["consul"]["up"] and not s["problems"], 10)
    site.check()


def test_terminated_and_restarted(site, server):
    for _ in range(ROUNDS):
        inode = inode_of(site)
        server.restart(signal.SIGTERM)
        unchanged(site, 1, inode)
        site.flip("name-002", limit=20)
    site.check()


def test_stopped(site, server):
    """SIGSTOP: connections stay open and nothing answers. Only our own deadlines help."""
    for _ in range(ROUNDS):
        inode = inode_of(site)
        server.freeze()
        unchanged(site, soak(60, 5), inode)
        server.thaw()
        site.flip("name-003", limit=30)
    site.check()


def test_stopped_and_killed(site, server):
    """Frozen, and then dead: the parked question ends with a reset."""
    server.freeze()
    settle(1)
    server.kill()
    settle(1)
    server.start()
    site.flip("name-004", limit=20)
    site.check()


def test_wiped_and_restored(site, server):
    """All of Consul's data is lost: the names stay, and somebody is told. The old snapshot brings it back
    with smaller indexes, and a flip travels again.

    Fails when an empty list is believed, when the canary's absence is, or when an index that went
    backwards is carried on with."""
    for i in range(ROUNDS):
        archive = server.api.snapshot()
        server.wipe()
        site.daemon.until("consul is down", lambda s: not s["consul"]["up"], 10)
        server.start()
        site.daemon.wait_problem("canary|empty|guard", 20)
        cpu = site.daemon.cpu_seconds()
        settle(3)  # index 1 comes back at once whatever is waited for: not a reason to spin
        server.api.put("somebody/else", "writes")
        settle(1)
        assert site.daemon.cpu_seconds() - cpu < 0.2, "it spins on an empty Consul"
        assert site.daemon.output()["state"] in ("guarded", "held", "served")
        server.api.restore(archive)
        site.flip("name-005", limit=20)
        site.daemon.until("no problem is left", lambda s: not s["problems"], 15)
        site.daemon.wait_state("served")
    site.check()


def test_wiped_and_seeded_by_hand(site, server):
    """Another Consul at the same address, with another canary and only some of the names: guarded. With
    all of them: goes on."""
    server.wipe()
    server.start()
    for node, address in site.nodes.items():
        server.api.register(node, address)
    names = sorted(site.names)
    server.api.put_all({site.key(n): site.names[n] for n in names[:20]})
    server.api.put(site.key(".pointsman"), '{"cluster":"ffffffff-0000-4000-8000-000000000001"}')
    site.daemon.wait_state("guarded", 20)
    settle(3)
    server.api.put_all({site.key(n): site.names[n] for n in names[20:]})
    site.flip("name-006", limit=20)
    site.check()


def test_snapshot_restored_under_a_running_agent(site, server):
    """A restore is a person's decision: the values of then come back, and the parked query, which sits on
    an index from the future, does not keep them away."""
    for _ in range(ROUNDS):
        archive = server.api.snapshot()
        before = dict(site.names)
        moved = ["name-%03d" % i for i in range(10, 13)]
        for name in moved:
            site.flip(name)
        for name in moved:
            site.hammer.expect(name, site.nodes[before[name]])
        server.api.restore(archive)
        for name in moved:
            site.dnsmasq.wait_answer(name, site.nodes[before[name]], 20)
            site.hammer.settle(name, site.nodes[before[name]])
        site.names = before
        site.flip("name-014", limit=10)
    site.check()


def test_it_backs_off(site, server):
    """A Consul that is away is not hammered: facts say more than about 200 connections are reset."""
    server.kill()
    settle(1)
    log_before = len(site.daemon.log())
    cpu = site.daemon.cpu_seconds()
    began = time.monotonic()
    settle(3)
    spent = site.daemon.cpu_seconds() - cpu
    assert spent < 0.1 * (time.monotonic() - began), "%.3f s of CPU while Consul is away" % spent
    assert len(site.daemon.log()) - log_before < 60000, "it logs too much while Consul is away"
    server.start()
    site.flip("name-020", limit=20)
    site.check()
