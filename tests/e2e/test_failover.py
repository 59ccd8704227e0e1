"""pointsman failover, planned: what its plan says and who may begin it. What is not typed, not current or not
wanted by somebody is refused, and nothing is changed on the servers or in the KV."""
import re
import time

import pytest

from lib.cli import FakeAgent, check_width
from lib.proc import wait_for
from lib.tripwire import Tripwire, announces
from lib.world import PAIR, World, wait_well


@pytest.fixture(scope="module")
def raised(module_procs, consul):
    world = World(module_procs, consul, agents=2, hz=100)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    raised.reset()
    wait_well(raised)
    return raised


def nothing_changed(world, before, done, code):
    assert done.code == code, done
    assert world.snapshot() == before
    assert world.lock_session() is None
    world.check_well("db3")


# --- the plan ---------------------------------------------------------------------------------------------


def test_the_plan_says_what_comes(world):
    before = world.snapshot()
    code, plan = world.plan()
    assert code == 0
    assert (plan["pair"], plan["from"], plan["to"]) == (PAIR, "db3", "db4")
    names = [s["name"] for s in plan["steps"]]
    for earlier, later in zip(["fence", "catch-up", "flip", "lift"], ["catch-up", "flip", "lift", "agents"]):
        assert names.index(earlier) < names.index(later), names
    for step in plan["steps"]:
        assert 0 < step["expect_ms"] <= step["limit_ms"] and step["undo"], step
    assert 0 < plan["refused_ms"] < 3000
    text = world.run("failover", PAIR, "--dry-run")
    check_width(text.out)
    nothing_changed(world, before, text, 0)


def test_a_person_types_the_name(world):
    done = world.run_tty("failover", PAIR, typed={"Type": PAIR + "\r"}, limit=40)
    assert done.code == 0, done
    check_width(done.out)
    world.check_well("db4")


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["maindbb\r", "db4\r", "yes\r", "\r", "\x03", "\x04"])
def test_anything_else_stops(world, typed):
    before = world.snapshot()
    done = world.run_tty("failover", PAIR, typed={"Type": typed})
    nothing_changed(world, before, done, 4)


def test_without_a_terminal_a_plan_is_needed(world):
    before = world.snapshot()
    for arguments in ([], ["--yes"], ["--plan", world.plan_id()]):
        done = world.run("failover", PAIR, *arguments)
        nothing_changed(world, before, done, 3)
        assert "--plan" in done.out + done.err, done


def test_a_plan_of_another_state_is_refused(world):
    stale = world.plan_id()
    # To and fro: all is as it was, but not the state that somebody looked at.
    world.put("names/" + PAIR, "db4")
    world.put("names/" + PAIR, "db3")
    world.wait_served()
    wait_well(world)
    before = world.snapshot()
    for plan in (stale, "00000000-0000", "nonsense", ""):
        done = world.run("failover", PAIR, "--plan", plan, "--yes")
        nothing_changed(world, before, done, 2 if plan == "" and done.code == 2 else 3)
    used = world.plan_id()
    # The first digit of its time: six days.
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    mistyped = used[:-4] + digits[(digits.index(used[-4]) + 16) % 32] + used[-3:]
    done = world.run("failover", PAIR, "--plan", mistyped, "--yes")
    nothing_changed(world, before, done, 3)
    assert "mistyped" in done.out + done.err, done
    assert world.run("failover", PAIR, "--plan", used, "--yes").code == 0
    again = world.run("failover", PAIR, "--plan", used, "--yes")
    assert again.code == 3, again
    world.check_well("db4")


def test_what_is_no_pair_or_no_target(world):
    before = world.snapshot()
    nothing_changed(world, before, world.run("failover", "maindbb", "--dry-run"), 2)
    for to in ("db3", "db9"):
        nothing_changed(world, before, world.run("failover", PAIR, "--to", to, "--dry-run"), 3)
    assert world.run("failover", PAIR, "--to", "db4", "--dry-run").code == 0
    twice = world.run("failover", PAIR, "--without", "web-1", "--without", "web-2", "--dry-run")
    assert twice.code == 2 and "all in one: web-1,web-2" in twice.err, twice


