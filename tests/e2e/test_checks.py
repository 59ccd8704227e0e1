"""One vantage: what is down is found within the bound and said as what it is; what is not is not."""
import json
import re
import signal
import time

import pytest

from conftest import soak
from lib.daemon import settle
from lib.proc import loopback_net, wait_for
from lib.redis import Redis
from lib.vantage import Vantage, seed

_count = [0]


@pytest.fixture
def root(consul):
    _count[0] += 1
    root = "checks%d/" % _count[0]
    seed(consul.api, root)
    return root


@pytest.fixture
def redis(procs):
    return Redis(procs, address=loopback_net() + "1").start()


def target(server):
    return "%s:%d" % (server.address, server.port)


def wait_failing(vantage, name, since, slack=0.5):
    """Returns how long it took; it has to be within the bound that the check prints."""
    bound = vantage.check(name)["bound_ms"] / 1000
    vantage.wait_check(name, "failing", bound + slack)
    return time.monotonic() - since


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_dead_server_is_found_within_the_bound(procs, consul, root, redis, fault):
    """Fails when debounce waits for too long, or calls a hanging server something else."""
    vantage = Vantage(procs, consul.url, root, checks={
        "sessions": {"type": "redis", "target": target(redis)},
        "port": {"type": "tcp", "target": target(redis)}}).start().wait_known()
    settle(1.0)
    assert vantage.check("sessions")["state"] == "passing"
    began = time.monotonic()
    redis.kill() if fault == "killed" else redis.freeze()
    took = wait_failing(vantage, "sessions", began)
    check = vantage.check("sessions")
    print("%s: found after %.2f s of at most %.2f s" % (fault, took, check["bound_ms"] / 1000))
    assert check["class"] == {"killed": "refused", "frozen": "timeout"}[fault]
    assert check["level"] == "critical" and not check["confirmed"]
    assert "!" in check["strip"] and check["failures"][0]["class"] == check["class"]
    wait_for("a problem", lambda: any(p["what"].startswith("check sessions:") and
                                      p["severity"] == "critical" for p in vantage.problems()), 3)
    assert vantage.metric('pointsman_check_state{check="sessions"}') == 3

    def published():
        key = "%shealth/sessions/web-1" % root
        document = json.loads(consul.api.list(key).get(key, b"{}"))
        return document.get("state") == "failing" and document["class"] == check["class"]
    wait_for("published", published, 3)
    # A frozen server still accepts: that is all that a tcp check asks.
    if fault == "frozen":
        assert vantage.check("port")["state"] == "passing"
        redis.thaw()
    else:
        redis.start()
    vantage.wait_check("sessions", "passing", 10)
    wait_for("no problem", lambda: "sessions" not in vantage.problem_text(), 3)


def test_a_blip_is_not_an_event(procs, consul, root, redis):
    """Fails when one bad result counts."""
    vantage = Vantage(procs, consul.url, root, checks={
        "sessions": {"type": "redis", "target": target(redis), "window": "3s"}}).start().wait_known()
    for _ in range(3):
        redis.freeze()
        wait_for("suspect", lambda: vantage.check("sessions")["state"] == "suspect", 5)
        redis.thaw()
        wait_for("passing", lambda: vantage.check("sessions")["state"] == "passing", 5)
    assert "sessions: failing" not in vantage.log()
    assert "check sessions" not in vantage.problem_text()


def test_a_reload_keeps_what_did_not_change(procs, consul, root, redis):
    """Fails when a reload forgets states, history or connections."""
    vantage = Vantage(procs, consul.url, root, checks={
        "up": {"type": "redis", "target": target(redis)},
        "down": {"type": "tcp", "target": redis.address + ":1"},
        "other": {"type": "tcp", "target": target(redis)}}).start().wait_known()
    vantage.wait_check("down", "failing")
    settle(1.0)
    before, clients = vantage.checks(), redis.info("stats")["total_connections_received"]
    vantage.config.checks["other"]["interval"] = "1s"
    vantage.write_config()
    vantage.signal(signal.SIGHUP)
    wait_for("reloaded", lambda: "configuration reloaded" in vantage.log(), 15)
    wait_for("it answers", vantage.try_status, 5)
    after = vantage.checks()
    assert after["down"]["state"] == "failing" and after["down"]["since"] == before["down"]["since"]
    assert after["up"]["runs"] >= before["up"]["runs"]
    assert after["other"]["runs"] <= 2 and after["other"]["interval_ms"] == 1000
    settle(1.0)
    new = int(redis.info("stats")["total_connections_received"]) - int(clients)
    # One is the tcp check's of every second, and one is ours that asks.
    assert new < 8 and vantage.check("up")["state"] == "passing"
    assert vantage.log().count("check down: failing") == 1


