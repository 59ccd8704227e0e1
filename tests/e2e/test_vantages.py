"""Three vantages that look at the same servers, each through relays of its own: whose eyes count."""
import json
import time

import pytest

from conftest import soak
from lib.daemon import settle
from lib.proc import loopback_net, wait_for
from lib.redis import Redis
from lib.relay import Relay
from lib.vantage import Vantage, seed

CHECKS = 6
_count = [0]


class Trio:
    """Six checks a vantage, each through its own relay on an address of its own."""

    def __init__(self, procs, consul):
        _count[0] += 1
        self.consul, self.api, self.root = consul, consul.api, "trio%d/" % _count[0]
        seed(self.api, self.root)
        net = loopback_net()
        self.redis = Redis(procs, address=net + "100").start()
        self.relays, self.vantages = [], []
        for i in range(3):
            relays = [Relay((self.redis.address, self.redis.port), net + str(10 * (i + 1) + k))
                      for k in range(CHECKS)]
            way_out = Relay((consul.address, consul.port))
            self.relays.append(relays + [way_out])
            self.vantages.append(Vantage(
                procs, "http://" + way_out.endpoint, self.root, name="web-%d" % (i + 1),
                checks={"c%d" % k: {"type": "redis", "target": r.endpoint}
                        for k, r in enumerate(relays)}))

    def start(self):
        for v in self.vantages:
            v.start()
        for v in self.vantages:
            v.wait_known()
        for v in self.vantages:
            wait_for("all see all", lambda: all(
                len(c["vantages"]) == 3 and all(o["live"] for o in c["vantages"])
                for c in v.checks().values()), 10, 0.1)
        return self

    def close(self):
        for v in self.vantages:
            v.terminate()
        for relays in self.relays:
            for r in relays:
                r.close()

    def document(self, check, vantage):
        return json.loads(self.api.get("%shealth/%s/%s" % (self.root, check, vantage)))


@pytest.fixture
def trio(procs, consul):
    t = Trio(procs, consul).start()
    yield t
    t.close()


def test_a_lone_voice_decides_nothing_and_two_do(trio):
    """Fails when the majority is not asked, or counted wrongly."""
    one, two, three = trio.vantages
    trio.relays[0][2].set("hang")
    wait_for("web-1 sees it failing", lambda: one.own("c2")["state"] == "failing", 10, 0.05)
    wait_for("two knows", lambda: trio.document("c2", "web-1")["state"] == "failing", 5, 0.05)
    settle(0.5)
    for v in trio.vantages:
        assert v.check("c2")["state"] != "failing", v.node
        assert not v.check("c2")["confirmed"] or v.check("c2")["state"] == "passing"
    problem = [p for p in one.problems() if p["what"].startswith("check c2:")]
    assert problem and problem[0]["severity"] == "warning" and "from here" in problem[0]["why"]
    assert "c2" not in two.problem_text()

    trio.relays[1][2].set("refuse")
    for v in trio.vantages:
        wait_for("failing for %s" % v.node, lambda: v.check("c2")["state"] == "failing", 10, 0.05)
    check = three.check("c2")
    assert check["confirmed"] and "2 of 3" in check["verdict"], check["verdict"]
    assert three.own("c2")["state"] == "passing"
    assert any(p["what"].startswith("check c2:") and p["severity"] == "critical"
               for p in two.problems())

    trio.relays[0][2].set("pass")
    trio.relays[1][2].set("pass")
    for v in trio.vantages:
        wait_for("passing for %s" % v.node, lambda: v.check("c2")["state"] == "passing", 15, 0.05)


def test_a_vantage_that_is_cut_off_is_blind(trio):
    """Everything hangs for one of three: one report, no verdict. Fails when its states go on, when the
    report comes twice, or when the others believe it."""
    one, two, three = trio.vantages
    for r in trio.relays[0][:CHECKS]:
        r.set("hang")
    wait_for("blind", lambda: one.own("c0")["sight"] == "blind", 10, 0.02)
    began = time.monotonic()
    while time.monotonic() - began < soak(50, 8):
        for check in one.checks().values():
            assert check["state"] == "passing", check
        for check in two.checks().values():
            assert check["state"] == "passing", check
        settle(0.3)
    assert any("blind" in p["what"] for p in one.problems())
    assert one.log().count("this vantage is blind") == 1
    assert "failing" not in one.log()
    assert trio.document(".vantages", "web-1")["sight"] == "blind"
    assert [o["sight"] for o in two.check("c0")["vantages"] if o["vantage"] == "web-1"] == ["blind"]
    # A real death meanwhile is the others' to see.
    for relays in trio.relays[1:]:
        relays[4].set("refuse")
    for v in (two, three):
        wait_for("c4 is down", lambda: v.check("c4")["state"] == "failing", 10, 0.05)
    assert "2 of 2" in two.check("c4")["verdict"], two.check("c4")["verdict"]
    for r in trio.relays[0][:CHECKS]:
        r.set("pass")
    wait_for("sees again", lambda: one.own("c0")["sight"] == "sighted", 15, 0.05)
    wait_for("no report any more", lambda: "blind" not in one.problem_text(), 5)


def test_cut_off_from_consul_too(trio):
    """Nothing of what it sees leaves it, and it says that it is isolated. Fails when it judges alone."""
    one, two, _ = trio.vantages
    for r in trio.relays[0]:
        r.set("hang")
    wait_for("blind", lambda: one.own("c0")["sight"] == "blind", 10, 0.02)
    settle(5.0)
    assert all(c["state"] == "passing" for c in one.checks().values())
    assert one.log().count("this vantage is blind") == 1
    for r in trio.relays[0]:
        r.set("pass")
    wait_for("sees again", lambda: one.own("c0")["sight"] == "sighted", 30, 0.05)
    wait_for("Consul again", lambda: one.status()["consul"]["up"], 30, 0.1)


def test_a_dead_vantage_has_no_voice(trio):
    """Killed: its session ends, and its last words do not count. Fails when a majority is of the dead."""
    one, two, three = trio.vantages
    trio.relays[0][1].set("refuse")
    wait_for("failing", lambda: trio.document("c1", "web-1")["state"] == "failing", 10, 0.05)
    one.kill()
    # A session that is not renewed ends after one to two TTLs of 15 s.
    wait_for("not alive", lambda: [o["live"] for o in two.check("c1")["vantages"]
                                   if o["vantage"] == "web-1"] == [False], 45, 0.2)
    trio.relays[1][1].set("refuse")
    wait_for("two sees it", lambda: two.own("c1")["state"] == "failing", 10, 0.05)
    settle(1.0)
    assert three.check("c1")["state"] != "failing", three.check("c1")["verdict"]
