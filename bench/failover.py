#!/usr/bin/env python3
"""How long writes are refused by a planned failover: `pointsman failover` against one by hand, in turns,
in the same run, under the same two writers.

One writer follows the value in the KV, told by a blocking query: from the last row that the old master
acknowledged to the first that the new one did, so long writes were refused at the databases. The other
follows the name through a dnsmasq with an agent of ours beside it, as a back end does: so long it feels.
Both write all the time, four connections and 500 rows a second each. Afterwards every acknowledged row is
looked for on both servers, and the tables are compared. A watcher asks both, 200 times a second, whether
they are writable.

The one by hand (bench/failover_floor.c) has its connections open beforehand and checks, journals and undoes
nothing. The data directories are in memory, so that it is not the disk of the day that is measured; --disk
leaves them where the temporary files are.

usage: failover.py [--flips N] [--quick] [--only mariadb|mysql9] [--disk]

Exit status 1 when a limit was missed, a row lost or there twice, or both masters writable at once.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
from lib import mysql9                                # noqa: E402
from lib.consul import Api, Consul                    # noqa: E402
from lib.proc import Process, Procs, wait_for         # noqa: E402
from lib.world import PAIR, World, wait_well          # noqa: E402
from lib.writer import Writer                         # noqa: E402

PAUSE = 0.5  # between two flips, more than the agents need

# What the issue allows, in ms: (share, at the databases), (share, as it is felt).
LIMITS = {"mariadb": {"database": {"p50": 15, "p95": 50}, "felt": {"p50": 50, "p95": 150}},
          "mysql9": {"database": {"p50": 50}, "felt": {}}}


def follow(address, port, key, servers):
    """Prints the server's endpoint as soon as the KV says another node. A process of its own: nothing else
    that Python does here must keep the writer waiting."""
    api, index, told = Api(address, int(port), limit=30.0), 0, None
    endpoints = dict(one.split("=") for one in servers)
    while True:
        value, index = api.request("GET", "/v1/kv/%s?raw&index=%d&wait=10s" % (key, index), index=True)
        if value.decode() != told:
            told = value.decode()
            print(endpoints[told], flush=True)
            print(told, file=sys.stderr, flush=True)


def start_follower(procs, world, writer):
    follower = Process(procs, "follower-" + world.kind, [
        sys.executable, __file__, "--follow", world.consul.address, world.consul.port,
        "%snames/%s" % (world.root, PAIR),
        *["%s=%s" % (name, server.endpoint) for name, server in world.servers.items()]],
        stdout=writer.popen.stdin).start()
    wait_for("the follower", lambda: "db" in follower.log(), 20)
    return follower


def share(values, at):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * at))]


class Bench:
    def __init__(self, args, procs, kind):
        self.args, self.procs, self.kind = args, procs, kind
        self.missed = 0
        consul = Consul(procs, "consul-" + kind).start()
        # A slower watcher than that of the tests: it is not its own share of the machine that is measured.
        self.world = World(procs, consul, kind, hz=200)
        wait_well(self.world)

    def flips(self):
        """The handovers of both writers, each with who made it."""
        world = self.world
        told = Writer(self.procs, world.port, connections=4, rate=500).start(world.db3)
        follower = start_follower(self.procs, world, told)
        felt = world.writer(connections=4, rate=500)
        made = []
        for _ in range(self.args.flips):
            for who in ("hand", "ours"):
                self.flip(who)
                made.append(who)
                time.sleep(PAUSE)
        seen = world.check_never_both()
        follower.kill()
        reports = {"database": world.check_writer(told), "felt": world.check_writer(felt)}
        return made, reports, seen

    def flip(self, who):
        if who == "hand":
            self.world.flip_by_hand()
            return
        done = self.world.failover()
        # Slow agents or sessions are told, and are not what is measured here.
        assert done.code in (0, 1), done
        if done.code == 1:
            print(done.out)
        self.journal.append(self.world.history()[0]["refused_ms"])

    def table(self, made, reports):
        print("  %-28s %-6s %9s %9s   %s" % (self.kind + ", ms", "", "by hand", "pointsman", "limit"))
        for what, title in (("database", "refused at the databases"), ("felt", "as DNS followers feel it")):
            handovers = reports[what]["handovers"]
            if len(handovers) != len(made):
                self.missed += 1
                print("  %s: %d handovers of %d flips" % (title, len(handovers), len(made)))
                continue
            times = {who: [h["refused_ms"] for h, by in zip(handovers, made) if by == who]
                     for who in ("hand", "ours")}
            for name, fn in (("p50", statistics.median), ("p95", lambda v: share(v, .95)), ("max", max)):
                limit = LIMITS[self.kind][what].get(name)
                ours = fn(times["ours"])
                verdict = "" if limit is None else "ok" if ours <= limit else "MISS"
                self.missed += verdict == "MISS"
                print("  %-28s %-6s %9.1f %9.1f   %-9s %s" % (
                    title, name, fn(times["hand"]), ours, "<= %d" % limit if limit else "", verdict))
        print("  %-28s %-6s %9s %9.1f" % ("as the journal has it", "p50", "", statistics.median(self.journal)))

    def run(self):
        self.journal = []
        made, reports, seen = self.flips()
        self.table(made, reports)
        for what, report in reports.items():
            print("  %s: %d rows acknowledged, %d lost, %d twice, tables %s" % (
                what, report["acknowledged"], report["lost"], report["duplicated"],
                "equal" if report["equal"] else "DIFFERENT"))
            self.missed += report["lost"] + report["duplicated"] + (not report["equal"])
        print("  both writable: %d times; asked %d and %d times, the longest pause %.0f ms" % (
            seen["both_writable"], seen["db3"]["polls"], seen["db4"]["polls"],
            max(seen["db3"]["gap_ms"], seen["db4"]["gap_ms"])))
        return self.missed


def main():
    if sys.argv[1:2] == ["--follow"]:
        follow(*sys.argv[2:5], sys.argv[5:])
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--flips", type=int, default=20)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("mariadb", "mysql9"))
    parser.add_argument("--disk", action="store_true")
    args = parser.parse_args()
    if args.quick:
        args.flips = 4
    kinds = [args.only] if args.only else ["mariadb", "mysql9"]
    missed = 0
    for kind in kinds:
        if kind == "mysql9" and not mysql9.folder():
            print("  mysql9: NOT MEASURED, it cannot be had here (contrib/get-mysql9 says why)")
            continue
        base = tempfile.mkdtemp(prefix="pointsman-failover-", dir=None if args.disk else "/dev/shm")
        os.chmod(base, 0o755)
        folder = os.path.join(base, kind)
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        procs = Procs(folder)
        try:
            print("%d failovers each, by hand and by pointsman in turns; load %s" % (
                args.flips, json.dumps([round(x, 1) for x in os.getloadavg()])), flush=True)
            missed += Bench(args, procs, kind).run()
        finally:
            procs.close()
            shutil.rmtree(base, ignore_errors=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
