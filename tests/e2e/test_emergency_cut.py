"""The machine of the active is cut off: it lives, and whoever is on its side of the network goes on writing
there. The standby takes over; when the network is whole again, both are found and named at once, and what was
written on the far side is listed and saved, and nothing is overwritten."""
import pytest

from conftest import soak
from lib import netns
from lib.emergency import EmergencyWorld, FarSide, said, wait_same
from lib.proc import wait_for
from lib.vantage import Vantage
from lib.world import PAIR


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def world(request, module_procs, consul):
    net = netns.Net(module_procs)
    host = net.host("db3")

    def on_its_host(_procs, server):
        if server.name == "db3":
            server.argv = host.enter + server.argv
    world = EmergencyWorld(module_procs, consul, request.param, hz=20, prepare=on_its_host,
                           addresses=[host.address, net.address(2)])
    world.host = host
    yield world
    world.close()


def test_cut_off(world):
    vantage = Vantage(world.procs, world.consul.url, world.root, name="vantage", pairs={PAIR: {
        "kind": "mysql", "nodes": ["db3", "db4"], "port": world.port, "credentials": world.credentials}}).start()
    vantage.wait_known()
    world.write_row("db3")
    world.db4.wait_applied(world.db3)
    world.host.cut()
    far = FarSide(world.db3)
    wait_for("rows on the far side", lambda: len(far.rows) > 5, 10)
    vantage.wait_check(PAIR + "/db3", "failing", 30)
    alone = world.run("failover", PAIR, "--emergency", "--dry-run", limit=60)
    assert alone.code == 0 and "1 vantage, nobody to confirm" in alone.out, alone
    done = world.emergency("--dead", "db3")
    assert done.code == 0, done
    assert world.named() == "db4" and not world.db4.is_read_only()
    near = world.write_row("db4")
    before = len(far.rows)
    wait_for("it goes on over there", lambda: len(far.rows) > before + 5, 10)
    world.host.heal()
    wait_for("both are found", lambda: vantage.pair(PAIR)["trouble"] == "two-writers", 20, 0.05)
    done = world.run("doctor", PAIR, limit=60)
    assert done.code == 1 and "pointsman rejoin" in said(done), done
    # Fenced, and its client is refused.
    done = world.rejoin()
    assert done.code == 3 and "errant" in said(done), done
    assert world.db3.is_read_only() and world.writable() == ["db4"]
    far.end()
    op = world.operation("rejoin")
    saved = world.saved()
    printed = open(saved, errors="replace").read()
    missing = [row for row in far.rows if "@1=%d\n" % row not in printed]
    assert not missing, missing
    world.replay(saved, "db4")
    done = world.rejoin()
    assert done.code == 0, done
    wait_same(world)
    rows = far.rows + [near]
    assert world.db4.value("SELECT COUNT(*) FROM game.t WHERE id IN (%s)" % ", ".join(map(str, rows))) == str(
        len(rows))
    wait_for("fine", lambda: vantage.pair(PAIR)["trouble"] == "fine", 15, 0.05)
    print("%d rows were written on the far side, saved and replayed" % len(far.rows))
    vantage.judge()
