"""Every way in which a MariaDB or a MySQL can be down or ill, on real servers: each is said as what it is,
within the bound."""
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

from lib import faults, mariadb, mysql9, netns
from lib.faults import Fault
from lib.proc import free_port, wait_for
from lib.vantage import Vantage, seed

PASSWORD = "s3cret-of-the-faults"
BYSTANDERS = 30


def option_file(procs, name, more=""):
    path = os.path.join(procs.dir, name + ".cnf")
    with open(path + ".new", "w") as f:
        f.write("[pointsman]\nuser = watch\npassword = %s\n%s" % (PASSWORD, more))
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
    return path


def check(server, credentials, role="any", **more):
    return dict({"type": "mysql", "target": server.endpoint, "role": role,
                 "credentials": credentials, "max-lag": "1s"}, **more)


def hang_up(server):
    """What needs a new connection to be seen."""
    for row in server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'watch'"):
        try:
            server.sql("KILL " + row["ID"])
        except mariadb.SqlError:
            pass  # it went by itself


class Crowd:
    """Takes every connection that a server has to give. Who only connects and says nothing counts until
    connect_timeout."""

    def __init__(self, server):
        self.server, self.is_over, self.sockets = server, threading.Event(), []

    def come(self):
        """Nobody gets in any more, and who was in is sent out."""
        ids = self.server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'watch'")
        inside = self.server.open_client()
        wait_for("somebody inside", lambda: self.server.sql(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = 'root' AND COMMAND = 'Sleep'"), 5)
        self.is_over.clear()
        self.thread = threading.Thread(target=self._push, daemon=True)
        self.thread.start()
        wait_for("a crowd", lambda: len(self.sockets) > 20, 10)
        began = time.monotonic()
        for row in ids:
            inside.stdin.write(b"KILL %d;\n" % int(row["ID"]))
        inside.stdin.flush()
        self.inside = inside
        return began

    def _push(self):
        while not self.is_over.wait(0.01):
            try:
                self.sockets.append(socket.create_connection((self.server.address, self.server.port), 1))
            except OSError:
                pass
            if len(self.sockets) > 200:
                self.sockets.pop(0).close()

    def go(self):
        self.is_over.set()
        self.thread.join()
        for s in self.sockets:
            s.close()
        self.inside.kill()
        self.inside.wait()


def certificate(procs, address):
    """Of our own authority: the options of a server."""
    base = os.path.join(procs.dir, "tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=" + address, "-addext", "subjectAltName=IP:" + address,
                    "-keyout", base + ".key", "-out", base + ".crt"], check=True, capture_output=True)
    return base + ".crt", ["--ssl-cert=" + base + ".crt", "--ssl-key=" + base + ".key"]


def of_the_server(server, name):
    """Faults of a whole server: its process."""
    return [
        Fault("frozen (SIGSTOP)", name, "timeout", server.freeze, server.thaw),
        Fault("killed", name, "refused", server.kill, server.start),
    ]


def of_the_account(server, name, rewrite):
    """Faults between a server and our account. rewrite(more): other credentials."""
    def password(text):
        server.sql("SET SESSION sql_log_bin = 0; ALTER USER 'watch'@'%%' IDENTIFIED BY '%s'" % text)
        began = time.monotonic()
        hang_up(server)
        return began

    def without_tls():
        rewrite("ssl = 1\n")
        hang_up(server)
    crowd = Crowd(server)
    return [
        Fault("password wrong", name, "auth", lambda: password("another"), lambda: password(PASSWORD),
              "1045", "warning"),
        Fault("too many connections", name, "too-many-connections", crowd.come, crowd.go, "1040",
              "warning"),
        Fault("TLS refused", name, "tls", without_tls, lambda: (rewrite(""), hang_up(server))),
    ]


def of_the_role(active, name):
    return [Fault("read_only", name, "read-only", lambda: active.set_read_only(True),
                  lambda: active.set_read_only(False))]


class Dialect:
    def __init__(self, server):
        self.is_mariadb = isinstance(server, mariadb.MariaDB)
        self.word = "SLAVE" if self.is_mariadb else "REPLICA"

    def source_password(self, text):
        change = "CHANGE MASTER TO MASTER_PASSWORD" if self.is_mariadb else \
            "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD"
        return "STOP %s; %s = '%s'; START %s" % (self.word, change, text, self.word)


def of_replication(writer, follower, name, way):
    """Faults of one direction: follower replicates from writer."""
    say = Dialect(follower)

    def free(server, text):
        """Whatever it takes to write where nobody may, and not in the binary log."""
        is_read_only = server.is_read_only()
        if is_read_only:
            server.set_read_only(False)
        server.sql("SET SESSION sql_log_bin = 0; %s" % text)
        if is_read_only:
            server.set_read_only(True)

    def collide():
        free(follower, "INSERT INTO game.t VALUES (62)")
        began = time.monotonic()
        writer.sql("INSERT INTO game.t VALUES (62)")
        return began

    def part():
        free(follower, "DELETE FROM game.t WHERE id = 62")
        follower.sql("START " + say.word)

    def restart():
        follower.sql("START " + say.word)
    return [
        Fault("replication %s: password wrong" % way, name, "replication",
              lambda: follower.sql(say.source_password("wrong")),
              lambda: follower.sql(say.source_password("replica")), "1045"),
        Fault("replication %s: IO thread stopped" % way, name, "replication",
              lambda: follower.sql("STOP %s IO_THREAD" % say.word) and None, restart),
        Fault("replication %s: SQL thread stopped" % way, name, "replication",
              lambda: follower.sql("STOP %s SQL_THREAD" % say.word) and None, restart),
        Fault("replication %s: 1062" % way, name, "replication", collide, part, "1062"),
    ]


def of_lag(writer, follower, name):
    clients = []

    def lock():
        clients.append(follower.open_client())
        clients[0].stdin.write(b"LOCK TABLES game.t READ; SELECT 1;\n")
        clients[0].stdin.flush()
        wait_for("the lock", lambda: follower.sql(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND = 'Sleep' AND USER = 'root'"), 5)
        time.sleep(0.1)
        began = time.monotonic()
        writer.sql("INSERT INTO game.t VALUES (77)")
        return began

    def unlock():
        clients[0].kill()
        clients[0].wait()
        writer.sql("DELETE FROM game.t WHERE id = 77")
    # max-lag is 1 s, and the server counts whole seconds, of its clock and of the other's.
    return [Fault("lag: an applier that waits for a lock", name, "lag", lock, unlock, grows=3.0)]


def make_pair(pair, procs):
    pair.each_account("watch", PASSWORD,
                      mariadb.CHECK_GRANTS if isinstance(pair.active, mariadb.MariaDB)
                      else mysql9.CHECK_GRANTS)
    pair.active.sql("CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY)")
    pair.standby.wait_applied(pair.active)
    return pair


class FullDisk(mariadb.MariaDB):
    """Its data are on a small tmpfs that only it has mounted."""

    def __init__(self, procs, name, server_id):
        super().__init__(procs, name, server_id, options=["--innodb-log-file-size=4M"])
        mounted = self.data
        script = ('mount -t tmpfs -o size=120m tmpfs "$0" && cp -r "$0.seed/." "$0/" && exec "$@"')
        self.argv = ["unshare", "--mount", "sh", "-c", script, mounted] + self.argv

    def start(self, limit=60.0):
        if not os.path.isdir(self.data + ".seed"):
            shutil.copytree(mariadb.template(self.procs), self.data + ".seed")
            os.mkdir(self.data)
        return super().start(limit)

    @property
    def inside(self):
        return "/proc/%d/root%s" % (self.pid, self.data)

    def fill(self):
        """Leaves no room, and somebody who writes."""
        with open(self.inside + "/filler", "wb") as f:
            try:
                while True:
                    f.write(b"x" * 65536)
            except OSError:
                pass
        self.writer = self.open_client()
        self.writer.stdin.write(b"USE game; INSERT INTO m SELECT REPEAT('x', 1000000) FROM seq_1_to_20;\n")
        self.writer.stdin.flush()

    def empty(self):
        os.remove(self.inside + "/filler")
        self.sql("KILL %s" % self.writer_id() if self.writer_id() else "SELECT 1")
        self.writer.kill()
        self.writer.wait()

    def writer_id(self):
        rows = self.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT%'")
        return rows[0]["ID"] if rows else None


def test_mariadb(procs, consul):
    """Fails when one of them is not found, not in time, or called something else; or when one that is
    well is."""
    net = netns.Net(procs)
    host = net.host("db9")
    port = free_port()
    there = mariadb.MariaDB(procs, "there", 9, host.address, port)
    there.argv = host.enter + there.argv
    # Else only some of our packets are told that they cannot get there.
    host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit")
    solo = mariadb.MariaDB(procs, "solo", 8, options=["--max-connections=12", "--skip-ssl"])
    authority, tls = certificate(procs, "127.0.0.1")
    vault = mariadb.MariaDB(procs, "vault", 6, options=["--max-connections=12"] + tls)
    disk = FullDisk(procs, "disk", 7)
    pairs = [mariadb.MariaDBPair(procs, ("a3", "a4")), mariadb.MariaDBPair(procs, ("b3", "b4"))]
    singles = (there, solo, disk, vault)
    for server in singles:
        server.start(limit=0)
    for pair in pairs:
        for server in (pair.active, pair.standby):
            server.start(limit=0)
    for server in singles:
        server.wait_ready()
        server.create_account("watch", PASSWORD, mariadb.CHECK_GRANTS)
    for pair in pairs:
        make_pair(pair.start(), procs)
    disk.sql("CREATE DATABASE game; CREATE TABLE game.m (t LONGTEXT) ENGINE=MyISAM")
    credentials = option_file(procs, "watch")
    alone = option_file(procs, "alone")
    secure = option_file(procs, "secure", "ssl-ca = %s\n" % authority)
    bystanders = faults.Bystanders(BYSTANDERS)
    seed(consul.api, "faults-mariadb/")
    vantage = Vantage(procs, consul.url, "faults-mariadb/", checks=dict(bystanders.checks(), **{
        "there": check(there, credentials), "solo": check(solo, alone),
        "disk": check(disk, credentials, **{"long-write": "1s"}), "vault": check(vault, secure),
        "standby": check(pairs[0].standby, credentials, "replica"),
        "active": check(pairs[1].active, credentials, "master")})).start().wait_known(30)

    def firewall(verdict):
        host.nft("add table inet wall\ndelete table inet wall\n" + (
            "table inet wall {\n chain input {\n  type filter hook input priority 0\n"
            "  tcp dport %d %s\n }\n}\n" % (port, verdict) if verdict else ""))

    def wall(what, want, verdict):
        return Fault(what, "there", want, lambda: firewall(verdict), lambda: firewall(None))
    crowd = Crowd(vault)
    groups = [
        [Fault("too many connections, over TLS", "vault", "too-many-connections", crowd.come, crowd.go,
               "1040", "warning")],
        of_the_server(there, "there") + [
            wall("port closed (RST)", "refused", "reject with tcp reset"),
            wall("black hole", "timeout", "drop"),
            wall("host unreachable (ICMP)", "unreachable", "reject with icmp type host-unreachable")],
        of_the_account(solo, "solo", lambda more: option_file(procs, "alone", more)),
        of_replication(pairs[0].active, pairs[0].standby, "standby", "of the standby")
        + of_lag(pairs[0].active, pairs[0].standby, "standby"),
        of_replication(pairs[1].standby, pairs[1].active, "active", "of the active")
        + of_the_role(pairs[1].active, "active"),
        [Fault("disk full, somebody writes", "disk", "disk-full", disk.fill, disk.empty)],
    ]
    try:
        rows = faults.run(vantage, groups, "MariaDB")
    finally:
        bystanders.close()
    assert len(rows) == sum(map(len, groups))


@pytest.mark.soak
def test_mysql9(procs, consul):
    """The same words for the other dialect."""
    mysql9.skip_without()
    solo = mysql9.MySQL9(procs, "solo", 8, options=["--max-connections=12"])
    pair = mysql9.MySQL9Pair(procs, ("m3", "m4"))
    for server in (solo, pair.active, pair.standby):
        server.start(limit=0)
    solo.wait_ready(120)
    solo.create_account("watch", PASSWORD, mysql9.CHECK_GRANTS)
    make_pair(pair.start(), procs)
    credentials = option_file(procs, "watch")
    bystanders = faults.Bystanders(BYSTANDERS)
    seed(consul.api, "faults-mysql9/")
    vantage = Vantage(procs, consul.url, "faults-mysql9/", checks=dict(bystanders.checks(), **{
        "solo": check(solo, credentials), "standby": check(pair.standby, credentials, "replica"),
        "active": check(pair.active, credentials, "master")})).start().wait_known(30)
    groups = [
        of_the_account(solo, "solo", None)[:2] + of_the_server(solo, "solo"),
        of_replication(pair.active, pair.standby, "standby", "of the standby")
        + of_lag(pair.active, pair.standby, "standby"),
        of_the_role(pair.active, "active"),
    ]
    try:
        rows = faults.run(vantage, groups, "MySQL 9")
    finally:
        bystanders.close()
    assert len(rows) == sum(map(len, groups))
