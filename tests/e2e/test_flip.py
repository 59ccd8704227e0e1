"""The main job, as the README promises it: consul kv put, and a moment later dig answers."""
import json
import os
import shutil
import subprocess
import time

from conftest import Site, soak
from lib.daemon import Pointsmand, file_generation, settle
from lib.fake import FakeConsul
from lib.proc import wait_for


def test_a_flip_is_answered_and_proven(site):
    """Fails when notify or prove is skipped, or when `served` is said without asking dnsmasq."""
    took = site.flip("name-003", limit=2.0)
    site.daemon.wait_generation(site.generation())
    assert took < 1.0, took
    generation = site.generation()
    output = site.daemon.output()
    assert output["state"] == "served" and output["generation"] == generation
    assert output["path"] == site.hosts and output["digest"].startswith("sha256:")
    assert output["error"] is None
    assert site.dnsmasq.generation() == generation == file_generation(site.hosts)
    assert set(output["last_flip_ms"]) == {"seen", "written", "served"}
    status = site.daemon.status()
    assert status["names"]["total"] == len(site.names) and not status["names"]["rejected"]
    assert status["consul"]["up"] is True and status["problems"] == []
    site.check_file()
    site.check()


def test_dig_itself_says_so(site):
    """The rest of the suite speaks DNS by hand; here the tool that people use."""
    assert shutil.which("dig"), "bind9-dnsutils is not installed"
    site.flip("name-001")
    answer = subprocess.run(
        ["dig", "@127.0.0.1", "-p", str(site.dnsmasq.port), "+short", "name-001.service.consul"],
        stdout=subprocess.PIPE, timeout=10)
    assert answer.stdout.decode().split() == [site.expected()["name-001"]]
    site.check()


def test_the_agent_publishes_what_it_serves(site):
    """Fails when agents/<node> is written without its session, or not after a flip."""
    key = site.root + "agents/" + site.daemon.node
    site.flip("name-002")
    generation = site.generation()

    def published():
        value = json.loads(site.api.list(key).get(key, b"{}"))
        return value.get("outputs") and value["outputs"][0]["generation"] == generation and \
            value["outputs"][0]["state"] == "served" and value
    value = wait_for("published", published, 5)
    assert value["node"] == site.daemon.node
    assert value["outputs"][0]["digest"] == site.daemon.output()["digest"]
    assert value["names"]["total"] == len(site.names)
    entry = site.api.json("GET", "/v1/kv/" + key)[0]
    assert entry.get("Session"), "no session holds it: nobody could tell whether the agent lives"
    site.daemon.terminate()
    wait_for("the session ends", lambda: not site.api.json("GET", "/v1/kv/" + key)[0].get("Session"), 5)


def test_the_session_is_renewed_under_flips(procs, consul):
    """A write does not prolong a session. Fails when each write puts the renewal off: the session (30 s)
    dies of an agent that is busy. At rest nothing is written at all."""
    fake = FakeConsul(procs, consul).start()
    site = Site(procs, fake).start()

    def session():
        return site.api.json("GET", "/v1/kv/%sagents/%s" % (site.root, site.daemon.node))[0]["Session"]
    first, began = wait_for("a session", session), time.monotonic()
    while time.monotonic() < began + soak(90, 17):
        site.flip("name-000")
        settle(1)
    renewals = sum(n for path, n in fake.stats()["paths"].items() if "/v1/session/renew/" in path)
    assert renewals >= (time.monotonic() - began) // 17, fake.stats()["paths"]
    assert session() == first
    settle(1)
    before = fake.stats()["paths"]
    settle(soak(40, 4))
    written = {p: n - before.get(p, 0) for p, n in fake.stats()["paths"].items()
               if p.startswith("PUT ") and "renew" not in p}
    assert not any(written.values()), written
    site.check()


