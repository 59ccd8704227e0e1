#!/usr/bin/env python3
"""What a fleet costs: 10 to 200 agents on this machine against three Consul servers.

For each size: the time from a flip's PUT to the last agent's acknowledgement (its agents/<node> key
stands at the flip's generation), and what the flip cost Consul: requests and bytes, counted by the
kernel on the agents' own connections (ss(8): data segments sent, bytes received), less what the same
agents ask for when nothing happens. At the end a straight line through the figures, and where it would
be at 5,000 agents: an estimate, and said to be one; all agents and all servers share two cores here.

usage: fleet.py [--quick] [--fleets 10,50,100,200] [--names 100] [--flips 10]
"""
import argparse
import base64
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
from lib.consul import Cluster            # noqa: E402
from lib.daemon import Pointsmand, program  # noqa: E402
from lib.proc import Process, Procs, wait_for  # noqa: E402

ROOT = "fleet/"
IDLE = 20.0  # seconds: more than a session's renewal (15 s)


class InotifyLimit:
    """Each agent watches its file with an inotify instance, and Linux gives one user 128 of them: enough
    for a host, not for a fleet on one. Raised while this runs, if we may."""

    PATH = "/proc/sys/fs/inotify/max_user_instances"

    def __init__(self, need):
        with open(self.PATH) as f:
            self.before = int(f.read())
        self.need = need

    def __enter__(self):
        if self.before < self.need:
            self.write(self.need)

    def __exit__(self, *_):
        if self.before < self.need:
            self.write(self.before)

    def write(self, value):
        try:
            with open(self.PATH, "w") as f:
                f.write(str(value))
        except OSError:
            sys.exit("%s is %d and has to be %d: run this as root" % (self.PATH, self.before, self.need))


class Traffic:
    """Requests and bytes of all connections to the servers' HTTP ports, since they were opened."""

    def __init__(self, servers):
        self.filter = " or ".join("dst %s:%d" % (s.address, s.port) for s in servers)

    def read(self):
        """{connection: (data segments sent, bytes sent, bytes received)}, without our own."""
        text = subprocess.run(["ss", "-tinpH", "state", "established", "( %s )" % self.filter],
                              stdout=subprocess.PIPE, check=True).stdout.decode()
        found = {}
        for block in re.split(r"\n(?=\S)", text):
            if "pointsmand" not in block:
                continue
            place = " ".join(block.split()[2:4])

            def field(name):
                value = re.search(r"\b%s:(\d+)" % name, block)
                return int(value.group(1)) if value else 0
            found[place] = (field("data_segs_out"), field("bytes_sent"), field("bytes_received"))
        return found

    @staticmethod
    def between(before, after):
        """(requests, bytes to Consul, bytes from Consul, connections)."""
        sums = [0, 0, 0]
        for place, values in after.items():
            start = before.get(place, (0, 0, 0))
            for i in range(3):
                sums[i] += values[i] - start[i]
        return (*sums, len(after))


