"""An emergency of a MariaDB or MySQL pair, and the rejoin behind it, in which the other server or Consul dies or
hangs at a step: in the end, once it is mended and the operation was resumed or done anew, one is writable, the name
leads there, the pair is whole, and nothing that was acknowledged is lost."""
import pytest

from conftest import soak
from lib.consul import Consul
from lib.crash import ACTIONS, before_act, disturb, finish
from lib.emergency import REJOIN, EmergencyWorld, Round, begin
from lib.world import PAIR


@pytest.fixture(scope="module")
def own_consul(module_procs):
    """It is killed here."""
    return Consul(module_procs).start()


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, own_consul):
    world = EmergencyWorld(module_procs, own_consul, request.param)
    begin(world)
    world.the_writer = world.writer(rate=100)
    yield world
    world.the_writer.stop()
    report = world.the_writer.check(world.servers[world.named()], world.servers[world.other()])[1]
    print("%d rows acknowledged, %d lost" % (report["acknowledged"], report["lost"]))
    assert report["lost"] == 0 and report["duplicated"] == 0 and report["equal"], report
    world.close()


@pytest.fixture
def world(raised):
    """As the case before has left it, if it has left a whole pair."""
    raised.consul.ensure()
    try:
        raised.check_well()
    except AssertionError:
        begin(raised)
    raised.watcher.report()
    return raised


FLIP = {"at": 1, "match": "names/" + PAIR}
EMERGENCY = dict({step: before_act(step) for step in ("semi-sync", "part", "stop", "lift", "test-write", "old")},
                 flip=FLIP, drain={"at": 2, "match": "rpl_semi_sync", "after": True})
REJOINING = dict({step: before_act(step) for step in ("sessions", "compare", "follow", "back", "semi-sync")},
                 catching_up={"at": 1, "match": "START ", "after": True},
                 coming_back={"at": 2, "match": "START ", "after": True})


def all_of(steps, whom):
    return [(step, what, who) for step in steps for what in ACTIONS for who in whom]


def lift_by_hand(world):
    """The active one was killed and comes back read-only, as it should: a person lifts it."""
    active = world.servers[world.named()]
    if active.is_read_only() and world.writable() == []:
        active.set_read_only(False)
        return ", lifted by hand"
    return ""


def disturbed(round, args, kind, where, what, whom):
    """What was said and done, in words; the result of the operation."""
    world = round.world
    process = {"new": round.servers[round.new], "old": round.servers[round.old], "Consul": world.consul}[whom]
    done, _, took, _ = disturb(world, args, where, what, process)
    world.consul.ensure()
    if what == "kill" and whom == "new":
        round.has_semi_sync = None  # what it was told is gone, unless it had been noted before
    words, op = finish(world, "resume", kind)
    world.free_lock()
    return "%4.1f s, exit %d, %s" % (took, done.code, words), op["result"] if op else "nothing"


@pytest.mark.soak
@pytest.mark.parametrize("step,what,whom", soak(all_of(EMERGENCY, ("new", "Consul")),
                                                [("part", "freeze", "new")]))
def test_an_emergency(world, step, what, whom):
    round = Round(world, world.the_writer)
    round.die()
    words, result = disturbed(round, round.emergency_args(), "emergency", EMERGENCY[step], what, whom)
    if result != "done":
        assert (world.named(), world.writable()) == (round.old, [])
        done = world.emergency("--dead", round.old)
        words += ", anew %d" % done.code
        assert done.code in (0, 1), (words, done)
    words += lift_by_hand(world)
    print("emergency  %-10s %-6s %-6s %s: %s" % (step, what, whom, words, result))
    assert (world.named(), world.writable()) == (round.new, [round.new])
    world.the_writer.wait_rows(5)
    world.come_back(round.old)
    round.rejoin()


@pytest.mark.soak
@pytest.mark.parametrize("step,what,whom", soak(all_of(REJOINING, ("old", "new", "Consul")),
                                                [("follow", "kill", "old")]))
def test_a_rejoin(world, step, what, whom):
    round = Round(world, world.the_writer)
    round.die()
    round.emergency()
    world.come_back(round.old)
    words, result = disturbed(round, REJOIN, "rejoin", REJOINING[step], what, whom)
    words += lift_by_hand(world)
    assert (world.named(), world.writable()) == (round.new, [round.new])
    if not all(server.is_replicating() for server in round.servers.values()):
        done = world.rejoin()
        words += ", anew %d" % done.code
        assert done.code == 0, (words, done)
    print("rejoin     %-11s %-6s %-6s %s: %s" % (step, what, whom, words, result))
    world.the_writer.wait_rows(5)
    round.check_whole()
