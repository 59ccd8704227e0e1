"""A small world for operations: two masters that replicate from each other as the pair maindb, agents each
with a dnsmasq, the configuration of somebody who may operate, a writer that follows the name, and a watcher
that sees whether both masters are ever writable at once.

It is raised once for a module. reset() makes it what it was at first: db3 is active, both replicate, no
operation is under way; a case may leave it in any state short of tables that differ."""
import json
import os
import time

from . import mariadb, mysql9
from .cli import Desk
from .daemon import Pointsmand, build_dir
from .dnsmasq import Dnsmasq
from .proc import Process, Procs, free_port, loopback_net, wait_for
from .sql_server import SqlPair
from .sql_shell import SqlShell
from .watcher import Watcher
from .writer import Writer, create_account

USER, PASSWORD = "pointsman", "topsecret-7"
# man/pointsman.conf.5 has the same. REPLICATION SLAVE: the way back is looked at through it.
MARIADB_GRANTS = ("REPLICA MONITOR, BINLOG MONITOR, READ_ONLY ADMIN, PROCESS, CONNECTION ADMIN, "
                  "REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, BINLOG ADMIN, REPLICATION SLAVE")
MYSQL_GRANTS = ("REPLICATION CLIENT, PROCESS, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, "
                "REPLICATION_SLAVE_ADMIN, XA_RECOVER_ADMIN, REPLICATION SLAVE")
PAIR, NODES = "maindb", ("db3", "db4")
FLOOR = os.path.join(build_dir(), "bench", "failover_floor")


def raise_servers(procs, kind, prepare=None, addresses=None):
    """As a careful administrator sets them up: read-only and without replication at their next start.
    prepare: is called with each before it starts for the first time. addresses: not on loopback."""
    net, port = loopback_net(), free_port()
    addresses = addresses or [net + "13", net + "14"]
    options = ["--read-only=1", "--auto-increment-increment=2", "--log-error-verbosity=1"] \
        if kind == "mysql9" else ["--read-only=1", "--auto-increment-increment=2"]
    options += ["--super-read-only=1", "--skip-replica-start=1", mysql9.PLUGINS] if kind == "mysql9" \
        else ["--skip-slave-start"]
    make = mysql9.MySQL9 if kind == "mysql9" else mariadb.MariaDB
    servers = [make(procs, node, server_id=i + 1, address=addresses[i], port=port,
                    options=options + ["--auto-increment-offset=%d" % (i + 1), "--max-connections=120"])
               for i, node in enumerate(NODES)]
    for server in servers:
        if prepare:
            prepare(procs, server)
        server.start(limit=0)
    for server in servers:
        server.wait_ready()
        server.set_read_only(False)
        server.create_replica_account()
    servers[0].follow(servers[1])
    servers[1].follow(servers[0])
    servers[1].set_read_only(True)
    pair = SqlPair(*servers)
    pair.wait_replicating()
    return pair


