"""pointsman failover, killed at every message that changes something (each journal entry, each act: just
before it leaves, and just after), and each step made to fail or to hang. After resume or rollback one
master is writable, the name says that one, both replicate and have the same, the journal tells the truth,
nothing that was acknowledged is lost, and at no instant were both writable.

The short form takes some of the points; SOAK=1 all of them, with resume and with rollback at each."""
import itertools
import time

import pytest

from conftest import IS_SOAK, soak
from lib import mysql9
from lib.consul import Consul
from lib.crash import (
    ACTIONS, WAYS, Cell, Table, all_cells, before_act, disturb, finish, kill_at, named, some_cells, undisturbed)
from lib.emergency import said
from lib.proc import wait_for
from lib.relay import Relay
from lib.tripwire import Tripwire, announces
from lib.world import PAIR, World, wait_well


@pytest.fixture(scope="module")
def own_consul(module_procs):
    """It is killed here."""
    return Consul(module_procs).start()


@pytest.fixture(scope="module")
def relay(own_consul):
    relay = Relay((own_consul.address, own_consul.port))
    yield relay
    relay.close()


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, own_consul, relay):
    """The command reaches Consul through the relay, everybody else directly. hz: 1,000 of the watcher are a third
    of a processor, for all of the file."""
    if request.param == "mysql9":
        mysql9.skip_without()
    world = World(module_procs, own_consul, request.param, url="http://" + relay.endpoint, hz=soak(1000, 250))
    yield world
    world.close()


@pytest.fixture
def world(raised, relay):
    relay.set("pass")
    relay.bar(None)
    raised.reset()
    # An agent whose read a dying Consul has left unanswered looks for itself after its max-silence.
    wait_well(raised, soak(75.0, 15.0))
    return raised


def argv(world):
    return ["failover", PAIR, "--plan", world.plan_id(), "--yes"]


def begin(world, at=0, match=None, after=False):
    return Tripwire(world.procs, world.argv(argv(world)), at=at, match=match, after=after)


def check_truth(world, before, op, messages=()):
    """The journal and the world say the same."""
    active = world.check_well()
    if op is None:
        # Between the lock and the first entry there is nothing to resume: the lock ends with its session.
        world.free_lock()
        assert active == before
    else:
        assert op["result"] in ("done", "undone"), op
        assert active == (op["to"] if op["result"] == "done" else op["from"]), op
    assert world.lock_session() is None, world.get("locks/" + PAIR) + "\n".join(
        named(m) for m in messages[-9:])
    return op["result"] if op else "nothing"


def killed_at(world, cell):
    """One cell of the matrix: (message, what was done, outcome); None: it never came there."""
    before = world.named()
    world.api.delete_tree(world.root + "ops/")
    message = kill_at(world, argv(world), cell)
    if message is None:
        world.check_well()
        return (None,)
    words, op = finish(world, cell.way)
    if op is not None and words == "-":
        # Its end was written down; the lock goes with the session.
        world.free_lock()
    return message, words, check_truth(world, before, op)


def test_killed_at_every_message(world):
    undisturbed(world, argv(world))  # the first one of all makes the table of the test write
    messages = undisturbed(world, argv(world))
    world.check_well()
    print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(messages)))
    assert len(all_cells(messages)) >= 13 * 4, messages
    writer = world.writer(rate=100)
    table = Table("planned, " + world.kind)
    for cell in soak(all_cells, some_cells)(messages):
        table.add(cell, *killed_at(world, cell))
    table.end(("done", "undone"))
    report = world.check_writer(writer)
    print("%d rows acknowledged, none lost" % report["acknowledged"])


# What is killed once stopped halfway, and the way that is then killed itself: before its point of no return and behind.
HALFWAY = {"rollback": dict(before_act("lift")), "resume": dict(before_act("lift"), after=True)}


