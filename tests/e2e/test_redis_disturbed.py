"""Operations of a Redis pair in which a server or Consul dies or hangs at a step: once it is mended and the operation
was resumed or done anew, one is a master, the name leads there, the other is its replica, and what was acknowledged
and replicated is there. (What is killed as a master comes back without data, and is not for here.)"""
import pytest

from conftest import soak
from lib.consul import Consul
from lib.crash import ACTIONS, before_act, disturb, finish
from lib.redis_desk import RedisDesk, emergency, emergency_argv, rejoin, words

FLIP = {"at": 1, "match": "names/sessions"}
PLANNED = dict({step: before_act(step) for step in (
    "pre-sync", "fence", "promote", "attach", "sessions", "keep")}, flip=FLIP)
EMERGENCY = dict({step: before_act(step) for step in ("fence", "promote", "old", "keep")}, flip=FLIP)
REJOIN = {step: before_act(step) for step in ("fence", "history", "attach", "keep")}
STEPS = {"failover": PLANNED, "emergency": EMERGENCY, "rejoin": REJOIN}
CELLS = [("failover", step, "freeze", whom) for step in PLANNED for whom in ("old", "new")] + [
    ("failover", step, "kill", "new") for step in ("pre-sync", "fence", "flip")] + [
    ("emergency", step, "freeze", "new") for step in EMERGENCY] + [
    ("rejoin", step, "freeze", whom) for step in REJOIN for whom in ("old", "new")] + [
    (kind, step, what, "Consul") for kind, steps in STEPS.items() for step in steps for what in ACTIONS]
SHORT = [("failover", "attach", "freeze", "old"), ("rejoin", "attach", "freeze", "new")]


@pytest.fixture(scope="module")
def own_consul(module_procs):
    """It is killed here."""
    return Consul(module_procs).start()


@pytest.fixture(scope="module")
def raised(module_procs, own_consul):
    desk = RedisDesk(module_procs, own_consul)
    desk.consul = own_consul
    return desk


def argv(desk, kind):
    if kind == "emergency":
        return emergency_argv(desk)
    return ["rejoin", "sessions", "--yes"] if kind == "rejoin" else [
        "failover", "sessions", "--plan", desk.plan(), "--yes"]


def prepare(desk, kind, mark):
    """The active one and the other, behind whatever comes before the operation."""
    old, new = desk.servers[desk.active()], desk.servers[desk.standby()]
    desk.api.delete_tree(desk.root + "ops/")
    old.call("SET", "cell", mark)
    new.wait_fed(old, 10)
    if kind != "failover":
        old.call("SAVE")  # a dump of this history: what it has after its start can be compared
        old.kill()
    if kind == "rejoin":
        assert emergency(desk).code in (0, 1)
        old.start()
    return old, new


@pytest.mark.parametrize("kind,step,what,whom", soak(CELLS, SHORT))
def test_something_dies_or_hangs(raised, kind, step, what, whom):
    desk, mark = raised, "%s %s %s %s" % (kind, step, what, whom)
    old, new = prepare(desk, kind, mark)
    process = {"old": old, "new": new, "Consul": desk.consul}[whom]
    writer, watch = desk.writer(), desk.watch()
    done, _, took, _ = disturb(desk, argv(desk, kind), STEPS[kind][step], what, process)
    desk.consul.ensure()
    done_then, op = finish(desk, "resume", kind)
    desk.free_lock()
    result = op["result"] if op else "nothing"
    if kind != "failover" and result != "done":
        again = emergency(desk) if kind == "emergency" else rejoin(desk)
        done_then += ", anew %d" % again.code
        assert again.code in (0, 1), words(again)
    print("%-9s %-9s %-6s %-6s %4.1f s, exit %d, %s: %s" % (
        kind, step, what, whom, took, done.code, done_then, result))
    assert (desk.active() == new.name) == (kind != "failover" or result == "done")
    if kind == "emergency":
        old.start()
        assert rejoin(desk).code == 0
    desk.check_settled()
    writer.stop()
    watch.stop()
    assert kind != "failover" or not watch.two
    for server in desk.servers.values():
        assert server.call("GET", "cell") == mark and writer.lost(server) == []