def test_values_of_every_kind(site):
    """Several nodes, an IPv4 and an IPv6 literal, a node known only to us."""
    api, one, two = site.api, site.node(1), site.node(2)
    for value, answers in (("%s,%s" % (one, two), [site.nodes[one], site.nodes[two]]),
                           ("192.0.2.7", ["192.0.2.7"]),
                           ("2001:db8::7", ["2001:db8::7"]),
                           ("%s,192.0.2.8" % two, [site.nodes[two], "192.0.2.8"])):
        api.put(site.key("mixed"), value)
        site.dnsmasq.wait_answer("mixed", answers, 5)
    api.put(site.root + "nodes/ours", "192.0.2.99")
    api.put(site.key("mixed"), "ours")
    site.dnsmasq.wait_answer("mixed", "192.0.2.99", 5)
    # An override wins over the catalog, and gives way when it is removed.
    victim = site.node(3)
    moved = [n for n, node in site.names.items() if node == victim]
    for name in moved:
        site.hammer.expect(name, "192.0.2.33")
    api.put(site.root + "nodes/" + victim, "192.0.2.33")
    for name in moved:
        site.dnsmasq.wait_answer(name, "192.0.2.33", 5)
        site.hammer.settle(name, "192.0.2.33")
    for name in moved:
        site.hammer.expect(name, site.nodes[victim])
    api.delete(site.root + "nodes/" + victim)
    for name in moved:
        site.dnsmasq.wait_answer(name, site.nodes[victim], 10)
        site.hammer.settle(name, site.nodes[victim])
    site.check()


def test_a_name_comes_and_goes(site):
    """One name may be deleted; it goes, only it goes, and only after two reads said so."""
    site.api.put(site.key("fresh.eu"), site.node(0))
    site.dnsmasq.wait_answer("fresh.eu", site.nodes[site.node(0)], 5)
    began = time.monotonic()
    site.api.delete(site.key("fresh.eu"))
    wait_for("the name is gone", lambda: site.dnsmasq.address_of("fresh.eu") == "NXDOMAIN", 10)
    assert time.monotonic() - began > 1.5, "a removal counts only when two reads 2 s apart agree"
    site.check()


def test_short_names_and_upper_case(site):
    """A key in capitals is the same name, written small."""
    site.api.put(site.key("BigDB"), site.node(1))
    site.dnsmasq.wait_answer("bigdb", site.nodes[site.node(1)], 5)
    assert site.daemon.file_lines()["bigdb"] == [site.nodes[site.node(1)]]
    site.check()


def test_names_under_a_prefix_of_their_own(procs, consul):
    """`names = "services/"`: another prefix, watched by itself."""
    site = Site(procs, consul, names=0, consul={"names": "svc-e2e/"})
    site.nodes = {"svc-db1": "10.77.0.1", "svc-db2": "10.77.0.2"}
    for node, address in site.nodes.items():
        consul.api.register(node, address)
    site.key = lambda name: "svc-e2e/" + name
    site.names = {"web": "svc-db1", "mail": "svc-db2"}
    consul.api.put_all({site.key(n): v for n, v in site.names.items()})
    site.generation = lambda: consul.api.index("svc-e2e/")
    site.start()
    site.flip("web", "svc-db2")
    site.hammer.expect("web", "10.77.0.9")
    site.hammer.expect("mail", "10.77.0.9")
    consul.api.put(site.root + "nodes/svc-db2", "10.77.0.9")
    for name in ("web", "mail"):
        site.dnsmasq.wait_answer(name, "10.77.0.9", 5)
        site.hammer.settle(name, "10.77.0.9")
    site.hammer.check()