def way_killed_at(world, way, cell):
    """The same of a resume or a rollback: rule 4, what is broken there goes on from there."""
    before = world.named()
    world.api.delete_tree(world.root + "ops/")
    first = begin(world, **HALFWAY[way])
    assert first.wait_stopped(), first.end()
    first.kill()
    op = world.operation()
    if cell is None:
        messages = undisturbed(world, [way, op["id"], "--yes"])
        check_truth(world, before, world.operation())
        return messages
    message = kill_at(world, [way, op["id"], "--yes"], cell)
    if message is None:
        world.check_well()
        return (None,)
    words, op = finish(world, cell.way)
    if words == "-":
        world.free_lock()
    return message, words, check_truth(world, before, op)


@pytest.mark.soak
@pytest.mark.parametrize("way", sorted(HALFWAY))
def test_a_way_out_is_killed_itself(world, way):
    messages = way_killed_at(world, way, None)
    print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(messages)))
    writer = world.writer(rate=100)
    table = Table("%s, %s" % (way, world.kind))
    for at, after, then in itertools.product(range(1, len(messages) + 1), (False, True), WAYS):
        cell = Cell(at, after, then)
        table.add(cell, *way_killed_at(world, way, cell))
    # Behind the point of no return there is only forward.
    table.end(("done",) if way == "resume" else ("done", "undone"))
    report = world.check_writer(writer)
    print("%d rows acknowledged, none lost" % report["acknowledged"])


# --- a step that fails, or hangs -------------------------------------------------------------------------


# What the command is held at: the journal entry of a step, or the act itself, where it has none or the limit of the
# whole runs already; and for one that only looks, just behind the act before it.
STEPS = {"pre-sync": dict(before_act("pre-sync"), after=True), "fence": before_act("fence"),
         "catch-up": {"at": 1, "match": "SET GLOBAL ", "after": True}, "flip": {"at": 1, "match": "names/" + PAIR},
         "lift": before_act("lift"), "agents": {"at": 2, "match": "SET GLOBAL ", "after": True},
         "sessions": before_act("sessions"), "test write": before_act("test-write"),
         "follow": {"at": 1, "match": "REPLACE INTO ", "after": True}}
BEFORE_LIFT = ("pre-sync", "fence", "catch-up", "flip")


def victims(world):
    return {"old": world.servers[world.named()], "new": world.servers[world.other()], "Consul": world.consul,
            "agent": world.agents[0]}


def disturbed(world, step, what, whom):
    """What was said and done, seconds, whether somebody took writes meanwhile, the journal, the messages."""
    world.api.delete_tree(world.root + "ops/")
    process = victims(world)[whom]
    # Writers come before everything: a server that is not the disturbed one and was active is writable again by
    # then, or the new one is.
    done, is_free, took, messages = disturb(world, argv(world), STEPS[step], what, process,
                                            lambda: is_somebody_writable(world, process))
    if process is world.consul:
        world.consul.ensure()
    elif what == "kill" and whom != "agent":
        # As a careful administrator's server comes up: a person starts its replication.
        process.sql("START REPLICA")
    words, op = "exit %d" % done.code, world.operation()
    if done.code == 6:
        print(done)
    if op is not None and op["result"] not in ("done", "undone"):
        words += ", " + finish(world, "resume")[0]
        op = world.operation()
    return words, took, is_free, op, messages


def is_somebody_writable(world, disturbed):
    for server in world.servers.values():
        if server is not disturbed and not server.is_read_only():
            return True
    return False


def mend_what_came_back(world, whom):
    """An old active that was killed comes back read-only, as it should: where the name still says it, a
    person lifts it."""
    named = world.servers[world.named()]
    if named.is_read_only() and world.servers[world.other()].is_read_only():
        named.set_read_only(False)
        return whom + " lifted by hand"
    return ""


CELLS = [(step, what, whom) for step in STEPS for what in ACTIONS for whom in ("old", "new", "Consul")] + [
    ("agents", what, "agent") for what in ACTIONS]
SHORT = [("fence", "freeze", "new"), ("flip", "freeze", "new"), ("flip", "kill", "new"),
         ("flip", "freeze", "Consul"), ("lift", "freeze", "new"), ("lift", "kill", "old"),
         ("catch-up", "kill", "new"), ("follow", "kill", "old")]


