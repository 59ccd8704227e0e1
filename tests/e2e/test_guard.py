"""The guard and the hold: what a person has to say twice."""
import json
import os

import pytest

from conftest import Site, soak
from lib.daemon import settle
from lib.proc import wait_for
from test_catalog import guarded_digest

PAUSE = soak(30, 1)


def test_the_whole_prefix_is_deleted(site):
    """`consul kv delete -recurse`: guarded, all names stay. Put back, it goes on by itself.

    Fails when an empty map is rendered, as every peer does."""
    site.api.delete_tree(site.root + "names/")
    site.daemon.wait_state("guarded", 15)
    site.daemon.wait_problem("canary|empty|guard")
    settle(PAUSE)
    site.seed()
    site.flip("name-000", limit=15)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check()


def test_even_the_whole_root_is_deleted(site):
    """The agents' own keys go too: the next change publishes them again."""
    site.api.delete_tree(site.root)
    site.daemon.wait_state("guarded", 15)
    settle(PAUSE)
    site.seed()
    site.flip("name-000", limit=15)
    key = site.root + "agents/" + site.daemon.node
    wait_for("published again", lambda: site.api.list(key), 5, 0.1)
    site.check()


def test_a_third_is_deleted_and_accepted(site):
    """30 % at once: guarded with the difference; a restart does not let it through; the operator accepts
    exactly that map, and it goes."""
    gone = sorted(site.names)[:12]
    site.api.txn([("delete", site.key(n), "") for n in gone])
    site.daemon.wait_state("guarded", 15)
    settle(PAUSE)
    site.daemon.kill()
    site.daemon.start()
    site.daemon.wait_state("guarded", 15)
    wait_for("what would go is published", lambda: sorted(
        (site.document().get("guarded") or {}).get("removed") or []) == gone, 10, 0.1)
    code, out, err = site.cli("accept", "--yes", "sha256:" + "0" * 64)
    assert code == 3, (code, out, err)
    settle(1)
    assert site.daemon.output()["state"] == "guarded"

    digest = guarded_digest(site)
    for name in gone:
        site.hammer.expect(name, None)
    code, out, err = site.cli("accept", "--yes", digest)
    assert code == 0, (out, err)
    wait_for("they are gone", lambda: all(
        site.dnsmasq.address_of(n) == "NXDOMAIN" for n in gone), 10)
    for name in gone:
        site.hammer.drop(name)
        del site.names[name]
    site.daemon.wait_state("served")
    site.check_file()
    site.check()


def test_an_acceptance_is_for_one_map_only(site):
    """Another name is deleted before the acceptance comes: that is another map, for the command and for an
    agent that is told nevertheless. Fails when an acceptance holds for whatever is guarded."""
    names = sorted(site.names)
    site.api.txn([("delete", site.key(n), "") for n in names[:12]])
    site.daemon.wait_state("guarded", 15)
    digest = guarded_digest(site)
    site.api.delete(site.key(names[12]))
    wait_for("another map is guarded", lambda: guarded_digest(site) != digest, 15, 0.1)
    code, out, err = site.cli("accept", "--yes", digest)
    assert code == 3, (code, out, err)
    canary = json.loads(site.api.get(site.key(".pointsman")))
    site.api.put(site.key(".pointsman"), json.dumps(dict(canary, accepted=digest)))
    settle(2)
    assert site.daemon.output()["state"] == "guarded"
    site.api.put_all({site.key(n): site.names[n] for n in names[:13]})
    site.daemon.wait_state("served", 15)
    site.check()


def test_flips_under_the_guard(site):
    """While a map is guarded nothing of it is written: no half of it either. Mended, the flip made
    meanwhile is served."""
    gone = sorted(site.names)[:12]
    site.api.txn([("delete", site.key(n), "") for n in gone])
    site.daemon.wait_state("guarded", 15)
    moved, node = "name-030", site.node(0)
    site.hammer.expect(moved, site.nodes[node])
    site.api.put(site.key(moved), node)
    settle(2)
    site.api.put_all({site.key(n): site.names[n] for n in gone})
    site.dnsmasq.wait_answer(moved, site.nodes[node], 15)
    site.hammer.settle(moved, site.nodes[node])
    site.names[moved] = node
    site.check()


def test_a_fifth_may_go_without_asking(site):
    """max-removal is 20 %: eight of forty are a person's business."""
    gone = sorted(site.names)[:8]
    for name in gone:
        site.hammer.expect(name, None)
    site.api.txn([("delete", site.key(n), "") for n in gone])
    wait_for("they are gone", lambda: all(
        site.dnsmasq.address_of(n) == "NXDOMAIN" for n in gone), 15)
    for name in gone:
        site.hammer.drop(name)
        del site.names[name]
    site.check()


