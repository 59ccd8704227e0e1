"""Three vantages on hosts of their own behind a network that drops and delays in bursts: nobody is called
dead who lives, and who dies in the middle of it is found within the bound."""
import os
import random
import re
import threading
import time

from conftest import IS_SOAK, soak
from lib import mariadb, netns
from lib.consul import Consul
from lib.daemon import settle
from lib.proc import free_port, wait_for
from lib.redis import Redis
from lib.sql_server import SqlPair
from lib.vantage import seed

PASSWORD = "s3cret-of-the-jitter"
LOSS_PERCENT = 30
DELAY_MS = 300
# The short form is the long one three times as fast, but for what the network itself takes: a SYN that
# was lost is sent again after 1 s, whatever our window, which is therefore half of the long one's.
SPEED = soak(1.0, 0.3)
DURATION = float(os.environ.get("JITTER_S") or soak(1800, 12))
# The bound is one vantage's. What two of them say to each other goes through Consul, over the same
# network: TCP sends again after 0.2, 0.6, 1.4 and 3 s.
CONSUL_S = 3.0
# And it is that of a vantage that does not doubt itself. In the short form, where TCP is slow beside our
# window, a vantage in a burst mostly does: it waits longer, or is blind until the burst is over.
BOUNDS = soak(1, 2)
BURST_S = 8.0 * SPEED
TIMING = {} if IS_SOAK else {
    "interval": "1500ms", "fast-interval": "350ms", "timeout": "1s", "window": "5s",
    "success-window": "3s"}


class Weather(threading.Thread):
    """Bursts on each host on its own, and now and then on all of them."""

    def __init__(self, hosts):
        super().__init__(daemon=True)
        self.hosts, self.is_over = hosts, threading.Event()
        self.random = random.Random(20)
        self.bursts = {"loss": 0, "delay": 0}
        self.error = None

    def run(self):
        try:
            self.blow()
        except Exception as e:  # told by stop()
            self.error = e

    def blow(self):
        now = time.monotonic()
        quiet = {h: now + self.random.uniform(0, 2 * BURST_S) for h in self.hosts}
        ends = {}
        while not self.is_over.wait(0.05):
            now = time.monotonic()
            for h in list(ends):
                if now >= ends[h]:
                    h.heal()
                    h.delay(0)
                    del ends[h]
                    quiet[h] = now + self.random.uniform(BURST_S, 2 * BURST_S)
            due = [h for h in self.hosts if h not in ends and now >= quiet[h]]
            if due and self.random.random() < 0.2:
                due = [h for h in self.hosts if h not in ends]
            for h in due:
                kind = self.random.choice(("loss", "loss", "delay"))
                h.lose(LOSS_PERCENT) if kind == "loss" else h.delay(DELAY_MS)
                self.bursts[kind] += 1
                ends[h] = now + BURST_S
        for h in self.hosts:
            h.heal()
            h.delay(0)

    def stop(self):
        self.is_over.set()
        self.join(10)
        assert self.error is None, self.error