class World(Desk):
    _worlds = 0
    pair_name = PAIR

    def __init__(self, procs, consul, kind="mariadb", agents=1, url=None, pair="", hz=1000,
                 prepare=None, addresses=None):
        """kind: mariadb or mysql9. url: how the command reaches Consul, where not directly. pair: more
        members of its block. hz: of the watcher, which takes a third of a processor at 1,000. prepare,
        addresses: of raise_servers()."""
        # Beside the folder of procs, because what is shared lies there.
        World._worlds += 1
        folder = "%s-world-%d" % (procs.dir.rstrip("/"), World._worlds)
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        procs.at_close(self.close)
        procs = self.procs = Procs(folder)
        super().__init__(procs.dir, consul.api, url or consul.url)
        self.consul, self.kind = consul, kind
        self.is_mariadb = kind == "mariadb"
        self.pair = raise_servers(procs, kind, prepare, addresses)
        self.servers = dict(zip(NODES, (self.pair.active, self.pair.standby)))
        for server in self.servers.values():
            SqlShell(server)
        self.db3, self.db4 = self.servers["db3"], self.servers["db4"]
        self.port = self.db3.port
        self._accounts()
        self.configure(pair)
        self.seed(names={PAIR: "db3"}, nodes={n: s.address for n, s in self.servers.items()})
        self.agents = [self._agent("web-%d" % (i + 1)) for i in range(agents)]
        self.wait_served()
        self.watcher = Watcher(procs, self.credentials, self.servers.values(),
                               name="watcher-" + self.root.strip("/"), hz=hz).start()

    def close(self):
        """Ends all of it; again does nothing."""
        left = self.procs.close()
        assert not left, "processes were left over: %s" % left

    def _accounts(self):
        self.credentials = os.path.join(self.dir, "admin.cnf")
        with open(self.credentials, "w") as f:
            for group in ("pointsman", "client"):
                f.write("[%s]\nuser = %s\npassword = %s\n" % (group, USER, PASSWORD))
        os.chmod(self.credentials, 0o600)
        self.pair.each_account(USER, PASSWORD, MARIADB_GRANTS if self.is_mariadb else MYSQL_GRANTS)
        for server in self.servers.values():
            was_read_only = server.is_read_only()
            server.set_read_only(False)
            server.sql("SET SESSION sql_log_bin = 0; GRANT SELECT ON mysql.* TO '{0}'@'%';"
                       "GRANT SELECT ON performance_schema.* TO '{0}'@'%';"
                       "GRANT CREATE, INSERT, SELECT, DELETE ON pointsman.* TO '{0}'@'%'".format(USER))
            server.set_read_only(was_read_only)
        create_account(self.pair)
        # CREATE ON pointsman.* makes no schema on its own account, and the test write needs one.
        self.db3.sql("CREATE DATABASE IF NOT EXISTS pointsman; CREATE TABLE game.t (id INT PRIMARY KEY)")
        self.db4.wait_applied(self.db3)

    def configure(self, pair="", extra=""):
        self.write_config('pair "%s" { kind = mysql nodes = {"db3", "db4"} port = %d credentials = "%s" '
                          'max-lag = "5s" %s }\n%s' % (
                              PAIR, self.port, self.credentials, pair, extra))

    def _agent(self, node):
        folder = os.path.join(self.procs.dir, "hosts-%s-%s" % (self.root.strip("/"), node))
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        name = "%s-%s" % (self.root.strip("/"), node)
        dnsmasq = Dnsmasq(self.procs, os.path.join(folder, "hosts"), name="dnsmasq-" + name).start()
        agent = Pointsmand(self.procs, self.consul.url, self.root, dnsmasq, name=name,
                           agent={"node": node, "log-level": "warning"})
        agent.node = node
        return agent.start()

    # --- what is so --------------------------------------------------------------------------------------

    def named(self):
        return self.get("names/" + PAIR)

    def writable(self):
        return [name for name, s in self.servers.items() if s.is_alive() and not s.is_read_only()]

    def generation(self):
        return self.api.index(self.root + "n")

    def wait_served(self, limit=10.0):
        for agent in self.agents:
            agent.wait_generation(self.generation(), limit)

    def wait_replicating(self, limit=10.0):
        self.pair.wait_replicating(limit)

    def snapshot(self):
        """What an operation that was refused leaves as it was."""
        return (self.named(), self.api.index(self.root + "names/" + PAIR),
                {name: (s.is_read_only(), s.is_replicating(), s.position())
                 for name, s in self.servers.items()})

    def check_well(self, active=None):
        """One is writable, the name says that one, both replicate and have the same, and at no instant
        were both writable. Returns the active node."""
        writable, named = self.writable(), self.named()
        assert writable == [named], "writable: %s, named: %s" % (writable, named)
        assert active in (None, named), "%s is active, and not %s" % (named, active)
        self.wait_replicating()
        standby = self.servers["db4" if named == "db3" else "db3"]
        standby.wait_applied(self.servers[named])
        self.check_never_both()
        return named

    def check_never_both(self):
        """Since the last report, as the watcher has proved it: of two servers that it can ask. One that is frozen
        or cut off is asked nothing, and what it would take is not seen; one that is so until the end of an
        emergency may take writes again the moment it is back, until a rejoin or its fence-command. So there
        this is asked before it is back, and again behind the rejoin."""
        seen = self.watcher.report()
        assert seen["both_writable"] == 0, "both were writable: %s, %s" % (seen, self.watcher.changes[-8:])
        for name in NODES:
            # One that was frozen or dead was not asked, and did nothing.
            assert seen[name]["polls"] > 0 or seen[name]["state"] == "down", seen
        return seen

    # --- the command -------------------------------------------------------------------------------------

    def plan(self, *args):
        """(exit code, the plan as JSON)"""
        done = self.run("-o", "json", "failover", PAIR, "--dry-run", *args)
        assert done.code in (0, 3), done
        return done.code, done.json

    def plan_id(self, *args):
        code, plan = self.plan(*args)
        assert code == 0, json.dumps([p for p in plan["preflight"] if not p["ok"]], indent=1)
        return plan["plan"]

    def failover(self, *args, limit=60.0):
        return self.run("failover", PAIR, "--plan", self.plan_id(*args), "--yes", *args, limit=limit)

    def other(self):
        return "db4" if self.named() == "db3" else "db3"

    def flip_by_hand(self):
        """As a person with two windows would, only faster; the milliseconds of each part."""
        old, new = self.named(), self.other()
        flip = Process(self.procs, "floor", [
            FLOOR, self.credentials, self.servers[old].endpoint, self.servers[new].endpoint,
            "%s:%d" % (self.consul.address, self.consul.port), self.root + "names/" + PAIR, new])
        if os.path.exists(flip.log_path):
            os.unlink(flip.log_path)
        flip.start()
        assert flip.wait(30) == 0, flip.log()
        return json.loads(flip.log())

    def writer(self, **options):
        """One that follows the name through the first agent's dnsmasq, started."""
        dnsmasq = self.agents[0].dnsmasq
        return Writer(self.procs, self.port, resolver=dnsmasq.resolver,
                      name="%s.%s" % (PAIR, dnsmasq.domain), **options).start()

    def check_writer(self, writer, settle=10.0):
        """Ends it: nothing that was acknowledged is lost or there twice, and both tables are equal."""
        writer.stop()
        active = self.named()
        status, report = writer.check(self.servers[active], self.servers[
            "db4" if active == "db3" else "db3"], settle=settle)
        assert status == 0, report
        assert report["lost"] == 0 and report["duplicated"] == 0 and report["equal"], report
        return report

    # --- as it was at first ------------------------------------------------------------------------------

    def reset(self):
        self.consul.ensure()
        self.free_lock()
        self.api.delete_tree(self.root + "ops/")
        for server in self.servers.values():
            if server.is_alive():
                server.thaw()
            else:
                server.start()
        for server in self.servers.values():
            # One statement too many does no harm, and one client more takes its time.
            server.set_read_only(True)
            server.sql("START REPLICA")
        self.wait_replicating()
        self.db3.wait_applied(self.db4)
        self.db4.wait_applied(self.db3)
        self.db3.set_read_only(False)
        if self.named() != "db3":
            self.put("names/" + PAIR, "db3")
        for agent in self.agents:
            for process in (agent.dnsmasq, agent):
                if process.is_alive():
                    process.thaw()
                else:
                    process.start()
        self.wait_served()
        time.sleep(0.02)  # the watcher has seen it, too
        self.watcher.report()
        self.watcher.history()


def wait_well(world, limit=15.0):
    """Until nothing stands in the way of a failover."""
    last = [None]

    def is_well():
        code, plan = world.plan()
        last[0] = [p for p in plan["preflight"] if not p["ok"]]
        return code == 0
    try:
        wait_for("a failover is possible", is_well, limit, 0.1)
    except AssertionError:
        raise AssertionError("a failover is refused: %s" % json.dumps(last[0], indent=1))
