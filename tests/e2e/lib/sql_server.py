"""What a MariaDB and a MySQL have in common: a private server on loopback with its own data directory,
its own socket and a root without a password, asked through Debian's mariadb client."""
import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from .proc import MARK, Process, free_port, wait_for


class SqlError(Exception):
    """What the client said: "ERROR 1045 (28000): Access denied …"."""

    def __init__(self, text):
        super().__init__(text)
        word = text.split()
        self.errno = int(word[1]) if len(word) > 1 and word[1].isdigit() else 0


def _rows(xml):
    """The last result of mariadb -X: a list of {column: text, or None for NULL}."""
    # Several statements make several documents.
    text = xml[xml.rfind("<resultset"):] if "<resultset" in xml else ""
    if not text:
        return []
    rows = []
    for row in ElementTree.fromstring(text):
        rows.append({f.get("name"): None if f.get("{http://www.w3.org/2001/XMLSchema-instance}nil")
                     else f.text or "" for f in row})
    return rows


def own_tmp(path):
    """A server that starts removes the temporary tables of all in its directory: each has its own."""
    os.makedirs(path + "-tmp", exist_ok=True)
    return path + "-tmp"


class SqlServer(Process):
    """Subclasses fill the data directory and say the program."""

    semi_sync_sides = ()  # what the source and the replica are called in the names of its variables

    def __init__(self, procs, name, argv, address="127.0.0.1", port=None):
        self.address, self.port = address, port or free_port(address)
        self.data = os.path.join(procs.dir, name + "-data")
        # A socket's path has 107 bytes at most.
        self.socket = os.path.join(procs.dir, name + ".sock")
        common = ["--datadir=" + self.data, "--socket=" + self.socket, "--port=%d" % self.port,
                  "--bind-address=" + address, "--pid-file=" + os.path.join(procs.dir, name + ".pid"),
                  "--skip-name-resolve"]
        if os.geteuid() == 0:
            common.append("--user=root")
        super().__init__(procs, name, argv + common,
                         env={"LD_PRELOAD": "", "TMPDIR": own_tmp(os.path.join(procs.dir, name))})

    @property
    def endpoint(self):
        return "%s:%d" % (self.address, self.port)

    def start(self, limit=60.0):
        """Starts and waits until it can be asked. limit 0: does not wait."""
        super().start()
        if limit:
            self.wait_ready(limit)
        return self

    def wait_ready(self, limit=60.0):
        def is_ready():
            if not self.is_alive():
                raise AssertionError("%s ended:\n%s" % (self.name, self.log()[-3000:]))
            try:
                return self.sql("SELECT 1 AS one", limit=5.0) == [{"one": "1"}]
            except (SqlError, subprocess.TimeoutExpired):
                return False
        wait_for("%s answering" % self.name, is_ready, limit, 0.05)

    def sql(self, text, user="root", password=None, database=None, tcp=False, limit=30.0):
        """Runs statements; returns the last one's rows as [{column: text or None}], [] for none."""
        argv = ["mariadb", "--no-defaults", "-X", "--user=" + user]
        argv += ["--host=" + self.address, "--port=%d" % self.port, "--protocol=tcp"] if tcp \
            else ["--socket=" + self.socket]
        if database:
            argv.append("--database=" + database)
        env = dict(os.environ, **{MARK: self.procs.mark})
        if password is not None:
            env["MYSQL_PWD"] = password
        done = subprocess.run(argv, input=text.encode(), capture_output=True, env=env, timeout=limit)
        if done.returncode != 0:
            raise SqlError(done.stderr.decode(errors="replace").strip())
        return _rows(done.stdout.decode(errors="replace"))

    def value(self, text, **kwargs):
        """The first column of the first row."""
        return next(iter(self.sql(text, **kwargs)[0].values()))

    def create_account(self, user, password, grants, host="%"):
        """grants: "REPLICATION CLIENT, PROCESS". Not written to the binary log."""
        was_read_only = self.is_read_only()
        if was_read_only:
            self.set_read_only(False)
        self.sql("SET SESSION sql_log_bin = 0;"
                 "CREATE USER '%s'@'%s' IDENTIFIED BY '%s';"
                 "GRANT %s ON *.* TO '%s'@'%s';" % (user, host, password, grants, user, host))
        if was_read_only:
            self.set_read_only(True)

    def open_client(self, user="root", password=None, **kwargs):
        """A session that stays: a pipe into mariadb, for locks, open transactions, long statements."""
        argv = ["mariadb", "--no-defaults", "--user=" + user, "--socket=" + self.socket,
                "--force", "--unbuffered"]
        env = dict(os.environ, **{MARK: self.procs.mark})
        if password is not None:
            env["MYSQL_PWD"] = password
        client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env=env, start_new_session=True, **kwargs)
        self.procs.started.append(client)
        return client

    def is_read_only(self):
        return self.value("SELECT @@GLOBAL.read_only") == "1"

    def set_read_only(self, on):
        raise NotImplementedError

    def replica(self):
        """SHOW REPLICA STATUS of its first source, {} when it has none."""
        rows = self.sql("SHOW REPLICA STATUS")
        return rows[0] if rows else {}

    def is_applying(self):
        row = self.replica()
        return "Yes" in (row.get("Slave_SQL_Running"), row.get("Replica_SQL_Running"))

    def is_listening(self):
        """To its source, or tries to."""
        row = self.replica()
        return (row.get("Slave_IO_Running") or row.get("Replica_IO_Running") or "No") != "No"

    def wait_applied(self, other, limit=30.0):
        """Until it has executed all that other has written."""
        raise NotImplementedError

    def set_semi_sync(self, source=None, replica=None):
        """True or False; None: as it is. A replica says so when it connects: it does that anew."""
        for side, on in zip(self.semi_sync_sides, (source, replica)):
            if on is not None:
                self.sql("SET GLOBAL rpl_semi_sync_%s_enabled = %d" % (side, on))
        if replica is not None:
            self.sql("STOP REPLICA; START REPLICA")

    def waits_for_replica(self):
        """Whether its commits wait for a replica."""
        return self.value("SELECT @@GLOBAL.rpl_semi_sync_%s_enabled" % self.semi_sync_sides[0]) == "1"

    def wipe(self):
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)


class SqlPair:
    """Two masters that replicate from each other; the second is the read-only standby."""

    def __init__(self, active, standby):
        self.active, self.standby = active, standby

    def start(self):
        for server in (self.active, self.standby):
            server.start(limit=0)
        return self.connect()

    def connect(self):
        """Two servers that were started become a pair."""
        for server in (self.active, self.standby):
            server.wait_ready()
        for server in (self.active, self.standby):
            server.create_replica_account()
        self.active.follow(self.standby)
        self.standby.follow(self.active)
        self.standby.set_read_only(True)
        self.wait_replicating()
        return self

    def wait_replicating(self, limit=30.0):
        for server in (self.active, self.standby):
            wait_for("%s replicating" % server.name, server.is_replicating, limit, 0.05)

    def each_account(self, user, password, grants, host="%"):
        for server in (self.active, self.standby):
            server.create_account(user, password, grants, host)
