"""The catalog: nodes leave, come back elsewhere, flap, and lie about themselves."""
import itertools
import threading

import pytest

from conftest import Site, soak
from lib.consul import Api, Consul
from lib.daemon import settle
from lib.proc import wait_for


@pytest.fixture(scope="module")
def consul(module_procs):
    """One of its own: what is registered here would be a problem to the agents of other tests."""
    return Consul(module_procs, "catalog").start()


def move_node(site, node, address):
    """The catalog says another address from now on, and all names on the node follow."""
    names = [n for n, v in site.names.items() if v == node]
    for name in names:
        site.hammer.expect(name, address)
    site.api.register(node, address)
    for name in names:
        site.dnsmasq.wait_answer(name, address, 10)
        site.hammer.settle(name, address)
    site.nodes[node] = address


def test_a_node_leaves_and_comes_back_elsewhere(site):
    """Gone: its last known address stays, and survives a restart of the agent. Back with another one: the
    names follow. Fails when a missing node drops its names, as in every peer, and when the metric and the
    agent's key count something else than the names of the status."""
    node = site.node(0)
    mine = sorted(n for n, v in site.names.items() if v == node)
    site.api.deregister(node)
    site.daemon.until("last known", lambda s: sorted(s["names"]["last_known"]) == mine, 15)
    assert site.daemon.metric("pointsman_names_last_known") == len(mine) == 5
    wait_for("the agent's key says so", lambda: site.document()["names"]["last_known"] == len(mine), 5)
    site.flip("name-001")
    site.daemon.terminate()
    site.daemon.start()
    site.daemon.until("still last known", lambda s: sorted(s["names"]["last_known"]) == mine, 15)
    site.flip("name-002")
    move_node(site, node, "10.99.0.1")
    site.daemon.until("none is last known", lambda s: not s["names"]["last_known"], 10)
    site.check()


def flip_to_a_new_node_that_leaves(site):
    """name-000 moves to a node that nobody knew, which leaves as soon as it is served."""
    site.nodes["new-node"] = "10.99.1.1"
    site.api.register("new-node", "10.99.1.1")
    site.flip("name-000", "new-node")
    site.api.deregister("new-node")
    site.daemon.until("last known", lambda s: s["names"]["last_known"] == ["name-000"], 15)


def test_a_new_node_leaves_amid_flips(site):
    """What is in the file is known, however soon the next flip comes. Fails when a map counts as known only
    in a quiet moment: then the name goes back to where it was."""
    is_over = threading.Event()

    def flip_all_the_time():
        api = Api(site.server.address, site.server.port)
        for i in itertools.count():
            if is_over.wait(0.008):
                break
            api.put(site.key("name-001"), site.node(i % 2))
        api.put(site.key("name-001"), site.names["name-001"])
        api.close()
    for i in range(2):
        site.hammer.expect("name-001", site.nodes[site.node(i)])
    flipping = threading.Thread(target=flip_all_the_time)
    flipping.start()
    try:
        settle(0.5)
        flip_to_a_new_node_that_leaves(site)
        settle(1)
    finally:
        is_over.set()
        flipping.join()
    site.dnsmasq.wait_answer("name-001", site.expected()["name-001"], 10)
    site.daemon.wait_generation(site.generation())
    site.check_file()
    site.check()


def test_a_new_node_leaves_while_another_output_is_guarded(procs, consul):
    """An output that keeps the newest names out does not make another forget what it serves: with the base
    of the next map taken from the one that is behind, the name goes back to where it was."""
    site = Site(procs, consul)
    site.daemon.config.outputs["strict"] = {
        "template": "hosts.mustache", "path": site.hosts + ".strict", "max-removal": "1%"}
    site.daemon.write_config()
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.until("both have landed", lambda s: [o["state"] for o in s["outputs"]] == ["served", "written"])
    for name in ("name-010", "name-011", "name-012"):
        site.api.delete(site.key(name))
        del site.names[name]
    wait_for("they are gone", lambda: site.daemon.file_lines().keys() == site.names.keys(), 10)
    site.daemon.wait_problem("strict")
    site.start_hammer()
    flip_to_a_new_node_that_leaves(site)
    settle(0.5)
    site.check_file()
    site.check()


def test_a_flip_to_a_node_that_left(site):
    """It was known once: its last address is as good as any that a person could look up."""
    site.api.deregister(site.node(7))
    site.daemon.until("last known", lambda s: s["names"]["last_known"], 15)
    site.flip("name-000", site.node(7))
    site.check()