def test_several_outputs(procs, consul):
    """Each with its template, its guard and its notify; one that fails does not hold the others up."""
    site = Site(procs, consul)
    templates = os.path.join(procs.dir, "templates")
    shutil.copytree(site.daemon.config.agent["template-dir"], templates)
    with open(os.path.join(templates, "list.mustache"), "w") as f:
        f.write("{{generation}}\n{{#names}}{{name}}={{#addresses}}{{address}};{{/addresses}}\n{{/names}}")
    listing, told = os.path.join(procs.dir, "list"), os.path.join(procs.dir, "told")
    site.daemon.config.agent["template-dir"] = templates
    site.daemon.config.outputs["list"] = {
        "template": "list.mustache", "path": listing, "command": ["cp", listing, told]}
    site.daemon.config.outputs["bad"] = {
        "template": "list.mustache", "path": os.path.join(procs.dir, "bad"),
        "validate": ["/bin/false", "%f"]}
    site.daemon.write_config()
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.wait_state("served")
    site.start_hammer()
    site.daemon.wait_state("failed", output="bad")
    site.flip("name-000")
    text = "name-000=%s;" % site.expected()["name-000"]
    wait_for("the command saw the new list", lambda: text in open(told).read() and
             open(told).read() == open(listing).read(), 5)
    assert not os.path.exists(os.path.join(procs.dir, "bad")), "refused by its validator"
    site.daemon.wait_problem("bad")
    site.check()


def test_names_in_a_file_without_consul(procs):
    """The embedded KV: the same agent, `address = "file:…"`, edited by hand and by the command."""
    store = os.path.join(procs.dir, "kv.json")
    site = Site(procs, type("NoConsul", (), {"api": None, "url": "file:" + store}), names=0)
    site.root, site.daemon.root = "pointsman/", "pointsman/"
    site.daemon.config.consul["root"] = "pointsman/"
    site.daemon.write_config()

    def entry(key, value):
        import base64
        return {"key": "pointsman/" + key, "flags": 0,
                "value": base64.b64encode(value.encode()).decode()}
    entries = [entry("names/name-%d" % i, "db%d" % (i % 3)) for i in range(9)] + \
        [entry("nodes/db%d" % i, "10.88.0.%d" % i) for i in range(3)]

    def write():
        with open(store + ".new", "w") as f:
            json.dump(sorted(entries, key=lambda e: e["key"]), f)
        os.rename(store + ".new", store)
    write()
    site.names = {"name-%d" % i: "db%d" % (i % 3) for i in range(9)}
    site.nodes = {"db%d" % i: "10.88.0.%d" % i for i in range(3)}
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.wait_state("served")
    site.start_hammer()

    site.hammer.expect("name-0", "10.88.0.2")
    for e in entries:
        if e["key"] == "pointsman/names/name-0":
            e["value"] = entry("", "db2")["value"]
    write()
    site.dnsmasq.wait_answer("name-0", "10.88.0.2", 5)
    site.hammer.settle("name-0", "10.88.0.2")

    site.hammer.expect("name-1", "10.88.0.2")
    code, out, err = site.cli("set", "name-1", "db2")
    assert code == 0, (out, err)
    site.dnsmasq.wait_answer("name-1", "10.88.0.2", 5)
    site.hammer.settle("name-1", "10.88.0.2")
    site.names.update({"name-0": "db2", "name-1": "db2"})
    site.check()


def test_once(procs, consul):
    """`--once` renders and exits 0; run again it changes nothing, not even the inode."""
    site = Site(procs, consul)
    site.dnsmasq.start()
    assert site.daemon.run_once("--once") == 0, site.daemon.log()
    site.check_file()
    wait_for("dnsmasq serves it", lambda: site.dnsmasq.generation() == site.generation(), 3)
    inode = os.stat(site.hosts).st_ino
    assert site.daemon.run_once("--once") == 0
    assert os.stat(site.hosts).st_ino == inode


def test_a_second_agent_on_the_same_host_is_refused(site):
    """Two agents that write the same state and the same file would each call the other's work drift."""
    twin = Pointsmand(site.procs, site.server.url, site.root, None, hosts=site.hosts, name="twin",
                      agent={"state-dir": site.daemon.state_dir})
    twin.start(limit=0)
    assert twin.wait(5) != 0
    site.flip("name-004")
    site.check()