class Fleet:
    def __init__(self, args, procs):
        self.args, self.procs, self.agents, self.rows = args, procs, [], []
        self.cluster = Cluster(procs, with_client=False).start()
        self.api = self.cluster.servers[0].api
        self.traffic = Traffic(self.cluster.servers)
        self.nodes = ["n%d" % i for i in range(10)]
        for i, node in enumerate(self.nodes):
            self.api.register(node, "10.0.0.%d" % (i + 1))
        self.names = {"name-%04d" % i: self.nodes[i % 10] for i in range(args.names)}
        pairs = {ROOT + "names/" + n: v for n, v in self.names.items()}
        pairs[ROOT + "names/.pointsman"] = '{"cluster":"00000000-0000-4000-8000-000000000000"}'
        self.api.put_all(pairs)

    def grow(self, size):
        while len(self.agents) < size:
            i = len(self.agents)
            agent = Pointsmand(self.procs, self.cluster.servers[i % 3].url, ROOT, None,
                               name="agent-%03d" % i, agent={"log-level": "warning"})
            Process.start(agent)
            self.agents.append(agent)
            time.sleep(0.02)  # not a herd: this is not what is measured
        wait_for("%d agents publish" % size, lambda: len(self.api.list(ROOT + "agents/")) >= size, 120,
                 0.2)
        self.acknowledged(self.api.index(ROOT + "n"), size)

    def acknowledged(self, generation, size, limit=60.0):
        """When the last of them stood at this generation."""
        mark = re.compile(rb'"generation":\s*%d\b' % generation)
        end = time.monotonic() + limit
        while True:
            entries = self.api.json("GET", "/v1/kv/%sagents/?recurse" % ROOT)
            now = time.monotonic()
            behind = size - sum(1 for e in entries if mark.search(base64.b64decode(e["Value"] or "")))
            if behind <= 0:
                return now
            if now > end:
                raise RuntimeError("%d of %d agents never acknowledged" % (behind, size))
            time.sleep(0.005)

    def measure(self, size):
        self.grow(size)
        time.sleep(3)
        before = self.traffic.read()
        time.sleep(IDLE)
        idle = self.traffic.between(before, self.traffic.read())
        took = []
        before, began = self.traffic.read(), time.monotonic()
        for i in range(self.args.flips):
            name = sorted(self.names)[i % len(self.names)]
            node = self.nodes[(self.nodes.index(self.names[name]) + 1) % 10]
            start = time.monotonic()
            self.api.put(ROOT + "names/" + name, node)
            self.names[name] = node
            generation = self.api.index(ROOT + "n")
            took.append((self.acknowledged(generation, size) - start) * 1000)
            time.sleep(1.0)
        seconds = time.monotonic() - began
        spent = self.traffic.between(before, self.traffic.read())
        per_flip = [(s - i / IDLE * seconds) / self.args.flips for s, i in zip(spent[:3], idle[:3])]
        rss = statistics.median(a.status_kb("VmRSS") for a in self.agents) / 1024
        row = (size, statistics.median(took), max(took), *per_flip, idle[0] / IDLE, spent[3], rss)
        self.rows.append(row)
        print("  %6d %9.0f %9.0f %9.0f %9.1f %9.1f %8.1f %6d %7.1f" % (
            row[0], row[1], row[2], row[3], row[4] / 1024, row[5] / 1024, row[6], row[7], row[8]),
            flush=True)

    def extrapolate(self, size):
        """A line of least squares through each column, and its value at size."""
        xs = [r[0] for r in self.rows]
        values = []
        for column in (1, 3, 4, 5, 6):
            ys = [r[column] for r in self.rows]
            mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
            slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / \
                (sum((x - mean_x) ** 2 for x in xs) or 1)
            values.append(mean_y + slope * (size - mean_x))
        print("\nA line through these, at %s agents (an estimate; three servers on machines of their own\n"
              "would share the work that two cores do here): last acknowledgement %.1f s, a flip costs\n"
              "Consul %.0f requests, %.1f MB asked and %.1f MB answered; at rest %.0f requests/s." % (
                  "{:,}".format(size), values[0] / 1000, values[1], values[2] / 2 ** 20,
                  values[3] / 2 ** 20, values[4]))


def main():
    parser = argparse.ArgumentParser(description="flips through a fleet of agents")
    parser.add_argument("--quick", action="store_true", help="10 and 30 agents, 3 flips")
    parser.add_argument("--fleets", default="")
    parser.add_argument("--names", type=int, default=100)
    parser.add_argument("--flips", type=int, default=0)
    args = parser.parse_args()
    fleets = [int(s) for s in (args.fleets or ("10,30" if args.quick else "10,50,100,200")).split(",")]
    args.flips = args.flips or (3 if args.quick else 10)
    for need in (program("pointsmand"),):
        if not os.access(need, os.X_OK):
            sys.exit("%s is not built (POINTSMAN_BUILD)" % need)
    if not shutil.which("ss"):
        sys.exit("ss is not installed (iproute2)")
    base = tempfile.mkdtemp(prefix="pointsman-fleet-")
    os.chmod(base, 0o755)
    procs = Procs(base)
    try:
        fleet = Fleet(args, procs)
        limit = InotifyLimit(max(fleets) + 100)
        print("%d names, %d flips a fleet, three Consul servers and all agents on this machine" % (
            args.names, args.flips))
        print("  %6s %19s %9s %9s %9s %8s %6s %7s" % (
            "", "last ack, ms", "a flip:", "kB", "kB", "at rest", "", "RSS MB"))
        print("  %6s %9s %9s %9s %9s %9s %8s %6s %7s" % (
            "agents", "median", "worst", "requests", "asked", "answered", "req/s", "conns", "median"))
        with limit:
            for size in fleets:
                fleet.measure(size)
        if len(fleets) > 1:
            fleet.extrapolate(5000)
    finally:
        procs.close()
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, json.JSONDecodeError) as e:
        sys.exit("stopped: %r" % e)
