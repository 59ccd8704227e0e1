"""A vantage whose host loses its network, among three: it says so once, judges nothing, proposes nothing; and
the others judge without it."""
import time

from conftest import soak
from lib import netns
from lib.consul import Consul
from lib.daemon import settle
from lib.proc import free_port, wait_for
from lib.redis import Redis
from lib.vantage import seed

PAUSE = soak(60, 6)
SINGLES = 5


def test_a_host_that_loses_its_network(procs):
    """Fails when it calls the world dead, more than once blind, or is believed; or when two of three do not
    find a death, with it or without it."""
    net = netns.Net(procs)
    consul = Consul(procs, "consul", net.address(1)).start()
    api, root = consul.api, "blind/"
    nodes = {"db3": net.address(3), "db4": net.address(4)}
    port = free_port(nodes["db3"])
    seed(api, root, nodes=nodes, names={"cache": "db3"})
    names = api.list(root + "names/")
    master = Redis(procs, "db3", nodes["db3"], port).start()
    replica = Redis(procs, "db4", nodes["db4"], port, of=master).start()
    replica.wait_linked()
    singles = [Redis(procs, "single%d" % i, net.address(10 + i)).start() for i in range(SINGLES)]
    hosts = [net.host("web-%d" % i) for i in (1, 2, 3)]
    vantages = [netns.HostVantage(
        host, procs, consul.url, root, host.name,
        checks={"s%d" % i: {"type": "redis", "target": "%s:%d" % (s.address, s.port)}
                for i, s in enumerate(singles)},
        pairs={"cache": {"kind": "redis", "nodes": ["db3", "db4"], "port": port}}).start()
        for host in hosts]
    for v in vantages:
        v.wait_known()
        wait_for("all see all", lambda: all(
            c["state"] == "passing" and len([o for o in c["vantages"] if o["live"]]) == 3
            for c in v.checks().values()), 15, 0.1)
    one, two, three = vantages

    hosts[0].cut()
    began = time.monotonic()
    wait_for("web-1 is blind", lambda: one.own("s0")["sight"] == "blind", 10, 0.05)
    print("cut off: blind after %.2f s" % (time.monotonic() - began))
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        for v in vantages:
            ill = [(v.node, n, c["state"]) for n, c in v.checks().items() if c["state"] != "passing"]
            assert not ill, ill
        settle(0.3)
    assert one.log().count("this vantage is blind") == 1
    assert "failing" not in one.log(), one.log()
    assert not any("blind" in v.problem_text() for v in (two, three))

    # A death while it sees nothing: two of three find it, and it does not speak.
    bound = two.check("s1")["bound_ms"] / 1000
    began = time.monotonic()
    singles[1].kill()
    for v in (two, three):
        wait_for("s1 is down", lambda: v.check("s1")["state"] == "failing", bound + 5, 0.05)
    took = time.monotonic() - began
    print("killed meanwhile: bound %.2f s, both agree after %.2f s" % (bound, took))
    assert took <= bound + 1.0
    assert two.check("s1")["confirmed"]
    assert one.check("s1")["state"] == "passing"
    singles[1].start()
    for v in (two, three):
        wait_for("s1 is back", lambda: v.check("s1")["state"] == "passing", 10, 0.05)
    # The active of the pair, too: proposed once, and not by the blind one.
    master.kill()
    wait_for("a proposal", lambda: api.list(root + "proposals/"), bound + 5, 0.05)
    settle(2.0)
    assert list(api.list(root + "proposals/")) == [root + "proposals/cache"]
    assert "a failover is" not in one.log()
    assert b"web-1" not in api.get(root + "proposals/cache")

    hosts[0].heal()
    healed = time.monotonic()
    wait_for("web-1 sees again", lambda: one.own("s0")["sight"] == "sighted", 15, 0.05)
    print("healed: sees again after %.2f s" % (time.monotonic() - healed))
    wait_for("and what the others see", lambda: one.check("cache/db3")["state"] == "failing"
             and one.check("s1")["state"] == "passing", 30, 0.1)
    assert one.log().count("this vantage is blind") == 1
    assert api.list(root + "names/") == names
