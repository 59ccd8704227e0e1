"""The emergency of a Redis pair and the way back, killed at the messages that change something: after resume one
is a master, the name leads there, the other is its replica again, and what was replicated is there."""
import pytest

from conftest import IS_SOAK
from lib.proc import wait_for
from lib.redis_desk import RedisDesk, emergency, emergency_argv, named, rejoin, words
from lib.tripwire import Tripwire


@pytest.fixture(scope="module")
def raised(module_procs, consul):
    return RedisDesk(module_procs, consul)


def finish(desk, again):
    """After a kill: the operation is resumed, or where it had not begun, done anew; how it ended."""
    last = desk.last()["result"] if desk.api.list(desk.root + "ops/") else "none"
    if last == "running":
        done = desk.run("resume", desk.last()["id"], "--yes", limit=90)
    desk.forget_lock()
    if last == "none":
        done = again()
    if last in ("running", "none"):
        assert done.code in (0, 1), words(done)
    return desk.last()["result"]


def killed_at(desk, kind, at, after):
    """One cell; None: it has ended before it came there."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    if desk.active() != "r4":
        assert desk.failover().code == 0
        desk.check_settled()
    desk.api.delete_tree(desk.root + "ops/")
    r4.call("SET", "cell", "%d%s" % (at, after))
    r5.wait_fed(r4, 10)
    r4.call("SAVE")  # a dump of this history: what it has after its start can be compared
    r4.kill()
    if kind == "rejoin":
        assert emergency(desk).code in (0, 1)
        r4.start()
        desk.api.delete_tree(desk.root + "ops/")
    argv = emergency_argv(desk) if kind == "emergency" else ["rejoin", "sessions", "--yes"]
    command = Tripwire(desk.procs, desk.argv(argv), at=at, after=after)
    is_stopped = command.wait_stopped()
    if is_stopped:
        command.kill()
        result = finish(desk, lambda: emergency(desk) if kind == "emergency" else rejoin(desk))
        assert result == "done", (kind, at, after, result)
    else:
        assert command.end().code in (0, 1)
    assert desk.active() == "r5" and r5.call("ROLE")[0] == "master"
    assert r5.call("GET", "cell") == "%d%s" % (at, after)
    if kind == "emergency":
        r4.start()
        done = rejoin(desk)
        assert done.code == 0, (at, after, words(done))
    desk.check_settled()
    messages = command.messages()
    return (named(messages[-1]), "after" if after else "before") if is_stopped else None


@pytest.mark.parametrize("kind", ["emergency", "rejoin"])
def test_killed_at_the_messages(raised, kind):
    desk, at, rows = raised, 0, []
    while True:
        at += 1 if IS_SOAK else 4
        sides = (False, True) if IS_SOAK else (at % 8 == 0,)
        cells = [killed_at(desk, kind, at, after) for after in sides]
        rows += ["%5d %-28s %s" % (at, *cell) for cell in cells if cell]
        if None in cells:
            break
    print("\n".join(["", "point message                      killed"] + rows))
    assert len(rows) >= (8 if IS_SOAK else 2), rows
    wait_for("settled", lambda: desk.run("drift").code == 0, 10, 0.1)
