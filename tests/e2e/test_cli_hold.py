"""pointsman hold, release and accept, with a real agent: what is held does not move, what is guarded
moves only when the very map is named."""
import json
import re
import time

import pytest

from conftest import Site
from lib.cli import Desk
from lib.daemon import settle


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    if request.param == "file":
        return Desk(procs.dir).seed()
    return Desk(procs.dir, consul.api, consul.url).seed()


def test_hold_and_release_everything(desk):
    done = desk.run("hold", "--reason", 'restore "db3"', env={"SUDO_USER": "ola", "SUDO_UID": "1004"})
    assert done.code == 0, done
    held = json.loads(desk.get("hold"))
    assert held["reason"] == 'restore "db3"' and held["who"] == "ola (uid 1004)"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", held["since"])
    canary = json.loads(desk.get("names/.pointsman"))
    refused = desk.run("set", "maindb", "db2")
    assert refused.code == 3, refused
    assert "ola" in refused.err and "restore" in refused.err and "pointsman release" in refused.err
    assert desk.run("unset", "maindb", "--yes").code == 3
    again = desk.run("hold", "--reason", "mine")
    assert again.code == 3 and "ola" in again.err, again
    assert "HOLD" in desk.run("status").out
    done = desk.run("release")
    assert done.code == 0 and "restore" in done.out, done
    assert desk.get("hold") is None
    after = json.loads(desk.get("names/.pointsman"))
    assert after["cluster"] == canary["cluster"] and after["touched"] != canary["touched"]
    assert desk.run("set", "maindb", "db2").code == 0
    assert desk.run("release").code == 0


def test_hold_one_name(desk):
    assert desk.run("hold", "MainDB", "--reason", "x").code == 0
    assert desk.get("hold/maindb") is not None
    assert desk.run("set", "maindb", "db2").code == 3
    assert desk.run("set", "sessions", "db1").code == 0
    assert desk.run("hold", "mandb", "--reason", "x").code == 3
    other = desk.run("release")
    assert other.code == 0 and "pointsman release maindb" in other.out, other
    assert desk.run("release", "maindb").code == 0
    assert desk.run("set", "maindb", "db2").code == 0


def test_hold_needs_a_reason(desk):
    for args in (["hold"], ["hold", "--reason", ""], ["hold", "--reason", "a\nb"],
                 ["hold", "--reason", "x" * 256], ["hold", "--reason", "\x1b[2J"]):
        done = desk.run(*args)
        assert done.code == 2, (args, done)
    assert desk.get("hold") is None


def test_hold_by_hand_is_a_hold(desk):
    desk.put("hold", "maintenance\x1b[2J")
    refused = desk.run("set", "maindb", "db2")
    assert refused.code == 3 and "maintenance\\x1b[2J" in refused.err, refused


def test_hold_makes_the_canary_or_mends_it(desk):
    desk.put("names/.pointsman", "scribble")
    assert desk.run("hold", "--reason", "x").code == 0
    assert json.loads(desk.get("names/.pointsman"))["cluster"]


# --- with an agent -------------------------------------------------------------------------------------


@pytest.fixture
def site(procs, consul):
    """Nothing here breaks anything: the faults have tests of their own, under the hammer."""
    return Site(procs, consul).start(hammer=False)


def test_agent_holds_everything(site):
    name = "name-000"
    code, out, err = site.cli("hold", "--reason", "test")
    assert code == 0 and "known to 1 of 1 agents" in out, (out, err)
    site.api.put(site.key(name), site.node(5))
    settle(0.5)
    assert site.dnsmasq.address_of(name) == site.nodes[site.names[name]]
    code, out, err = site.cli("release")
    assert code == 0 and "served by 1 of 1 agents" in out, (out, err)
    assert site.dnsmasq.address_of(name) == site.nodes[site.node(5)]


def test_agent_holds_a_name(site):
    held, free = "name-000", "name-001"
    assert site.cli("hold", held, "--reason", "test")[0] == 0
    site.api.put(site.key(held), site.node(5))
    site.flip(free, site.node(6))
    assert site.dnsmasq.address_of(held) == site.nodes[site.names[held]]
    assert site.cli("release", held)[0] == 0
    assert site.dnsmasq.address_of(held) == site.nodes[site.node(5)]


def delete_half(site):
    """Too much for the guard. Returns the names."""
    gone = ["name-%03d" % i for i in range(0, 40, 2)]
    site.api.txn([("delete", site.key(name), "") for name in gone])
    return gone


def test_an_agent_does_not_contradict_itself(site):
    """The very first answer in which a map is guarded names that as a problem, with what to type. Fails
    when problems are those of a moment ago."""
    delete_half(site)
    end = time.monotonic() + 15
    status = site.daemon.status()
    while not status["guarded"]:
        assert time.monotonic() < end, status
        status = site.daemon.status()
    assert status["outputs"][0]["state"] == "guarded"
    todo = "pointsman accept " + status["guarded"]["digest"][:19]
    assert [p for p in status["problems"] if "is guarded" in p["what"] and todo in p["do"]], status


def test_accept_what_the_agent_cannot_publish(procs, consul):
    """Another session holds the agent's key. Fails when `accept` knows only maps that the KV tells of, while
    `status` on the same host tells to accept one."""
    site = Site(procs, consul)
    session = site.api.json("PUT", "/v1/session/create", {"TTL": "600s", "Behavior": "delete"})["ID"]
    key = "/v1/kv/%sagents/%s?acquire=%s" % (site.root, site.daemon.node, session)
    assert site.api.json("PUT", key, "{}") is True
    site.start(hammer=False)
    gone = delete_half(site)
    site.daemon.wait_state("guarded", 15)
    code, out, err = site.cli("status")
    assert code == 1, (out, err)
    digest = re.search(r"pointsman accept (sha256:\S+)", out).group(1)
    code, out, err = site.cli("accept", digest, "--yes", "--timeout", "100ms")
    assert code == 1 and "goes 20:" in out, (out, err)
    site.daemon.wait_state("served", 10)
    assert set(site.daemon.file_lines()) == set(site.names) - set(gone)
    site.api.request("PUT", "/v1/session/destroy/" + session)


def test_accept(site):
    gone = delete_half(site)
    site.daemon.wait_state("guarded", 15)
    code, out, err = site.cli("status")
    assert code == 1 and "pointsman accept sha256:" in out, (out, err)
    digest = re.search(r"pointsman accept (sha256:\S+)", out).group(1)
    code, out, err = site.cli("accept", "sha256:0000000", "--yes")
    assert code == 3 and digest[:15] in err, (out, err)
    assert site.cli("accept", digest[7:10], "--yes")[0] == 3, "three digits are a slip"
    site.api.put(site.root + "hold", "by hand")
    code, out, err = site.cli("accept", digest, "--yes")
    assert code == 3 and "everything is held" in err, (out, err)
    assert site.cli("release", "--timeout", "100ms")[0] == 1
    code, out, err = site.cli("accept", digest)
    assert code == 3 and "--yes" in err and "name-000" in out, (out, err)
    site.check_dns()
    code, out, err = site.cli("accept", digest[7:13], "--yes")
    assert code == 0 and "served by 1 of 1 agents" in out, (out, err)
    assert set(site.daemon.file_lines()) == set(site.names) - set(gone)
