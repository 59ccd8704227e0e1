"""pointsman status, names, agents, drift: what is shown, and who is down."""
import json
import re
import signal
import subprocess
import time

import pytest

from conftest import Site
from lib.cli import Desk, FakeAgent, check_width, clean_env
from lib.daemon import program
from lib.fake import FakeConsul
from lib.proc import wait_for


@pytest.fixture
def site(procs, consul):
    """Started, and its record is in the KV."""
    site = Site(procs, consul).start(hammer=False)
    wait_for("all is well", lambda: site.cli("status")[0] == 0, 10, 0.1)
    return site


@pytest.fixture
def desk(procs, consul):
    return Desk(procs.dir, consul.api, consul.url).seed()


def test_all_is_well(site):
    code, out, err = site.cli("status")
    assert code == 0, (out, err)
    generation = site.generation()
    assert "generation %d" % generation in out and "agents 1/1 serve %d" % generation in out
    assert "40 names, all ok" in out and "name-000" not in out
    code, out, err = site.cli("status", "--all")
    assert code == 0 and out.count("1/1") == 41, out
    check_width(out)


def test_json_is_the_agents_own(site):
    code, out, err = site.cli("status", "-o", "json")
    assert code == 0, (out, err)
    shown, served = json.loads(out), site.daemon.status()
    assert set(shown) == set(served)
    assert shown["outputs"][0]["digest"] == served["outputs"][0]["digest"]


def test_rejected_value(site):
    site.api.put(site.key("name-003"), "db33\x1b[2J")
    site.daemon.until("a rejected name", lambda s: s["names"]["rejected"])
    code, out, err = site.cli("status")
    assert code == 1 and "name-003" in out and "\x1b" not in out, (out, err)
    code, out, err = site.cli("names")
    assert code == 1 and out.startswith("x name-003 = db33\\x1b[2J: "), out
    code, out, err = site.cli("-o", "json", "names", "name-003")
    assert code == 1 and json.loads(out)["problem"], out
    code, out, err = site.cli("drift")
    assert code == 1 and re.search(r"^! KV vs catalog +1$", out, re.M), out


def test_agent_is_down(site):
    site.daemon.kill()
    code, out, err = site.cli("status")
    assert code == 1 and "agent of this host does not answer" in out, (out, err)
    assert "generation %d" % site.generation() in out
    code, out, err = site.cli("status", "-o", "json")
    document = json.loads(out)
    assert code == 1 and document["consul"]["up"] is True and document["names"]["total"] == 40
    assert document["problems"][0]["severity"] == "critical" and document["problems"][0]["do"]


def test_consul_is_down(procs, consul):
    with FakeConsul(procs, consul) as fake:
        site = Site(procs, fake).start(hammer=False)
        fake.kill()
        site.daemon.until("consul is down", lambda s: not s["consul"]["up"])
        code, out, err = site.cli("status")
        assert code == 1 and "KV cannot be read" in out and "consul DOWN" in out, (out, err)
        for args in (["names"], ["agents"], ["drift"], ["set", "name-000", "1.2.3.4"], ["init"],
                     ["hold", "--reason", "x"], ["release"], ["accept", "1234"], ["diff"]):
            code, out, err = site.cli(*args)
            assert code == 7 and "  why  " in err and "  do   " in err, (args, out, err)
        site.daemon.kill()
        code, out, err = site.cli("status")
        assert code == 7, (out, err)


def test_frozen_consul_has_a_limit(procs, consul):
    """A frozen server hangs every request: the limits are ours."""
    with FakeConsul(procs, consul) as fake:
        desk = Desk(procs.dir, consul.api, fake.url).seed()
        fake.spoil(".", "hang")
        started = time.monotonic()
        done = desk.run("names", limit=40)
        assert done.code == 7 and time.monotonic() - started < 15, done


def test_watch(site):
    done = site_tty(site, "status", "-w", interrupt_at="40 names, all ok")
    assert done.code == 0 and "\x1b[H\x1b[J" in done.out, done


def site_tty(site, *args, **kwargs):
    desk = Desk.__new__(Desk)
    desk.config_path = site.daemon.config_path
    return desk.run_tty(*args, **kwargs)


def test_watch_in_a_pipe_tells_changes(site):
    running = subprocess.Popen([program("pointsman"), "-c", site.daemon.config_path, "status", "-w"],
                               stdout=subprocess.PIPE, env=clean_env())
    try:
        first = running.stdout.readline().decode()
        assert re.fullmatch(r"\S+Z generation \d+ agents 1/1 problems 0\n", first), first
        site.flip("name-000")
        second = running.stdout.readline().decode()
        assert int(second.split()[2]) > int(first.split()[2]), (first, second)
        running.send_signal(signal.SIGINT)
        assert running.wait(5) == 0
    finally:
        running.kill()


# --- the fleet -----------------------------------------------------------------------------------------