def test_two_operators_at_once(world):
    plan = world.plan_id()
    # Its first journal entry: by then it has the lock.
    first = Tripwire(world.procs, world.argv(["failover", PAIR, "--plan", plan, "--yes"]), at=1,
                     match="ops/")
    assert first.wait_stopped(), first.end()
    before = world.snapshot()
    began = time.monotonic()
    second = world.run("failover", PAIR, "--plan", plan, "--yes")
    # At once, and not after the half minute that a dead one's lock would be waited for.
    assert second.code == 3 and time.monotonic() - began < 15, second
    # Who, since when, doing what.
    for words in ("uid", "since 20", "failover db3 ==> db4"):
        assert words in " ".join((second.out + second.err).split()), second
    named = re.search(r"operation\s+(\w{10})", second.out + second.err).group(1)
    assert world.snapshot() == before
    first.go_on()
    done = first.end()
    assert done.code == 0, done
    assert world.history()[0]["id"] == named
    world.check_well("db4")


# --- it stopped halfway, and the pair went on without it -----------------------------------------------------


def refuses_to_go_on(world, op, words):
    """Neither way: nothing is changed, and it is said why."""
    def seen():
        return world.api.index(world.root), world.named(), world.writable()
    before = seen()
    for way in ("resume", "rollback"):
        done = world.run(way, op, "--yes")
        assert done.code == 3 and words in " ".join(done.err.split()), done
        assert seen() == before


def stopped_at_its_lift(world, after):
    """Before the journal says that it begins; after: behind it, and by that behind the point of no return."""
    command = Tripwire(world.procs, world.argv(["failover", PAIR, "--plan", world.plan_id(), "--yes"]), at=1,
                       match=announces("lift"), after=after)
    assert command.wait_stopped(), command.end()
    return command


def killed_at_its_lift(world, after):
    """The operation's id."""
    stopped_at_its_lift(world, after).kill()
    return world.history()[0]["id"]


def test_the_new_one_dies_at_its_lift_and_stays_away(world):
    """Stuck behind the point of no return: the way out is named at each step. And once it is gone, what is stuck
    cannot be gone on with: it would make the wrong one writable."""
    command = stopped_at_its_lift(world, after=True)
    world.db4.kill()
    command.go_on()
    stuck = command.end()
    op = world.history()[0]["id"]
    assert stuck.code == 6 and "failover maindb --emergency if db4 is gone" in " ".join(stuck.out.split()), stuck
    done = world.run("resume", op, "--yes")
    assert done.code == 3 and "db4" in done.err and "Consul" not in done.err, done
    assert "when it answers: pointsman resume " + op in done.err, done
    assert "pointsman failover maindb --emergency" in done.err, done
    away = ("--emergency", "--dead", "db4")
    assert world.failover(*away).code in (0, 1)
    assert world.writable() == ["db3"] and world.named() == "db3"
    later = world.history()[0]["id"]
    refuses_to_go_on(world, op, "operation %s is over: operation %s came after it" % (op, later))
    world.db4.start()
    assert world.run("rejoin", PAIR, "--yes", limit=60).code == 0
    refuses_to_go_on(world, op, "operation %s is over" % op)
    world.check_well("db3")
    found = world.run("-o", "json", "history").json
    assert [e.get("overtaken_by") for e in found] == [None, None, found[0]["id"]], found
    done = world.run("history")
    assert "pointsman resume" not in done.out and "failed @5" in done.out, done
    done = world.run("history", op)
    assert "overtaken by %s" % found[0]["id"] in done.out and "pointsman resume" not in done.out, done
    assert world.run("doctor", PAIR).code == 0


def test_somebody_moved_the_name_behind_its_point_of_no_return(world):
    """It does not make writable what nobody is led to any more."""
    op = killed_at_its_lift(world, after=True)
    world.db4.set_read_only(True)
    world.put("names/" + PAIR, "db3")
    world.db3.set_read_only(False)
    before = world.snapshot()
    done = world.run("resume", op, "--yes", limit=60)
    assert done.code == 3 and "somebody made maindb lead to db3 meanwhile" in done.err, done
    assert "pointsman rejoin maindb" in done.err and world.snapshot() == before, done
    world.free_lock()
    assert world.run("rejoin", PAIR, "--yes", limit=60).code == 0
    refuses_to_go_on(world, op, "operation %s is over" % op)
    world.check_well("db3")


def test_a_rejoin_behind_nobody_who_writes_is_refused(world):
    """Somebody moved the name alone: to fence the other one would leave nobody who takes writes."""
    world.put("names/" + PAIR, "db4")
    done = world.run("rejoin", PAIR, "--yes", limit=60)
    assert done.code == 3 and "db4, where maindb leads, takes no writes" in " ".join(done.out.split()), done
    assert world.writable() == ["db3"] and world.lock_session() is None
    world.put("names/" + PAIR, "db3")
    world.check_well("db3")


