"""The lab's databases: two MariaDB masters that replicate from each other, a Redis and its replica.

They are the servers that the tests stand on (tests/e2e/lib); here they only live longer, have
addresses of their own, and come back from a crash as a master should: read-only, with replication
stopped, for a person to decide."""
import os
import secrets
import sys

from processes import is_running, wait_for

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))

from lib import mariadb, proc, redis, sql_server, sql_shell

# The last byte of each address, and ports that no real server of the machine uses.
ADDRESSES = {"db3": 13, "db4": 14, "red1": 21, "red2": 22}
MYSQL_PORT, REDIS_PORT = 13306, 16379

# What their parts may complain of.
ERRORS = (AssertionError, sql_server.SqlError, redis.RedisError)

# What a check's account needs (man/pointsman.conf.5), what an operation does, an application.
ACCOUNTS = {"pointsman": mariadb.CHECK_GRANTS,
            "operator": "REPLICA MONITOR, BINLOG MONITOR, READ_ONLY ADMIN, PROCESS,"
                        "CONNECTION ADMIN, REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN,"
                        "BINLOG ADMIN",
            "game": "USAGE"}

# A dead master is a proposal after three seconds here; the defaults take their time, and are for a network.
TIMING_CONF = """\
	interval = "1s"
	fast-interval = "500ms"
	window = "5s"
	refused-window = "3s"
	success-window = "3s"
"""
PAIRS_CONF = """\
pair "maindb" {{
	kind = "mysql"
	nodes = {{"db3", "db4"}}
	port = {mysql_port}
	credentials = "{credentials}"
{timing}}}
pair "sessions" {{
	kind = "redis"
	nodes = {{"red1", "red2"}}
	port = {redis_port}
{timing}}}
"""


class Servers:
    """Of one lab, in its folder servers/. Also what the servers of the tests call their Procs."""

    def __init__(self, lab):
        self.lab = lab
        self.dir = lab.path("servers")
        self.mark = os.environ.get(proc.MARK, "lab")
        self.shared = os.environ.get("POINTSMAN_BUILD") or os.path.join(TOP, "build")
        self.started = []
        os.makedirs(self.dir, exist_ok=True)
        # With one thread, and a sync a transaction, a standby falls behind eight busy connections.
        boot = ["--read-only=1", "--skip-slave-start", "--slave-parallel-threads=8"]
        dbs = [mariadb.MariaDB(self, name, n + 1, lab.nodes[name], MYSQL_PORT, boot)
               for n, name in enumerate(("db3", "db4"))]
        self.pair = sql_server.SqlPair(*dbs)
        master = redis.Redis(self, "red1", lab.nodes["red1"], REDIS_PORT)
        replica = redis.Redis(self, "red2", lab.nodes["red2"], REDIS_PORT, of=master)
        self.by_name = {s.name: s for s in (*dbs, master, replica)}

    def spawn(self, process, _log):
        """Called by a server's start()."""
        return self.lab.start(process.name, process.argv, f"servers/{process.name}.log",
                              what=f"{type(process).__name__} {process.address}:{process.port}")

    def begin(self):
        """Starts them all and waits for none."""
        for server in self.by_name.values():
            server.start(limit=0)

    def finish(self):
        """Until both pairs are pairs, with their accounts."""
        active, standby = servers = self.pair.active, self.pair.standby
        for server in servers:
            server.wait_ready()
        shells = [sql_shell.SqlShell(server) for server in servers]
        try:
            self.write_accounts()
            self.pair.connect()
            active.set_read_only(False)
            active.sql("CREATE DATABASE game")
            standby.wait_applied(active)
        finally:
            for shell in shells:
                shell.close()
        wait_for("red2 follows red1", self.by_name["red2"].is_linked)

    def write_accounts(self):
        """On both servers, and for the clients."""
        passwords = {user: secrets.token_hex(8) for user in ACCOUNTS}
        text = "SET SESSION sql_log_bin = 0;" + "".join(
            f"CREATE USER '{user}'@'%' IDENTIFIED BY '{passwords[user]}';"
            f"GRANT {grants} ON *.* TO '{user}'@'%';" for user, grants in ACCOUNTS.items())
        # The preflight looks at what other accounts may do; the test write of a failover is a row of
        # its own.
        text += ("GRANT ALL ON game.* TO 'game'@'%'; GRANT SELECT ON mysql.* TO 'operator'@'%';"
                 "GRANT CREATE, SELECT, INSERT, DELETE ON pointsman.* TO 'operator'@'%'")
        for server in (self.pair.active, self.pair.standby):
            server.sql(text)
        for user, password in passwords.items():
            self.write_account(user, password)

    def write_account(self, user, password):
        path = self.account(user)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="utf-8") as f:
            for group in ("pointsman", "client"):
                f.write(f"[{group}]\nuser = {user}\npassword = {password}\n")

    def account(self, user):
        return os.path.join(self.dir, user + ".cnf")

    def pairs_conf(self, user):
        """The blocks, for whoever looks at the databases as that user."""
        return PAIRS_CONF.format(credentials=self.account(user), mysql_port=MYSQL_PORT,
                                 redis_port=REDIS_PORT, timing=TIMING_CONF)

    def is_running(self, name):
        return any(p["name"] == name and is_running(p) for p in self.lab.state["processes"])

    def shell(self, name, arguments):
        """The server's own client, as root; what is typed behind it is one statement or command."""
        server = self.by_name[name]
        if isinstance(server, mariadb.MariaDB):
            return ["mariadb", "--no-defaults", "--user=root", "--socket=" + server.socket,
                    *(["--table", "--execute", " ".join(arguments)] if arguments else [])]
        return ["redis-cli", "-h", server.address, "-p", str(server.port), *arguments]