def test_fleet_with_every_trouble(desk):
    now = desk.index()
    FakeAgent(desk, "web-01", now)
    FakeAgent(desk, "web-02", now)
    FakeAgent(desk, "web-03", now, is_alive=False)
    FakeAgent(desk, "web-04", now - 1, error="cannot write: No space left on device")
    FakeAgent(desk, "web-05", now, map="sha256:" + "99" * 32)
    FakeAgent(desk, "web-06", now - 1, guarded={
        "digest": "sha256:" + "12" * 32, "why": "3 of 4 names would go", "removed": ["a"], "moved": []})
    FakeAgent(desk, "web-07", now).write("[1,2")
    status = desk.run("status")
    assert status.code == 1
    agents = desk.run("agents")
    assert agents.code == 1
    drift = desk.run("drift")
    assert drift.code == 1
    assert "agents 3/7 serve %d" % now in status.out
    assert "web-03 is not alive" in status.out
    assert "pointsman accept sha256:121212121212" in status.out
    assert re.search(r"web-04 serves %d instead of %d; .*No space left" % (now - 1, now),
                     re.sub(r"\s+", " ", status.out)), status
    assert "web-01" not in status.out
    rows = {line[2:].split()[0]: line for line in agents.out.splitlines() if "web-" in line[:8]}
    assert rows["web-01"].startswith("  ") and "served" in rows["web-01"]
    assert rows["web-03"].startswith("x ") and "not alive" in rows["web-03"]
    assert re.search(r"^! agent vs agent +1\n +web-05 has sha256:99999999", drift.out, re.M), drift
    assert re.search(r"^! agents not alive +1$", drift.out, re.M)
    assert re.search(r"^! served vs KV +3$", drift.out, re.M), drift
    for done in (status, agents, drift):
        check_width(done.out)
    one = desk.run("drift", "--agent", "web-04")
    assert one.code == 1 and "No space left" in one.out
    assert desk.run("drift", "--agent", "web-01").code == 0
    assert desk.run("drift", "--agent", "nobody").code == 1
    assert desk.run("drift", "-o", "json").json["agent_vs_agent"]
    assert [a["alive"] for a in desk.run("agents", "-o", "json").json].count(False) == 1
    names = desk.run("names")
    assert re.search(r"maindb +db1 +10\.0\.4\.11 +5/6$", names.out, re.M), names


def test_names_are_judged_as_agents_judge_them(desk):
    desk.put("names/chat.service.consul", "db1")
    desk.put("names/a b", "db1")
    done = desk.run("names")
    assert done.code == 1 and done.out.count("\nx ") == 1 and done.out.startswith("x "), done
    assert [n["name"] for n in desk.run("names", "-o", "json").json if n["problem"]] == [
        "a b", "chat.service.consul"]


def test_held_names_are_shown(desk):
    assert desk.run("hold", "maindb", "--reason", "why not").code == 0
    assert "held" in desk.run("names").out
    assert "why not" in desk.run("names", "maindb").out
    assert desk.run("names", "maindb", "-o", "json").json["held"] is True
    assert "hold: 1 name" in desk.run("status").out


def test_missing_canary_is_advised(procs, consul):
    desk = Desk(procs.dir, consul.api, consul.url)
    desk.put("names/maindb", "10.0.0.1")
    status = desk.run("status")
    assert status.code == 1 and "pointsman init" in status.out, status
    assert desk.run("init").code == 0
    assert "canary" not in desk.run("status").out


def test_agent_on_a_unix_socket(procs, consul):
    site = Site(procs, consul, agent={"http": "unix:" + procs.dir + "/http.sock"})
    site.dnsmasq.start()
    site.daemon.start(limit=0)
    wait_for("the agent serves", lambda: site.cli("status")[0] == 0, 10, 0.1)


@pytest.mark.parametrize("fault, advice", [
    ({"kind": "status", "code": 403, "body": "Permission denied"}, "consul.token-file"),
    ({"kind": "status", "code": 500, "body": "No cluster leader"}, "raft list-peers"),
    ({"kind": "reset"}, "systemctl status consul"),
    ({"kind": "body", "text": "<html>"}, "does not speak|check consul.address")], ids=[
        "403", "500", "reset", "html"])
def test_the_server_is_named_once(procs, consul, fault, advice):
    """In what the agent says, and in what the command says, which knows what to do about this error."""
    with FakeConsul(procs, consul) as fake:
        site = Site(procs, fake).start(hammer=False)
        fake.spoil("^GET /v1/(kv|catalog)", **fault)
        site.daemon.until("consul is down", lambda s: not s["consul"]["up"])
        _, out, _ = site.cli("status")
        words = " ".join(out.split())
        assert words.count("x the agent cannot read the KV: %s: " % fake.url) == 1, out
        assert words.count("x the KV cannot be read: %s: " % fake.url) == 1, out
        assert words.count(fake.url) == 2, out
        assert not re.search(r"(https?://\S+): \1", site.daemon.log()), site.daemon.log()
        assert re.search(advice, words), out
