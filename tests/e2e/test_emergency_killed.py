"""The emergency of a MariaDB or MySQL pair and the rejoin behind it, killed at every message that changes something,
just before it leaves and just after. In each round the active server dies under the writer, the emergency is
killed and ended by resume or rollback, the old one comes back, the rejoin is killed and ended, and the pair is
whole again the other way round. What was acknowledged is there in the end: by the standby's having it or, where only
the dead one did, by what the rejoin that was held has saved."""
import itertools

import pytest

from conftest import IS_SOAK, soak
from lib.crash import Cell, Table, all_cells, some_cells, undisturbed
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
    writer = world.writer(rate=100)
    emergency, rejoin = messages_of(world, writer, False)  # makes the table of the test write
    if IS_SOAK:
        emergency, rejoin = messages_of(world, writer, False)
        held = all_cells(messages_of(world, writer, True)[1])
    else:
        # The errant ones are found behind that entry.
        held = [Cell(rejoin.index("journal: compare") + 1, True, "resume")]
    print("\nmessages: %s\nand: %s" % tuple(
        ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(words)) for words in (emergency, rejoin)))
    choose = soak(all_cells, lambda messages: some_cells(messages, 8))
    tables = [Table("emergency, " + world.kind), Table("rejoin, " + world.kind)]
    for cells in itertools.zip_longest(choose(emergency), choose(rejoin)):
        rows = Round(world, writer).run(*cells)
        for table, cell, row in zip(tables, cells, rows):
            if cell:
                table.add(cell, *row)
    tables.append(Table("held, " + world.kind))
    for cell in held:
        tables[2].add(cell, *Round(world, writer, has_errant=True).run(None, cell)[1])
    for table, wanted in zip(tables, (("done", "undone"), ("done", "undone"), ("undone",))):
        table.end(soak(wanted, wanted[-1:]))
    writer.stop()
    report = writer.check(world.servers[world.named()], world.servers[world.other()])[1]
    print("%d rows acknowledged, %d lost, %d twice" % (report["acknowledged"], report["lost"],
                                                      report["duplicated"]))
    assert report["lost"] == 0 and report["duplicated"] == 0 and report["equal"], report