@pytest.mark.parametrize("step,what,whom", CELLS if IS_SOAK else SHORT)
def test_something_dies_or_hangs(world, step, what, whom):
    before = world.named()
    words, took, is_free, op, messages = disturbed(world, step, what, whom)
    by_hand = mend_what_came_back(world, whom)
    print("%-10s %-6s %-6s %-20s %5.1f s  free: %s  %s %s" % (
        step, what, whom, words, took, is_free, op and op["result"], by_hand))
    check_truth(world, before, op, messages)
    # While the old one or Consul is disturbed somebody takes writes; with the old one itself gone before
    # the lift, nobody can.
    if not (whom == "old" and step in BEFORE_LIFT) and not (whom == "new" and step == "lift"):
        assert is_free or whom == "new" and op["result"] == "done"


def test_the_answer_of_the_flip_is_lost(world, relay):
    """It is committed, and nobody says so: the truth is looked for, found, and gone on from."""
    command = begin(world, at=1, match=STEPS["flip"]["match"])
    assert command.wait_stopped(), command.end()
    relay.set("deaf")
    command.go_on()
    wait_for("committed", lambda: world.named() == "db4", 5)
    time.sleep(0.3)
    # What the server said meanwhile is gone, and the connection breaks.
    relay.set("pass")
    done = command.end()
    op = world.operation()
    print("exit %d, %s, writes refused %s ms" % (done.code, op["result"], op["refused_ms"]))
    assert done.code in (0, 5), done
    check_truth(world, "db3", op)


def test_the_answer_of_the_flip_stays_lost(world, relay):
    """Longer than the budget: the old one takes writes again, whatever the name says for the moment; once
    Consul answers, the name says so, too."""
    command = begin(world, at=1, match=STEPS["flip"]["match"])
    assert command.wait_stopped(), command.end()
    relay.set("deaf")
    began = time.monotonic()
    command.go_on()
    wait_for("committed", lambda: world.named() == "db4", 5)
    wait_for("db3 takes writes", lambda: world.writable() == ["db3"], 8)
    print("writable again after %.1f s" % (time.monotonic() - began))
    relay.set("pass")
    done = command.end(120)
    op = world.operation()
    assert done.code == 5 and op["result"] == "undone", (done, op)
    check_truth(world, "db3", op)


@pytest.mark.parametrize("step", ["fence", "flip", "lift"])
def test_the_session_ends_in_the_middle(world, step):
    """Somebody else may hold the lock by now: nothing more is done under it."""
    command = begin(world, at=1, match=STEPS[step]["match"])
    assert command.wait_stopped(), command.end()
    world.forget_lock()
    command.go_on()
    done = command.end(120)
    op = world.operation()
    words = "exit %d, %s" % (done.code, op["result"])
    assert step == "lift" or world.writable() == ["db3"], done
    if op["result"] not in ("done", "undone"):
        words += ", " + finish(world, "rollback" if step == "flip" else "resume")[0]
        op = world.operation()
    print("%s: %s, %s" % (step, words, op["result"]))
    check_truth(world, "db3", op)


SURE_S, TTL_S = 10.0, 15.0  # LOCK_SURE_MS and LOCK_TTL_MS in src/operate/op_lock.h


def wait_undone(world, relay):
    """Until that is written down; then Consul still has its session."""
    wait_for("undone", lambda: world.operation()["result"] == "undone", 30)
    # Its end of the session is kept back, too: only the time to live could have ended it.
    session = world.operation()["session"]
    assert world.api.json("GET", "/v1/session/info/" + session), "its session is over already"
    assert relay.kept_back and all(session.encode() in request for request in relay.kept_back), relay.kept_back
    relay.bar(None)


