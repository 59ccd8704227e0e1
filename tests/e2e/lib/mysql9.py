"""A private MySQL 9 as contrib/get-mysql9 obtains it, and two of them as masters of each other with
GTIDs. Where there is none to be had, skip_without() says so in the report."""
import glob
import os
import shutil
import subprocess

import pytest

from .folder import template
from .sql_server import SqlError, SqlPair, SqlServer

CHECK_GRANTS = "REPLICATION CLIENT, PROCESS"

OPTIONS = [
    "--innodb-buffer-pool-size=32M", "--innodb-redo-log-capacity=16M", "--mysqlx=OFF",
    "--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-bin=binlog", "--sync-binlog=1",
    "--replica-net-timeout=10", "--max-connections=60", "--secure-file-priv=",
    # A third of the memory and of the time to start.
    "--table-open-cache=200", "--table-definition-cache=400",
]

# What a server of an operations team loads, and what copies a server.
PLUGINS = "--plugin-load=semisync_source.so;semisync_replica.so;mysql_clone.so"

_folder = [None]


def folder():
    """Where it is; None when it cannot be had. MYSQL9 names one, or it is fetched, once."""
    if _folder[0] is None:
        top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        found = os.environ.get("MYSQL9")
        if not found:
            done = subprocess.run([os.path.join(top, "contrib/get-mysql9")], capture_output=True,
                                  text=True, timeout=600)
            found = done.stdout.strip() if done.returncode == 0 else ""
        _folder[0] = found
    return _folder[0] or None


def tools(procs):
    """A directory for the PATH with its mysqlbinlog, which runs through the loader of its folder as mysqld does."""
    path = os.path.join(procs.dir, "mysql9-tools")
    if not os.path.isdir(path):
        lib = os.path.dirname(glob.glob(folder() + "/usr/lib/*/ld-linux*.so.*")[0])
        loader = glob.glob(lib + "/ld-linux*.so.*")[0]
        os.mkdir(path)
        with open(path + "/mysqlbinlog", "w") as f:
            f.write("#!/bin/sh\nexec %s --library-path %s %s/usr/bin/mysqlbinlog \"$@\"\n"
                    % (loader, lib, folder()))
        os.chmod(path + "/mysqlbinlog", 0o755)
    return path


def skip_without():
    if not folder():
        pytest.skip("NOT TESTED: MySQL 9 cannot be had here (contrib/get-mysql9 says why)")


def _initialize(path, tmp):
    subprocess.run([folder() + "/bin/mysqld", "--initialize-insecure", "--datadir=" + path,
                    "--innodb-redo-log-capacity=16M", "--secure-file-priv="]
                   + (["--user=root"] if os.geteuid() == 0 else []),
                   check=True, capture_output=True, timeout=120,
                   env=dict(os.environ, TMPDIR=tmp))
    os.remove(path + "/auto.cnf")  # its UUID: every copy has to get its own


def template_of(procs):
    return template(procs, "mysql9-template", _initialize)


class MySQL9(SqlServer):
    semi_sync_sides = ("source", "replica")

    def __init__(self, procs, name="mysql9", server_id=1, address="127.0.0.1", port=None, options=()):
        self.server_id = server_id
        super().__init__(procs, name, [folder() + "/bin/mysqld", "--server-id=%d" % server_id]
                         + OPTIONS + list(options), address, port)

    def start(self, limit=120.0):
        if not os.path.isdir(self.data):
            shutil.copytree(template_of(self.procs), self.data)
        return super().start(limit)

    def create_replica_account(self):
        self.sql("SET SESSION sql_log_bin = 0;"
                 "CREATE USER 'replica'@'%' IDENTIFIED BY 'replica';"
                 "GRANT REPLICATION SLAVE ON *.* TO 'replica'@'%';")

    def follow(self, source, channel=""):
        suffix = " FOR CHANNEL '%s'" % channel if channel else ""
        self.sql("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%d, SOURCE_USER='replica',"
                 "SOURCE_PASSWORD='replica', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1,"
                 "SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=100000, SOURCE_HEARTBEAT_PERIOD=1%s;"
                 "START REPLICA%s" % (source.address, source.port, suffix, suffix))

    def is_replicating(self):
        rows = self.sql("SHOW REPLICA STATUS")
        return bool(rows) and all(r["Replica_IO_Running"] == "Yes" and r["Replica_SQL_Running"] == "Yes"
                                  for r in rows)

    def set_read_only(self, on):
        self.sql("SET GLOBAL super_read_only = 1" if on else "SET GLOBAL read_only = 0")

    def position(self):
        return self.value("SELECT @@GLOBAL.gtid_executed")

    def wait_applied(self, other, limit=30.0):
        assert self.value("SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %g)" % (other.position(), limit),
                          limit=limit + 10) == "0", "%s did not catch up" % self.name


    def has_received(self, other):
        return self.value("SELECT GTID_SUBSET('%s', CONCAT(Received_transaction_set, ',', @@gtid_executed)) FROM "
                          "performance_schema.replication_connection_status" % other.position()) == "1"

    def rebuild(self, source):
        """Made anew from a copy of the other one's files; its replication is stopped."""
        self.wipe()
        source.sql("CLONE LOCAL DATA DIRECTORY = '%s'" % self.data, limit=60)
        self.start()
        self.set_read_only(False)
        self.sql("RESET REPLICA ALL")
        self.follow(source)
        self.wait_applied(source)
        self.sql("STOP REPLICA")
        self.set_read_only(True)


class MySQL9Pair(SqlPair):
    def __init__(self, procs, names=("db3", "db4"), options=()):
        super().__init__(*(MySQL9(procs, name, server_id=i + 1, options=options)
                           for i, name in enumerate(names)))


__all__ = ["CHECK_GRANTS", "PLUGINS", "MySQL9", "MySQL9Pair", "SqlError", "folder", "skip_without", "template_of",
           "tools"]
