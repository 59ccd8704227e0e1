"""A pair of Redis servers as operations see it: r4 (active) and r5, an agent, and the command."""
import os

from .cli import Desk
from .daemon import Pointsmand
from .proc import free_port, loopback_net, wait_for
from .redis import Redis
from .redis_writer import MasterWatch, RedisWriter


class RedisDesk(Desk):
    """A pair "sessions" of r4 (active) and r5, an agent, and the command."""

    pair_name = "sessions"

    def __init__(self, procs, consul, config=None, extra="", password=None, account=None):
        super().__init__(procs.dir, consul.api, consul.url)
        net, self.procs = loopback_net(), procs
        self.port = free_port(net + "1")
        self.servers = {}
        for node, host in (("r4", "1"), ("r5", "2")):
            # Sentinels ask the master where its replica is; on one host it would say 127.0.0.1.
            self.servers[node] = Redis(procs, node, net + host, self.port, password=password,
                                       of=self.servers.get("r4"),
                                       config={"replica-announce-ip": net + host, **(config or {})})
        for server in self.servers.values():
            server.start()
        self.servers["r5"].wait_linked()
        credentials = ""
        if account:
            password = account
        if password:
            path = os.path.join(self.dir, "redis.cnf")
            with open(path, "w") as f:
                f.write("[pointsman]\n%spassword=%s\n" % ("user=pointsman\n" if account else "",
                                                         password))
            os.chmod(path, 0o600)
            credentials = 'credentials = "%s"' % path
        self.write_config('pair "sessions" { kind = redis nodes = {"r4", "r5"} port = %d %s %s }\n' % (
            self.port, credentials, extra))
        self.seed(names={"sessions": "r4"},
                  nodes={node: s.address for node, s in self.servers.items()})
        self.agent = Pointsmand(procs, consul.url, self.root, name="web-1").start()
        wait_for("the agent serving", lambda: self.run("drift").code == 0, 10, 0.05)

    def active(self):
        return self.get("names/sessions")

    def standby(self):
        return "r5" if self.active() == "r4" else "r4"

    def plan(self, *args):
        done = self.run("-o", "json", "failover", "sessions", "--dry-run", *args)
        assert done.code == 0, done
        return done.json["plan"]

    def failover(self, *args):
        return self.run("failover", "sessions", "--plan", self.plan(*args), "--yes", *args)

    def check_settled(self):
        """One master, which is where the name leads, with the other as its linked replica."""
        active, standby = self.servers[self.active()], self.servers[self.standby()]
        assert active.info("replication")["role"] == "master"
        wait_for("the replica linked", standby.is_linked, 10, 0.02)
        info = standby.info("replication")
        assert (info["master_host"], int(info["master_port"])) == (active.address, active.port)
        standby.wait_fed(active, 10)

    def writer(self):
        return RedisWriter(self.agent.hosts, "sessions", self.port).start()

    def watch(self):
        return MasterWatch(list(self.servers.values())).start()


def words(done):
    return " ".join((done.out + done.err).split())


def emergency_argv(desk, *args):
    args = ("--emergency", "--dead", desk.active(), *args)
    return ["failover", "sessions", "--plan", desk.plan(*args), "--yes", *args]


def emergency(desk, *args):
    return desk.run(*emergency_argv(desk, *args), limit=60)


def rejoin(desk):
    return desk.run("rejoin", "sessions", "--yes", limit=60)
