"""A private MariaDB of Debian's packages, and two of them as masters of each other with GTIDs."""
import os
import shutil
import subprocess

from . import folder
from .proc import MARK
from .sql_server import SqlError, SqlPair, SqlServer

# What an account of a check needs; man/pointsman.conf.5 says the same.
CHECK_GRANTS = "REPLICA MONITOR, PROCESS"

# Small, and as safe as a test needs: a kill must not lose what was acknowledged.
OPTIONS = [
    "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-log-buffer-size=2M",
    "--aria-pagecache-buffer-size=1M", "--key-buffer-size=1M", "--performance-schema=OFF",
    "--log-bin=binlog", "--log-slave-updates", "--binlog-format=ROW", "--sync-binlog=1",
    "--slave-net-timeout=10", "--max-connections=60",
]


def _install(path, tmp):
    """An empty data directory. By force: a bare machine may not know its own name."""
    made = subprocess.run(["mariadb-install-db", "--no-defaults", "--datadir=" + path,
                           "--auth-root-authentication-method=normal", "--skip-test-db", "--force",
                           "--innodb-log-file-size=8M"]
                          + (["--user=root"] if os.geteuid() == 0 else []),
                          capture_output=True, text=True, timeout=120, check=False,
                          env=dict(os.environ, TMPDIR=tmp))
    assert made.returncode == 0, "mariadb-install-db:\n" + made.stdout + made.stderr


def template(procs):
    return folder.template(procs, "mariadb-template", _install)


class MariaDB(SqlServer):
    semi_sync_sides = ("master", "slave")

    def __init__(self, procs, name="mariadb", server_id=1, address="127.0.0.1", port=None, options=()):
        self.server_id = server_id
        super().__init__(procs, name, [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd", "--no-defaults",
            "--server-id=%d" % server_id, "--gtid-domain-id=%d" % server_id,
            # Of two masters one counts the odd numbers: rows that both write must not meet.
            "--auto-increment-increment=2", "--auto-increment-offset=%d" % (2 - server_id % 2)] + OPTIONS
            + list(options), address, port)

    def start(self, limit=60.0):
        if not os.path.isdir(self.data):
            shutil.copytree(template(self.procs), self.data)
        return super().start(limit)

    def create_replica_account(self):
        self.sql("SET SESSION sql_log_bin = 0;"
                 "CREATE USER 'replica'@'%' IDENTIFIED BY 'replica';"
                 "GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%';")

    def follow(self, source, name=""):
        self.sql("CHANGE MASTER '%s' TO MASTER_HOST='%s', MASTER_PORT=%d, MASTER_USER='replica',"
                 "MASTER_PASSWORD='replica', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1,"
                 "MASTER_HEARTBEAT_PERIOD=1; START SLAVE '%s'"
                 % (name, source.address, source.port, name))

    def is_replicating(self):
        rows = self.sql("SHOW ALL SLAVES STATUS")
        return bool(rows) and all(r["Slave_IO_Running"] == "Yes" and r["Slave_SQL_Running"] == "Yes"
                                  for r in rows)

    def set_read_only(self, on):
        self.sql("SET GLOBAL read_only = %d" % on)

    def position(self):
        return self.value("SELECT @@GLOBAL.gtid_binlog_pos")

    def has_received(self, other):
        row = self.sql("SHOW ALL SLAVES STATUS")[0]
        return row["Gtid_IO_Pos"].split(",")[0] == other.position().split(",")[0]

    def rebuild(self, source):
        """Made anew from a dump of the other one, as mariadb-dump makes it for a replica; its replication is
        stopped."""
        env = dict(os.environ, **{MARK: self.procs.mark})
        self.wipe()
        self.start()
        dump = self.data + ".sql"
        with open(dump, "w") as f:
            subprocess.run(["mariadb-dump", "--no-defaults", "--user=root", "--socket=" + source.socket, "--gtid",
                            "--single-transaction", "--master-data=1", "--flush-privileges", "--all-databases"],
                           stdout=f, check=True, timeout=60, env=env)
        with open(dump) as f:
            subprocess.run(["mariadb", "--no-defaults", "--user=root", "--socket=" + self.socket,
                            "--init-command=SET SESSION sql_log_bin = 0"],
                           stdin=f, check=True, timeout=60, env=env)
        self.follow(source)
        self.wait_applied(source)
        self.sql("STOP REPLICA")

    def wait_applied(self, other, limit=30.0):
        assert self.value("SELECT MASTER_GTID_WAIT('%s', %g)" % (other.position(), limit),
                          limit=limit + 10) == "0", "%s did not catch up" % self.name


class MariaDBPair(SqlPair):
    def __init__(self, procs, names=("db3", "db4"), options=()):
        super().__init__(*(MariaDB(procs, name, server_id=i + 1, options=options)
                           for i, name in enumerate(names)))


__all__ = ["CHECK_GRANTS", "MariaDB", "MariaDBPair", "SqlError"]
