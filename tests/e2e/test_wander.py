"""A pair that is led astray: failovers, emergencies, rejoins, resumes and rollbacks of whatever operation there ever
was, killed at any message, between servers that die and come back, in an order that nobody thought of. At no
instant are both writable; what ended with 0 is so; and from wherever it is, what the commands themselves advise
leads out, with every row there that was acknowledged.

SEED=N repeats a walk, with SOAK=1."""
import os
import random

import pytest

from conftest import soak
from lib.emergency import EmergencyWorld, begin, said, wait_same
from lib.proc import wait_for
from lib.tripwire import Tripwire
from lib.world import PAIR

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else list(soak(range(1, 13), range(1, 2)))
STEPS = 24


@pytest.fixture(scope="module", params=soak(["mariadb", "mysql9"], ["mariadb"]))
def raised(request, module_procs, consul):
    world = EmergencyWorld(module_procs, consul, request.param)
    yield world
    world.close()


@pytest.fixture
def world(raised):
    begin(raised)
    return raised


class Walk:
    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed)
        self.killed = 0

    # --- one step ----------------------------------------------------------------------------------------

    def command(self, *argv, may_die=True):
        """Run to its end, or killed at a message; its result, None: it was killed."""
        at = self.random.randint(1, 30) if may_die and self.random.random() < 0.5 else 0
        run = Tripwire(self.world.procs, self.world.argv(argv), at=at, after=self.random.random() < 0.5)
        if run.wait_stopped(120):
            run.kill()
            self.killed += 1
            return None
        done = run.end(120)
        assert done.code in (0, 1, 3, 5, 6), (argv, done)
        if done.code in (0, 1) and argv[0] in ("failover", "resume", "rejoin"):
            self.check_led(done)
        return done

    def check_led(self, done):
        """Where the name leads, writes are taken, and nowhere else."""
        named = self.world.servers[self.world.named()]
        if named.is_alive():
            assert self.world.writable() == [self.world.named()], done

    def planned(self, *args):
        code, plan = self.world.plan(*args)
        if code != 0:
            return "refused: %s" % [p["name"] for p in plan["preflight"] if p["level"] in ("refused", "unknown")]
        return self.command("failover", PAIR, *args, "--plan", plan["plan"], "--yes")

    def emergency(self):
        return self.planned("--emergency", "--dead", self.world.named())

    def rejoin(self):
        return self.command("rejoin", PAIR, "--yes")

    def take_up(self):
        ops = [op for op in self.world.history() if op["kind"] != "set"][:6]
        if not ops:
            return "nothing"
        way, op = self.random.choice(("resume", "rollback")), self.random.choice(ops)
        print("    %s %s %s, %s" % (way, op["kind"], op["id"], op["result"]))
        return self.command(way, op["id"], "--yes")

    def die(self):
        if len([s for s in self.world.servers.values() if s.is_alive()]) < 2:
            return "one is dead already"
        node = self.random.choice(sorted(self.world.servers))
        self.world.servers[node].kill()
        return node

    def come_back(self):
        for node, server in self.world.servers.items():
            if not server.is_alive():
                self.world.come_back(node)
                return node
        return "nobody is dead"

    def by_hand(self):
        """Somebody who does not know of pairs."""
        return self.command("set", PAIR, self.world.other(), "--no-wait", may_die=False)

    def step(self):
        act = self.random.choices(
            (self.planned, self.emergency, self.rejoin, self.take_up, self.die, self.come_back, self.by_hand),
            (5, 4, 4, 5, 3, 3, 1))[0]
        print("  %s" % act.__name__, flush=True)
        result = act()
        print("    %s; %s, writable %s" % (
            "killed" if result is None else result if isinstance(result, str) else "exit %d %s" % (
                result.code, said(result)[:160] if result.code not in (0, 1) else ""),
            self.world.named(), self.world.writable()), flush=True)
        # What died has no lock any more: time passes faster here.
        self.world.free_lock()
        seen = self.world.watcher.report()
        assert seen["both_writable"] == 0, seen

    # --- out of it ---------------------------------------------------------------------------------------

    def halfway(self):
        """The operation that history advises to go on with."""
        found = self.world.run("-o", "json", "history").json
        return next((op for op in found if op["result"] in ("failed", "interrupted")
                     and op["id"] and not op.get("overtaken_by")), None)

    def end_operations(self):
        for _ in range(4):
            op = self.halfway()
            if op is None:
                return
            tried = []
            for way in ("resume", "rollback"):
                done = self.world.run(way, op["id"], "--yes", limit=120)
                tried.append("%s of %s %s: exit %d, %s" % (way, op["kind"], op["id"], done.code, said(done)))
                if done.code in (0, 1, 5):
                    break
                assert done.code == 3, tried
            else:
                # The name was led elsewhere: a rejoin ends it, as is said.
                assert all("rejoin" in t for t in tried), "\n".join(tried)
                return
        raise AssertionError("it never ends: %s" % op)

    def let_back(self):
        """rejoin, and a replay of what it saves where it holds."""
        for _ in range(4):
            done = self.world.rejoin()
            if done.code in (0, 1):
                return
            assert done.code == 3, done
            facts = self.world.operation("rejoin")["facts"]
            assert "errant-file" in facts, done
            self.world.replay(self.world.saved(), self.world.named())
        raise AssertionError("it is held again and again: %s" % done)

    def lead_out(self):
        world = self.world
        for node, server in world.servers.items():
            if not server.is_alive():
                world.come_back(node)
        self.end_operations()
        if not world.writable():
            # A server that was active and came back: "nobody takes writes", man pointsman-runbook.
            world.servers[world.named()].set_read_only(False)
        if world.writable() != [world.named()]:
            done = world.run("set", PAIR, world.writable()[0], "--no-wait")
            assert done.code == 0, done
        self.let_back()
        wait_same(world)
        wait_for("nothing is left to do", lambda: self.halfway() is None, 5)
        wait_for("served", lambda: world.run("drift").code == 0, 15, 0.1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_wander(world, seed):
    walk, writer = Walk(world, seed), world.writer(rate=100)
    for _ in range(2):
        for _ in range(STEPS):
            walk.step()
        print("  out")
        walk.lead_out()
    report = world.check_writer(writer)
    print("seed %d: %d killed, %d acknowledged, none lost" % (seed, walk.killed, report["acknowledged"]))
    world.check_never_both()