def test_a_node_flaps(site):
    """It comes and goes; its address is the same whenever it is there."""
    node = site.node(2)
    for _ in range(soak(200, 12)):
        site.api.deregister(node)
        settle(0.1)
        site.api.register(node, site.nodes[node])
        settle(0.1)
    site.flip("name-003")
    site.check()


def test_an_address_flaps(site):
    """A node that two machines claim: the names on it have one of the two addresses, others are left
    alone, and the file is not written more often than the settle time allows."""
    node, other = site.node(2), "10.99.1.1"
    mine = [n for n, v in site.names.items() if v == node]
    for name in mine:
        site.hammer.expect(name, other)
    renders = site.daemon.metric("pointsman_output_renders_total") or 0
    for _ in range(soak(100, 10)):
        site.api.register(node, other)
        site.api.register(node, site.nodes[node])
    # Whoever has this one, too, has seen the last of it: an answer from before may look the same.
    move_node(site, site.node(3), "10.99.1.2")
    for name in mine:
        site.dnsmasq.wait_answer(name, site.nodes[node], 10)
        site.hammer.settle(name, site.nodes[node])
    settle(0.5)
    assert (site.daemon.metric("pointsman_output_renders_total") or 0) - renders <= soak(60, 6)
    site.check()


@pytest.mark.parametrize("answer", ["[]", "null"])
def test_the_catalog_answers_nothing(fake_site, answer):
    site = fake_site
    site.fake.spoil("GET /v1/catalog", "body", text=answer)
    if answer == "[]":
        site.daemon.until("last known", lambda s: len(s["names"]["last_known"]) == 40, 15)
    settle(3)
    site.flip("name-000")
    site.fake.heal(cut=True)
    site.flip("name-001")
    site.daemon.until("none is last known", lambda s: not s["names"]["last_known"], 15)
    site.check()


@pytest.mark.parametrize("address", [
    "10.0.0.1\n10.66.6.6 name-001", "db.example.org", "10.0.0.256", "10.0.0.1 name-001", "::ffff:x",
    "0.0.0.0/0", "a" * 5000])
def test_a_node_gets_an_address_that_is_none(site, address):
    """It keeps the one it had; the problem names the node."""
    node = site.node(4)
    site.api.register(node, address)
    site.daemon.wait_problem(node, 10)
    site.flip("name-005")
    site.check_file()
    site.api.register(node, site.nodes[node])
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check()


@pytest.mark.parametrize("node", [
    "bad\n10.66.6.6 name-001", "../../etc/passwd", "$(reboot)", "x" * 3000, "nul\x00byte", "\x1b[2Jclear"])
def test_a_node_with_a_hostile_name(site, node):
    """Consul registers it, we do not use it; a name that points at it stays where it was."""
    try:
        site.api.register(node, "10.66.6.6")
    except Exception as e:  # a newer Consul refuses some of these itself
        pytest.skip("this Consul refuses the name: %s" % e)
    try:
        site.api.put(site.key("name-001"), node)
        site.daemon.until("rejected", lambda s: [r for r in s["names"]["rejected"]
                                                if r["name"] == "name-001"], 10)
        site.flip("name-006")
        site.api.put(site.key("name-001"), site.names["name-001"])
        site.daemon.until("not rejected", lambda s: not s["names"]["rejected"], 10)
        assert "10.66.6.6" not in open(site.hosts).read()
        site.check_file()
        site.check()
    finally:
        site.api.deregister(node)


def test_many_addresses_change_at_once(site):
    """More than 30 % and more than two: guarded, and written when an operator accepts that map."""
    moved = {site.node(i): "10.98.0.%d" % i for i in range(4)}
    site.api.put_all({site.root + "nodes/" + n: a for n, a in moved.items()})
    site.daemon.wait_state("guarded", 10)
    settle(2)
    digest = guarded_digest(site)
    for name, node in site.names.items():
        if node in moved:
            site.hammer.expect(name, moved[node])
    site.nodes.update(moved)
    code, out, err = site.cli("accept", "--yes", digest)
    assert code == 0, (out, err)
    for name, address in site.expected().items():
        site.dnsmasq.wait_answer(name, address, 10)
        site.hammer.settle(name, address)
    site.daemon.wait_state("served")
    site.check()


def guarded_digest(site):
    """What an operator would type, from where an operator would read it."""
    def published():
        return (site.document().get("guarded") or {}).get("digest")
    return wait_for("what is guarded is published", published, 5)