class Stage:
    def __init__(self, procs):
        self.net = netns.Net(procs)
        consul = Consul(procs, "consul", self.net.address(1)).start()
        self.api, self.root = consul.api, "jitter/"
        nodes = {"db3": self.net.address(3), "db4": self.net.address(4)}
        port, redis_port = free_port(nodes["db3"]), free_port(nodes["db4"])
        seed(self.api, self.root, nodes=nodes, names={"maindb": "db3", "cache": "db3"})
        self.names = self.api.list(self.root + "names/")
        self.sql = SqlPair(mariadb.MariaDB(procs, "db3", 1, nodes["db3"], port),
                           mariadb.MariaDB(procs, "db4", 2, nodes["db4"], port)).start()
        self.sql.each_account("watch", PASSWORD, mariadb.CHECK_GRANTS)
        self.master = Redis(procs, "redis1", nodes["db3"], redis_port).start()
        self.replica = Redis(procs, "redis2", nodes["db4"], redis_port, of=self.master).start()
        self.replica.wait_linked()
        self.single = Redis(procs, "single", self.net.address(5)).start()
        credentials = os.path.join(procs.dir, "watch.cnf")
        with open(credentials, "w") as f:
            f.write("[pointsman]\nuser = watch\npassword = %s\n" % PASSWORD)
        os.chmod(credentials, 0o600)
        self.hosts, self.vantages = [], []
        for i in (1, 2, 3):
            host = self.net.host("web-%d" % i)
            host.delay(0)
            self.hosts.append(host)
            self.vantages.append(netns.HostVantage(
                host, procs, consul.url, self.root, "web-%d" % i, timing=TIMING,
                checks={"sessions": {"type": "redis", "target": "%s:%d" % (self.single.address,
                                                                          self.single.port)}},
                pairs={"maindb": {"kind": "mysql", "nodes": ["db3", "db4"], "port": port,
                                  "credentials": credentials},
                       "cache": {"kind": "redis", "nodes": ["db3", "db4"], "port": redis_port}}))

    def start(self):
        for v in self.vantages:
            v.start()
        for v in self.vantages:
            v.wait_known(20)
            wait_for("all see all", lambda: all(
                c["state"] == "passing" and len([o for o in c["vantages"] if o["live"]]) == 3
                for c in v.checks().values()), 30, 0.1)
        return self

    def wait_found(self, check, limit):
        """Until each vantage has the verdict. Returns when the first vantage saw it with its own eyes,
        and when the first and the last had the verdict of most."""
        began, own, verdict = time.monotonic(), {}, {}
        while len(verdict) < len(self.vantages):
            for v in self.vantages:
                now = time.monotonic() - began
                if v.node not in own and v.own(check)["state"] == "failing":
                    own[v.node] = now
                if v.node not in verdict and v.check(check)["state"] == "failing":
                    verdict[v.node] = now
            assert time.monotonic() - began < limit, "%s: not failing for all after %.1f s: %s %s\n%s" % (
                check, limit, own, verdict, "\n".join(str(v.check(check)) for v in self.vantages))
            time.sleep(0.05)
        return min(own.values()), min(verdict.values()), max(verdict.values())

    def alarms(self):
        """Everything that a person would have been woken for. One vantage that calls a check failing
        and finds no second voice is none: it says so as a warning, "seen from here"."""
        critical = [p["what"] for v in self.vantages for p in v.problems()
                    if p["severity"] == "critical" and p["what"].startswith(("check", "pair"))]
        verdicts = [(v.node, c["name"], c["output"]) for v in self.vantages
                    for c in v.checks().values() if c["state"] == "failing"]
        return critical + verdicts

    def proposed(self):
        return [line for v in self.vantages for line in v.log().splitlines()
                if "a failover is proposed" in line] + list(self.api.list(self.root + "proposals/"))

    def lone_voices(self):
        return {v.node: len(re.findall(r"check \S+: failing", v.log())) for v in self.vantages}


def test_no_false_alarm_and_a_true_one(procs):
    """Fails when a burst is taken for a death, or a death for a burst."""
    stage = Stage(procs).start()
    weather = Weather(stage.hosts)
    weather.start()
    end = time.monotonic() + DURATION
    seen = {}
    while time.monotonic() < end:
        for v in stage.vantages:
            sight = next(iter(v.checks().values()))["vantages"]
            sight = [o["sight"] for o in sight if o["vantage"] == v.node][0]
            seen[v.node, sight] = seen.get((v.node, sight), 0) + 1
        assert not stage.alarms(), (stage.alarms(), [v.log()[-2000:] for v in stage.vantages])
        settle(0.5)
    assert not stage.proposed(), stage.proposed()
    for v in stage.vantages:
        print(v.node, {sight: n for (node, sight), n in seen.items() if node == v.node})
    print("%.0f s, %s bursts of %.1f s: no alarm; failing for one vantage alone: %s"
          % (DURATION, weather.bursts, BURST_S, stage.lone_voices()))

    rows = []
    for check, kill in (("sessions", stage.single.kill), ("maindb/db3", stage.sql.active.kill)):
        bound = stage.vantages[0].check(check)["bound_ms"] / 1000
        kill()
        rows.append((check, bound) + stage.wait_found(check, 4 * bound))
        print("%s killed in the middle of it: bound %.1f s, seen after %.1f s, most agree after "
              "%.1f s, all know after %.1f s" % rows[-1])
    wait_for("a proposal", lambda: stage.api.list(stage.root + "proposals/"), 15, 0.1)
    weather.stop()
    assert list(stage.api.list(stage.root + "proposals/")) == [stage.root + "proposals/maindb"]
    assert stage.api.list(stage.root + "names/") == stage.names
    for check, bound, seen_after, agreed, _ in rows:
        assert seen_after <= bound * BOUNDS, (check, bound, seen_after)
        assert agreed <= bound * BOUNDS + CONSUL_S, (check, bound, agreed)
