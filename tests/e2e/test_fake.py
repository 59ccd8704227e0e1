"""Answers that no healthy Consul gives, told by the proxy of tests/fake/ before a real one."""
import pytest

from conftest import Site, soak
from lib.daemon import settle
from lib.fake import FakeConsul

KV, CATALOG, ANY = r"GET /v1/kv/\S*names|GET /v1/kv/\S*recurse", r"GET /v1/catalog", r"^GET "
PAUSE = soak(20, 0.6)


@pytest.fixture(scope="module")
def place(module_procs, consul):
    """One agent that goes through all of it, as it would in production."""
    fake = FakeConsul(module_procs, consul).start()
    site = Site(module_procs, fake, agent={"max-silence": "1s"})
    site.start(hammer=False)
    site.fake = fake
    return site


@pytest.fixture
def site(place):
    place.start_hammer()
    yield place
    place.fake.heal(cut=True)
    place.hammer.stop()


# name: (what to match, kind, details, whether Consul must be reported as a problem)
FAULTS = {
    "429 with an empty body": (ANY, "status", {"code": 429}, True),
    "500 no leader": (ANY, "status", {"code": 500, "body": "No cluster leader"}, True),
    "500 on the names only": (KV, "status", {"code": 500, "body": "EOF"}, True),
    "403": (ANY, "status", {"code": 403, "body": "ACL not found"}, True),
    "404 for the names": (KV, "status", {"code": 404}, True),
    "301": (ANY, "status", {"code": 301}, True),
    "200 with an empty body": (KV, "body", {"text": ""}, True),
    "[] for the names": (KV, "body", {"text": "[]"}, True),
    "null for the names": (KV, "body", {"text": "null"}, True),
    "{} for the names": (KV, "body", {"text": "{}"}, True),
    "a list of something else": (KV, "body", {"text": '[1,"a",null,{"Key":7}]'}, True),
    "deep nesting": (KV, "body", {"text": "[" * 100000}, True),
    "HTML of a captive portal": (ANY, "body", {"text": "<html>Please log in</html>"}, True),
    "[] for the catalog": (CATALOG, "body", {"text": "[]"}, False),
    "null for the catalog": (CATALOG, "body", {"text": "null"}, False),
    "a catalog without addresses": (CATALOG, "body", {
        "text": '[{"Node":"x"},{"Address":"10.1.1.1"},{"Node":7,"Address":[]}]'}, False),
    "hangs": (ANY, "hang", {}, False),
    "resets": (ANY, "reset", {}, True),
    "no HTTP": (ANY, "garbage", {}, True),
    "slow bytes": (KV, "slow", {"rate": 300}, False),
    "truncated JSON in a whole answer": (KV, "truncate", {}, True),
    "a cut answer": (KV, "truncate", {"is_framed": False}, True),
    "all but the last byte": (KV, "truncate", {"share": 0.9999}, True),
    "wrong base64": (KV, "base64", {}, True),
    "40 MB": (KV, "huge", {"size": 40 << 20}, True),
    "no index": (ANY, "index", {"value": "drop"}, False),
    "index 0": (ANY, "index", {"value": 0}, False),
    "an index that is no number": (ANY, "index", {"value": "many"}, False),
    "an index from the future": (KV, "index", {"value": 1 << 62}, False),
    "an index beyond 64 bits": (KV, "index", {"value": 1 << 70}, False),
    "an index going backwards": (KV, "older", {"by": 1000000}, False),
    "a short list": (KV, "short", {"share": 0.5}, True),
    "a list without its canary": (KV, "lose", {"key": r"\.pointsman$"}, True),
    "a short catalog": (CATALOG, "short", {"share": 0.3}, False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(site, fault):
    """No bad answer while it lasts, a problem where one is due, and a flip afterwards.

    Fails when any of these is taken for the truth, or when the agent does not find back."""
    match, kind, details, is_problem = FAULTS[fault]
    rss = site.daemon.status_kb("VmRSS")
    spoilt = site.fake.stats()["spoilt"]
    site.fake.spoil(match, kind, **details)
    settle(PAUSE)
    if is_problem:
        site.daemon.until("it is said", lambda s: s["problems"], 15)
        for _ in range(11 if match == KV else 0):  # the nodes and the publisher go on: that is no cure
            settle(0.1)
            assert site.daemon.problems(), "it was said, and then taken back"
    stats = site.fake.stats()
    assert stats["spoilt"] > spoilt, "the fault was never met"
    # A reader that starts over asks three times a second: names, hold, names again.
    assert stats["spoilt"] - spoilt < 50 + 5 * PAUSE, "%d questions in %.1f s" % (
        stats["spoilt"] - spoilt, PAUSE)
    assert site.daemon.status_kb("VmRSS") - rss < 45000, "grew by more than 45 MB"
    site.fake.heal(cut=True)
    site.flip("name-010", limit=25)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 20)
    site.check()


def test_a_short_list_once_in_a_while(site):
    """Every second list is short or empty, as from servers that restart one after the other, with right
    lists in between and flips that must travel. One of them is so little short that the guard would let
    it pass.

    Fails when a removal is believed because one answer, not a consistent one, shows it."""
    for i in range(soak(200, 8)):
        kind, details = [("short", {"share": 0.4}), ("body", {"text": "[]"}),
                         ("short", {"share": 0.9}), ("status", {"code": 404})][i % 4]
        # Half of them answer the question that is parked, half one that comes after an error.
        site.fake.spoil(r"GET /v1/kv/(?!.*consistent)", kind, cut=i % 8 >= 4, times=1, **details)
        settle(0.15)
        site.flip("name-011", limit=20)
    site.check()



@pytest.mark.parametrize("lag", [0, 5, 1000000])
def test_an_old_value_that_comes_back(site, lag):
    """Parked queries of an isolated ex-leader answer 200 with the list of before the flip, and with an
    index that is not above ours: the name must not go back."""
    list_path = "/v1/kv/%sn?recurse" % site.root
    old = site.api.request("GET", list_path).decode()
    site.flip("name-013", limit=20)
    site.daemon.wait_generation(site.generation())
    site.fake.spoil(r"GET /v1/kv/(?!.*consistent).*index=[1-9]", "body", text=old,
                    index=max(1, site.generation() - lag))
    settle(2)
    assert 0 < site.fake.stats()["spoilt"]
    site.fake.heal(cut=True)
    site.flip("name-013", limit=20)
    site.check()


def test_connections_are_kept_and_few(site):
    """Three at most, and none leaks, whatever was answered before."""
    for _ in range(soak(100, 5)):
        site.fake.cut()
        settle(0.3)
    site.flip("name-015", limit=20)
    settle(0.5)
    assert site.fake.stats()["connections"] <= 3
    site.check()