def test_a_stopped_daemon_judges_nothing_stale(procs, consul, root, redis):
    """The process is stopped while the server is frozen and comes back. Fails when results from before
    the stop, or timeouts that passed during it, are counted."""
    pause = soak(60, 5)
    vantage = Vantage(procs, consul.url, root, checks={
        "sessions": {"type": "redis", "target": target(redis)}}).start().wait_known()
    settle(1.0)
    redis.freeze()
    wait_for("suspect", lambda: vantage.check("sessions")["state"] == "suspect", 5, 0.01)
    vantage.freeze()
    time.sleep(pause)
    vantage.thaw()
    settle(4.0)  # more than the bound: the server is still frozen
    own, check = vantage.own("sessions"), vantage.check("sessions")
    assert own["state"] == "passing" and own["sight"] == "held"
    # The only one who could tell does not trust its eyes: nobody's verdict, and its state is frozen.
    assert check["state"] == "passing" and check["verdict"].startswith("nobody can tell")
    assert "check sessions: failing" not in vantage.log()
    assert any("holds its verdicts" in p["what"] for p in vantage.problems())
    assert json.loads(consul.api.get(root + "health/.vantages/web-1"))["sight"] == "held"
    redis.thaw()


def test_a_mute_hides_the_problem_and_expires(procs, consul, root, redis):
    """Fails when a mute is not honoured, not shown, or for ever."""
    vantage = Vantage(procs, consul.url, root, checks={
        "down": {"type": "tcp", "target": redis.address + ":1"}}).start().wait_known()
    wait_for("a problem", lambda: "check down" in vantage.problem_text(), 10)

    def iso(at):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    until = time.time() + 4
    consul.api.put(root + "health/.mutes/down", json.dumps(
        {"until": iso(until), "since": iso(time.time()), "who": "ola", "why": "repair"}))
    wait_for("muted", lambda: "check down" not in vantage.problem_text(), 3)
    check = vantage.check("down")
    assert check["state"] == "failing" and check["muted"]["why"] == "repair"
    wait_for("told again", lambda: "check down" in vantage.problem_text(), 20)
    assert time.time() >= until - 1
    assert vantage.check("down")["muted"] is None


def test_hostile_documents(procs, consul, root, redis):
    """Whoever may write to the KV can write anything. Fails when it ends up on a page, or ends us."""
    vantage = Vantage(procs, consul.url, root, checks={
        "sessions": {"type": "redis", "target": target(redis)}}).start().wait_known()
    settle(0.5)
    bad = {"sessions/evil": '{"state":"failing","level":"critical","class":"refused","since":'
                            '"2026-01-01T00:00:00Z","output":"\\u001b[2J<script>","type":"x",'
                            '"target":"\\n"}',
           "sessions/nul": b'{"state":"fail\0', "sessions/list": "[" * 5000,
           "sessions/EVIL": "{}", "a/b/c/d": "{}", ".vantages/evil": '{"sight":"sighted"}',
           ".mutes/sessions": '{"until":"forever"}', "sessions/big": "x" * 300000,
           "../names/maindb": "db9"}
    consul.api.put_all({root + "health/" + k: v for k, v in bad.items()})
    settle(1.5)
    check = vantage.check("sessions")
    assert check["state"] == "passing" and check["muted"] is None
    body = vantage.http(path="/v1/checks")[2]
    assert not re.search(rb"[\x00-\x09\x0b-\x1f]", body) and b"\x1b" not in body
    assert vantage.is_alive()


def test_no_core_file_can_hold_a_password(procs, consul, root, redis):
    """Fails when the limit or the flag is not set."""
    vantage = Vantage(procs, consul.url, root, checks={
        "sessions": {"type": "redis", "target": target(redis)}}).start()
    with open("/proc/%d/limits" % vantage.pid) as f:
        core = [line for line in f if line.startswith("Max core file size")][0]
    assert core.split()[4:6] == ["0", "0"], core


def test_consul_away(procs, consul, root, redis):
    """Checks go on without Consul, and what they found is there when it is back."""
    from lib.relay import Relay
    relay = Relay((consul.address, consul.port))
    vantage = Vantage(procs, "http://" + relay.endpoint, root, checks={
        "sessions": {"type": "redis", "target": target(redis)}}).start().wait_known()
    wait_for("published", lambda: consul.api.list(root + "health/sessions/"), 10)
    relay.set("refuse")
    wait_for("Consul is away", lambda: not vantage.status()["consul"]["up"], 10)
    cpu = vantage.cpu_seconds()
    redis.kill()
    vantage.wait_check("sessions", "failing", 10)
    settle(2.0)
    assert vantage.cpu_seconds() - cpu < 1.0, "busy while Consul is away"
    relay.set("pass")
    wait_for("published", lambda: json.loads(
        consul.api.get(root + "health/sessions/web-1"))["state"] == "failing", 30, 0.1)
    vantage.terminate()
    relay.close()