# --- agents ----------------------------------------------------------------------------------------------


def test_two_take_it_up_on_one_host(world):
    """Both know that its tool is dead; one has it, and the other one's refusal takes nothing from them. Fails when
    the session that both adopt is ended by who was refused."""
    op, first = killed_at_its_lift(world, after=False), []

    def meanwhile():
        first.append(Tripwire(world.procs, world.argv(["resume", op, "--yes"]), at=1, match=announces("lift")))
        assert first[0].wait_stopped(), first[0].end()
        return PAIR + "\r"
    second = world.run_tty("rollback", op, typed={"Type": meanwhile}, limit=60)
    assert second.code == 3 and "went on meanwhile" in " ".join(second.out.split()), second
    assert world.lock_session(), "the lock of who is at work is gone"
    first[0].go_on()
    done = first[0].end()
    assert done.code == 0, done
    world.check_well("db4")


def test_what_the_old_one_took_meanwhile_is_not_lost(world):
    """It turned back where Consul did not hear it: db3 takes writes again, and the journal says that db4 was to be
    lifted. Fails when the resume fences the one and lifts the other in one breath."""
    op = killed_at_its_lift(world, after=True)
    world.db4.sql("STOP REPLICA")
    world.db3.set_read_only(False)
    world.db3.sql("INSERT INTO game.t SELECT COALESCE(MAX(id), 0) + 1 FROM game.t")
    row = world.db3.value("SELECT MAX(id) FROM game.t")
    done = world.run("resume", op, "--yes", limit=60)
    assert done.code == 6 and "db3 took writes since" in " ".join((done.out + done.err).split()), done
    assert world.writable() == ["db3"], done
    world.db4.sql("START REPLICA")
    world.free_lock()
    done = world.run("resume", op, "--yes", limit=60)
    assert done.code == 0, done
    assert world.db4.value("SELECT COUNT(*) FROM game.t WHERE id = %s" % row) == "1"
    world.check_well("db4")


def test_a_rejoin_whose_name_was_moved_at_the_prompt(world):
    """It would fence the server that clients are led to by then. Fails when only the first look counts."""
    before = []

    def moved():
        world.put("names/" + PAIR, "db4")
        before.append(world.writable())
        return PAIR + "\r"
    done = world.run_tty("rejoin", PAIR, typed={"Type": moved}, limit=40)
    assert done.code == 3 and "somebody made maindb lead to db4 meanwhile" in " ".join(done.out.split()), done
    assert world.writable() == before[0] == ["db3"] and world.lock_session() is None
    world.put("names/" + PAIR, "db3")


def test_an_agent_that_is_dead_is_named(world):
    dead = FakeAgent(world, "web-9", is_alive=False)
    before = world.snapshot()
    try:
        done = world.run("failover", PAIR, "--dry-run")
        nothing_changed(world, before, done, 3)
        assert "web-9" in done.out + done.err, done
        done = world.failover("--without", "web-9")
        assert done.code == 0, done
        world.check_well("db4")
    finally:
        world.api.delete(world.root + "agents/" + dead.node)


def test_an_agent_that_stays_behind_is_named(world):
    """It serves the generation of now, and never the next one."""
    straggler = FakeAgent(world, "web-8", generation=world.generation())
    try:
        writer = world.writer(rate=200)
        done = world.failover()
        assert done.code == 1 and "web-8" in done.out + done.err, done
        report = world.check_writer(writer)
        # Nobody else waited for it.
        assert report["handovers"][0]["refused_ms"] < 2000, report
        world.check_well("db4")
    finally:
        world.api.delete(world.root + "agents/" + straggler.node)


def test_an_agent_that_serves_an_old_generation_is_named(world):
    old = world.generation()
    world.put("names/other", "db3")
    world.wait_served()
    stale = FakeAgent(world, "web-7", generation=old)
    try:
        before = world.snapshot()
        done = world.run("failover", PAIR, "--dry-run")
        nothing_changed(world, before, done, 3)
        assert "web-7" in done.out + done.err, done
    finally:
        world.api.delete(world.root + "agents/" + stale.node)
        wait_for("gone", lambda: world.get("agents/web-7") is None)
