"""The emergency of a Redis pair and the way back, killed at the messages that change something: after resume or
rollback at most one is a master, the name leads there, and once both are through the other is its replica again
and what was replicated is there."""
import pytest

from conftest import soak
from lib.crash import Table, all_cells, finish, kill_at, some_cells, undisturbed
from lib.redis_desk import RedisDesk, emergency, emergency_argv, rejoin, words

REJOIN = ["rejoin", "sessions", "--yes"]


@pytest.fixture(scope="module")
def raised(module_procs, consul):
    return RedisDesk(module_procs, consul)


def die(desk, kind, mark):
    """r4 is dead, for an emergency; or has come back behind one, for a rejoin."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    if desk.active() != "r4":
        assert desk.failover().code == 0
        desk.check_settled()
    desk.api.delete_tree(desk.root + "ops/")
    r4.call("SET", "cell", mark)
    r5.wait_fed(r4, 10)
    r4.call("SAVE")  # a dump of this history: what it has after its start can be compared
    r4.kill()
    if kind == "rejoin":
        assert emergency(desk).code in (0, 1)
        r4.start()


def argv(desk, kind):
    return emergency_argv(desk) if kind == "emergency" else REJOIN


def check_taken_back(desk, kind):
    """Nobody takes writes who did not before."""
    r5 = desk.servers["r5"]
    if kind == "emergency":
        assert desk.active() == "r4" and r5.call("ROLE")[0] == "slave"
    else:
        assert desk.active() == "r5" and r5.call("ROLE")[0] == "master"


def killed_at(desk, kind, cell):
    """(message, what was done, outcome); None: it has ended before it came there."""
    mark = "%s %d %s %s" % (kind, *cell)
    die(desk, kind, mark)
    message, done, op = kill_at(desk, argv(desk, kind), cell, (0, 1)), "", None
    if message is not None:
        done, op = finish(desk, cell.way, kind)
        desk.free_lock()
        if op is None or op["result"] == "undone":
            check_taken_back(desk, kind)
            again = emergency(desk) if kind == "emergency" else rejoin(desk)
            assert again.code in (0, 1), words(again)
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    assert desk.active() == "r5" and r5.call("ROLE")[0] == "master" and r5.call("GET", "cell") == mark
    if kind == "emergency":
        r4.start()
        back = rejoin(desk)
        assert back.code == 0, (cell, words(back))
    desk.check_settled()
    return message, done, op["result"] if op else "nothing"


@pytest.mark.parametrize("kind", ["emergency", "rejoin"])
def test_killed_at_the_messages(raised, kind):
    die(raised, kind, "undisturbed")
    messages = undisturbed(raised, argv(raised, kind), (0, 1))
    if kind == "emergency":
        raised.servers["r4"].start()
        assert rejoin(raised).code == 0
    raised.check_settled()
    table = Table(kind + ", Redis")
    for cell in soak(all_cells, lambda m: some_cells(m, 6))(messages):
        table.add(cell, *killed_at(raised, kind, cell))
    table.end(soak(("done", "undone"), ("done",)))
