"""The emergency of a MariaDB or MySQL pair and the rejoin behind it, killed at every message that changes something,
just before it leaves and just after. In each round the active server dies under the writer, the emergency is
killed and ended by resume or rollback, the old one comes back, the rejoin is killed and ended, and the pair is
whole again the other way round. What was acknowledged is there in the end: by the standby's having it or, where only
the dead one did, by what the rejoin that was held has saved."""
import itertools

import pytest

from conftest import soak
from lib.crash import Table, all_cells, some_cells, undisturbed
from lib.emergency import REJOIN, EmergencyWorld, Round, begin


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def world(request, module_procs, consul):
    world = EmergencyWorld(module_procs, consul, request.param, hz=soak(1000, 250))
    begin(world)
    yield world
    world.close()


def messages_of(world, writer, has_errant):
    """Of an emergency and its rejoin that nobody disturbs."""
    plain = Round(world, writer, has_errant)
    plain.die()
    emergency = undisturbed(world, plain.emergency_args())
    world.come_back(plain.old)
    rejoin = undisturbed(world, REJOIN, (3,) if has_errant else (0,))
    plain.rejoin()
    return emergency, rejoin


def test_killed_at_every_message(world):
    writer = world.writer(rate=soak(200, 100))
    messages_of(world, writer, False)  # makes the table of the test write
    emergency, rejoin = messages_of(world, writer, False)
    held = messages_of(world, writer, True)[1]
    for words in (emergency, rejoin, held):
        print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(words)))
    choose = soak(all_cells, lambda messages: some_cells(messages, 5))
    emergencies, rejoins = choose(emergency), choose(rejoin)
    tables = [Table("emergency, " + world.kind), Table("rejoin, " + world.kind)]
    for cells in itertools.zip_longest(emergencies, rejoins):
        rows = Round(world, writer).run(*cells)
        for table, cell, row in zip(tables, cells, rows):
            if cell:
                table.add(cell, *row)
    tables.append(Table("held, " + world.kind))
    for cell in choose(held):
        tables[2].add(cell, *Round(world, writer, has_errant=True).run(None, cell)[1])
    for table, wanted in zip(tables, (("done", "undone"), ("done", "undone"), ("undone",))):
        table.end(wanted)
    writer.stop()
    report = writer.check(world.servers[world.named()], world.servers[world.other()])[1]
    print("%d rows acknowledged, %d lost, %d twice" % (report["acknowledged"], report["lost"],
                                                      report["duplicated"]))
    assert report["lost"] == 0 and report["duplicated"] == 0 and report["equal"], report