def test_the_canary_alone_is_deleted(site):
    """Names that are all there, from a list that cannot be told from a filtered one."""
    site.api.delete(site.key(".pointsman"))
    site.daemon.wait_problem("canary|guard", 15)
    settle(2)
    site.seed()
    site.flip("name-001", limit=15)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check()


def test_hold_and_release(site):
    """Held: a flip made afterwards waits, also over a restart. Released: it goes at once."""
    code, out, err = site.cli("hold", "--reason", "maintenance")
    assert code == 0, (out, err)
    node = site.node(3)
    site.api.put(site.key("name-000"), node)
    site.daemon.wait_state("held", 10)
    settle(1)
    site.daemon.kill()
    site.daemon.start()
    settle(2)
    assert site.dnsmasq.address_of("name-000") == site.expected()["name-000"]
    site.hammer.expect("name-000", site.nodes[node])
    code, out, err = site.cli("release")
    assert code == 0, (out, err)
    site.dnsmasq.wait_answer("name-000", site.nodes[node], 5)
    site.hammer.settle("name-000", site.nodes[node])
    site.names["name-000"] = node
    site.daemon.wait_state("served")
    site.check()


def test_a_first_start_during_a_hold(procs, consul):
    """There is nothing to keep, and what is held back is not written: but it is said, on this host and on
    every other. Fails when an agent without a file counts as well, because it is held like the others."""
    site = Site(procs, consul)
    code, out, err = site.cli("hold", "--reason", "the names are not to be trusted")
    assert code == 0, (out, err)
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.wait_state("held", 10)
    site.daemon.wait_problem("output hosts is held, and this agent never wrote it")
    assert not os.path.exists(site.hosts)
    wait_for("the others see it", lambda: site.document().get("hold"), 5)
    code, out, err = site.cli("status")
    assert code == 1 and "never wrote it" in out and "pointsman release" in out, (out, err)
    site.daemon.config.agent["http"] = "127.0.0.1:1"  # the view of another host, whose agent is down
    site.daemon.write_config()
    code, out, err = site.cli("status")
    assert "%s serves 0 instead of" % site.daemon.node in out, (out, err)
    code, out, err = site.cli("release")
    assert code == 0, (out, err)
    site.daemon.config.agent["http"] = "127.0.0.1:%d" % site.daemon.http_port
    site.daemon.write_config()
    site.daemon.wait_generation(site.generation())
    site.check_file()
    site.check_dns()
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)


def test_a_hold_for_one_name(site):
    """That one stays, the others move."""
    code, out, err = site.cli("hold", "name-000", "--reason", "migration")
    assert code == 0, (out, err)
    node = site.node(3)
    site.api.put(site.key("name-000"), node)
    site.flip("name-001")
    settle(1)
    site.hammer.expect("name-000", site.nodes[node])
    code, out, err = site.cli("release", "name-000")
    assert code == 0, (out, err)
    site.dnsmasq.wait_answer("name-000", site.nodes[node], 5)
    site.hammer.settle("name-000", site.nodes[node])
    site.names["name-000"] = node
    site.check()


def test_a_hold_never_races_with_a_flip(site):
    """The flip comes right behind the hold, many times: it must never get through."""
    for i in range(soak(100, 5)):
        code, out, err = site.cli("hold", "--reason", "race")
        assert code == 0, (out, err)
        before = site.names["name-002"]
        site.api.put(site.key("name-002"), site.node(4 + i % 2 if before != site.node(4) else 5))
        settle(0.2)
        site.api.put(site.key("name-002"), before)
        settle(0.05)
        code, out, err = site.cli("release")
        assert code == 0, (out, err)
    site.check()


@pytest.mark.parametrize("action", ["set", "unset"])
def test_the_command_changes_a_name(site, action):
    """`set` waits until the live agents serve it; `unset` takes the name away."""
    if action == "set":
        node = site.node(6)
        site.hammer.expect("name-000", site.nodes[node])
        code, out, err = site.cli("-o", "json", "set", "name-000", node)
        assert code == 0, (out, err)
        assert site.dnsmasq.address_of("name-000") == site.nodes[node], "said done before it was served"
        json.loads(out)
        site.hammer.settle("name-000", site.nodes[node])
        site.names["name-000"] = node
        code, out, err = site.cli("set", "name-000", "db-nowhere")
        assert code == 3, (out, err)
        code, out, err = site.cli("set", "name-000", site.node(1), "--expect", site.node(2))
        assert code == 3, (out, err)
    else:
        site.hammer.expect("name-000", None)
        code, out, err = site.cli("unset", "--yes", "name-000")
        assert code == 0, (out, err)
        wait_for("it is gone", lambda: site.dnsmasq.address_of("name-000") == "NXDOMAIN", 10)
        site.hammer.drop("name-000")
        del site.names["name-000"]
    site.check()