@pytest.mark.parametrize("step", soak(["pre-sync", "fence"], ["fence"]))
def test_the_session_cannot_be_renewed(world, relay, step):
    """Nobody else may have the lock yet, but soon: it stops by itself, and no step comes after it. Both wait for the
    standby: in front of the fence all the time, its renewals never answered; or behind it, while writers are
    refused, because its machine stood still before."""
    command = begin(world, at=1, match=announces(step))
    assert command.wait_stopped(), command.end()
    locked_at = time.monotonic()  # a moment ago
    writer = world.writer(rate=100)
    relay.bar(rb"PUT /v1/session/(renew|destroy)/")
    if step == "fence":
        # The entry of the journal has 10 s, too, and shall arrive.
        time.sleep(SURE_S - 2.0)
    holder = world.db4.open_client()
    holder.stdin.write(b"LOCK TABLES game.t READ; DO GET_LOCK('locked', 0);\n")
    holder.stdin.flush()
    wait_for("the lock", lambda: world.db4.value("SELECT IS_USED_LOCK('locked') IS NULL") == "0", 5)
    world.db3.sql("INSERT INTO game.t SELECT COALESCE(MAX(id), 0) + 1 FROM game.t")
    command.go_on()
    try:
        wait_undone(world, relay)
        took = time.monotonic() - locked_at
        assert world.writable() == ["db3"] and world.named() == "db3"
    finally:
        holder.kill()
        holder.wait()
    assert took < TTL_S, took
    done, op = command.end(), world.operation()
    # Before the fence nothing was changed.
    assert done.code == (3 if step == "pre-sync" else 5), done
    assert "our session could not be renewed for 1" in said(done), done
    states = {step["name"]: step["state"] for step in op["steps"]}
    assert "could not be renewed for 1" in op["error"], op
    print("%s: undone after %.1f s, writes refused %s ms: %s" % (step, took, op["refused_ms"], op["error"]))
    if step == "pre-sync":
        assert states[step] == "failed" and states["fence"] == "waiting", states
    else:
        assert states[step] == "undone" and op["refused_ms"] < 3000, op
    assert {states[s] for s in ("flip", "lift", "agents", "sessions")} == {"waiting"}, states
    writer.wait_rows(20)
    report = world.check_writer(writer)
    assert report["silence"]["ms"] < 3000, report
    check_truth(world, "db3", op)


def test_the_terminal_goes_away(world):
    """A dead ssh: SIGHUP, and nobody reads what it says. It goes on, or back, and never stops half-way."""
    command = begin(world, at=1, match=STEPS["flip"]["match"])
    assert command.wait_stopped(), command.end()
    command.popen.stdout.close()
    command.popen.stderr.close()
    command.popen.send_signal(1)
    command.go_on()
    code = command.popen.wait(60)
    op = world.operation()
    print("exit %d, %s" % (code, op["result"]))
    assert code in (0, 5), op
    check_truth(world, "db3", op)


@pytest.mark.parametrize("step", ["fence", "flip", "lift"])
def test_ctrl_c(world, step):
    """Before the point of no return it undoes, behind it it is not heard."""
    command = begin(world, at=1, match=STEPS[step]["match"])
    assert command.wait_stopped(), command.end()
    command.popen.send_signal(2)
    command.go_on()
    done = command.end()
    op = world.operation()
    print("%s: exit %d, %s" % (step, done.code, op["result"]))
    # The message before which it was held is sent; what comes next is not.
    expected = {"fence": (5, "undone"), "flip": (5, "undone"), "lift": (0, "done")}[step]
    assert (done.code, op["result"]) == expected, done
    check_truth(world, "db3", op)


@pytest.mark.parametrize("step,way", [("fence", "rollback"), ("flip", "resume"), ("flip", "rollback"),
                                      ("lift", "resume")])
def test_taken_over_while_it_was_frozen(world, step, way):
    """Its machine stood still for longer than its session lived, somebody else has ended the operation,
    and then it goes on as if nothing had been: it touches nothing any more."""
    command = begin(world, at=1, match=STEPS[step]["match"])
    assert command.wait_stopped(), command.end()
    world.forget_lock()
    # As on another host, where nobody can see that it is still there: the lock of an ended session.
    other = world.run(way, world.operation()["id"], "--yes", limit=90)
    assert other.code in (0, 3), other
    if other.code == 3:
        assert step == "lift" and way == "rollback", other
    op = world.operation()
    before = world.snapshot()
    command.go_on()
    done = command.end(120)
    print("%s, %s: %s; it then: exit %d" % (step, way, op["result"], done.code))
    assert done.code in (3, 5, 6), done
    assert world.snapshot()[:2] == before[:2] and world.operation() == op
    check_truth(world, "db3", op)
