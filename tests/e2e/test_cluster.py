"""Three servers that flap: the case in which Consul itself answers 200 with too little."""
import http.client
import random
import signal
import time

import pytest

from conftest import Site, soak
from lib.consul import Cluster, ConsulError
from lib.daemon import Pointsmand, settle
from lib.dnsmasq import Dnsmasq
from lib.hammer import Hammer

ROUNDS = soak(200, 4)


@pytest.fixture(scope="module")
def cluster(module_procs):
    return Cluster(module_procs).start()


@pytest.fixture
def site(procs, cluster):
    cluster.ensure()
    return Site(procs, cluster, agent={"max-silence": "3s"}).start()


class Lists:
    """Lists read like everybody reads them, to see that the hazard was really there."""

    def __init__(self):
        self.right = self.short = self.empty = self.failed = 0

    def read(self, site, servers):
        prefix = "/v1/kv/%snames/?keys" % site.root
        for s in servers:
            for suffix in ("", "&stale"):
                try:
                    s.api.limit = 1.0
                    seen = len(s.api.json("GET", prefix + suffix))
                    self.right += seen == len(site.names) + 1
                    self.short += seen != len(site.names) + 1
                except ConsulError as e:
                    self.empty += e.status == 404
                    self.failed += e.status != 404
                except (OSError, http.client.HTTPException):
                    self.failed += 1
                    s.api.close()

    def __str__(self):
        return "lists read meanwhile: %d right, %d short, %d empty, %d failed" % (
            self.right, self.short, self.empty, self.failed)


def test_servers_flap(site, cluster):
    """Rounds of one to three servers ended by KILL or TERM and started again, with lists read in between,
    for an agent at a client agent and one at a server that is itself among the victims.

    Fails when a default read decides after an error, or when one short list counts."""
    chance = random.Random(2)
    near = Dnsmasq(site.procs, site.hosts + "-near", name="dnsmasq-near").start()
    second = Pointsmand(site.procs, cluster.servers[0].url, site.root, near, name="near-agent",
                        agent={"max-silence": "3s"}).start()
    second.wait_generation(site.generation())
    hammer = Hammer(site.procs, near, site.expected())
    lists = Lists()
    for i in range(ROUNDS):
        victims = chance.sample(cluster.servers, chance.randint(1, 3))
        for v in victims:
            signo = chance.choice((signal.SIGKILL, signal.SIGTERM))
            if signo == signal.SIGKILL:
                v.kill()
            else:
                v.signal(signo)
        lists.read(site, cluster.servers)
        for v in victims:
            v.wait(20)
            v.api.close()
            v.start(limit=0)
        end = time.monotonic() + chance.uniform(0.5, 3)
        while time.monotonic() < end:
            lists.read(site, cluster.servers)
            time.sleep(0.02)
        if i % 2 == 1:
            cluster.wait_writable()
            name = "name-%03d" % (i % 40)
            node = chance.choice([n for n in sorted(site.nodes) if n != site.names[name]])
            hammer.expect(name, site.nodes[node])
            site.flip(name, node, limit=45)
            near.wait_answer(name, site.nodes[node], 45)
            hammer.settle(name, site.nodes[node])
    print(lists)
    cluster.wait_writable()
    hammer.check()
    site.check()


def test_no_leader(site, cluster):
    """Two of three are gone: every read fails or hangs, nothing moves, and it is said."""
    rest = cluster.servers[2]
    for s in cluster.servers[:2]:
        s.kill()
    site.daemon.until("consul is down", lambda s: not s["consul"]["up"], 30)
    settle(soak(30, 3))
    for s in cluster.servers[:2]:
        s.start(limit=0)
    cluster.wait_writable()
    assert rest.is_alive()
    site.flip("name-007", limit=45)
    site.check()


def test_the_leader_is_frozen(site, cluster):
    """Its followers elect another one; when it thaws it still believes that it leads."""
    for _ in range(soak(20, 1)):
        leader = cluster.leader()
        leader.freeze()
        settle(soak(8, 4))
        leader.thaw()
        cluster.wait_writable()
        site.flip("name-008", limit=45)
    site.check()


def test_the_client_agent_restarts(site, cluster):
    for signo in (signal.SIGKILL, signal.SIGTERM):
        cluster.client.restart(signo)
        site.flip("name-009", limit=30)
    site.check()
