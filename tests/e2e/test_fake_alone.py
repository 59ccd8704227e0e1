"""As test_fake, with an agent for each case: what it says, and its configuration, are of that case alone."""
import os

import pytest

from conftest import Site
from lib.daemon import settle
from lib.fake import FakeConsul
from lib.proc import wait_for


def test_consistent_reads_lie_as_well_but_only_once(procs, consul):
    """Removals need two consistent reads 2 s apart that agree: neither one that lies is enough, nor two
    that lie in less. (With a long max-silence, so that no other read comes in between.)"""
    fake = FakeConsul(procs, consul).start()
    site = Site(procs, fake).start()
    for lies, share in enumerate((0.9, 0.95), 1):
        # The first lie must be one that counts, the second be told within two seconds, however busy the host.
        settle(0.3 if share > 0.9 else 2.2)
        fake.spoil(r"GET /v1/kv/\S+/n\?.*consistent", "short", times=1, share=share)
        wait_for("it has lied", lambda: fake.stats()["spoilt"] == lies, 10)
    settle(1.0)
    fake.heal()
    site.flip("name-012", limit=20)
    site.check()


def test_a_refused_node_name_stops_no_flip(procs, consul):
    """403 for the Consul agent's own name: the host name serves, and nobody is told that flips do not come."""
    fake = FakeConsul(procs, consul).start()
    fake.spoil("GET /v1/agent/self", "status", code=403, body="Permission denied")
    site = Site(procs, fake, agent={"node": ""})
    site.daemon.node = os.uname().nodename.lower()
    site.start()
    assert wait_for("the agent publishes", site.document, 5)["node"] == site.daemon.node
    assert site.daemon.metric("pointsman_consul_errors_total{kind=\"denied\"") == 1
    site.flip("name-000")
    assert "no flip reaches" not in site.daemon.log()
    site.check()


@pytest.mark.parametrize("kind, limit", [("deaf", 4), ("hang", 16)])
def test_silence_ends_after_max_silence(procs, consul, kind, limit):
    """Blocking queries that hear of no change, or get no answer at all: after max-silence, here 2 s (and 10 s
    of grace where there is no answer), the names are read again. Not sooner, and no busier than that.

    Fails when another max-silence than the default, one minute, is not heeded."""
    fake = FakeConsul(procs, consul).start()
    site = Site(procs, fake, agent={"max-silence": "2s"}).start()
    fake.spoil(r"GET /v1/kv/\S+/n\?(?!.*consistent)", kind)
    wait_for("a blocking query is not answered", lambda: fake.stats()["spoilt"], 5)
    settle(0.2)
    took = site.flip("name-000", limit=limit)
    assert took > limit / 4 - 0.3, "found out after %.1f s: not through the silence" % took
    if kind == "deaf":
        site.flip("name-001", limit=limit)
    assert fake.stats()["spoilt"] <= 6, "asked too often"
    fake.heal(cut=True)
    site.check()
