"""pointsman doctor on real pairs: a healthy one passes, and each of many broken things is found and
named, with why and what to do; what is mended is fine again. Nothing is changed on any server."""
import contextlib
import os
import socket
import subprocess
import threading

import pytest

from lib import mariadb, mysql9
from lib.cli import Desk, FakeAgent, check_width
from lib.proc import free_port, loopback_net, wait_for
from lib.redis import Redis, sentinel_trio
from lib.sql_server import SqlPair

PASSWORD = "topsecret-7"
# All that man/pointsman.conf.5 says a failover needs, and SELECT on mysql to see the other accounts.
MARIADB_GRANTS = ("REPLICA MONITOR, BINLOG MONITOR, READ_ONLY ADMIN, PROCESS, CONNECTION ADMIN, "
                  "REPLICATION SLAVE ADMIN, BINLOG ADMIN, REPLICATION MASTER ADMIN")
MYSQL_GRANTS = ("REPLICATION CLIENT, PROCESS, SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN, "
                "REPLICATION_SLAVE_ADMIN, XA_RECOVER_ADMIN")


class PairDesk(Desk):
    """A pair "maindb" of db3 (active) and db4, two agents that serve the newest generation."""

    def __init__(self, procs, consul, kind, addresses, port, more=""):
        super().__init__(procs.dir, consul.api, consul.url)
        self.write_config('pair "maindb" { kind = %s nodes = {"db3", "db4"} port = %d %s }\n' % (
            kind, port, more))
        self.seed(names={"maindb": "db3"}, nodes=dict(addresses, db1="127.0.0.1"))
        self.agents = [FakeAgent(self, "web-%d" % i) for i in (1, 2)]
        self.serve()

    def serve(self):
        for agent in self.agents:
            agent.serve(self.index())

    def flip(self, value):
        self.put("names/maindb", value)
        self.serve()

    def doctor(self, *args):
        """(exit code, {rule: the worst finding}) and the text has 80 columns."""
        text = self.run("doctor", *args)
        check_width(text.out)
        assert PASSWORD not in text.out + text.err
        done = self.run("-o", "json", "doctor", *args)
        worst = {}
        for one in done.json[0]["preflight"]:
            assert one["ok"] == (one["level"] == "ok") and one["fact"], one
            if one["level"] in ("warning", "refused"):
                assert one["why"] and one["do"], one
            before = worst.get(one["name"])
            if before is None or before["ok"] or one["level"] == "refused":
                worst[one["name"]] = one
        assert (done.code == 0) == all(one["ok"] for one in worst.values()), done
        return done.code, worst

    def bad(self):
        return {name: one for name, one in self.doctor("maindb")[1].items() if not one["ok"]}

    def wait_well(self, limit=15.0):
        last = [None]

        def is_well():
            last[0] = self.bad()
            return not last[0]
        try:
            wait_for("well", is_well, limit, 0.1)
        except AssertionError:
            raise AssertionError("not well: %s" % last[0])

    def expect(self, rule, level, words, limit=10.0):
        """The rule is broken in this way, within a moment."""
        last = [None]

        def is_so():
            last[0] = self.bad()
            return rule in last[0] and last[0][rule]["level"] == level and words in last[0][rule]["fact"]
        try:
            wait_for(rule, is_so, limit, 0.1)
        except AssertionError:
            raise AssertionError("not %s (%s) with %r: %s" % (rule, level, words, last[0]))
        return last[0]


class Session:
    """Somebody of an application, who comes from an address that is not the machine's own."""

    def __init__(self, server, user, password, source):
        self.source = source
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "--user=" + user, "--host=127.0.0.1", "--protocol=tcp",
             "--port=%d" % self.listener.getsockname()[1]], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, env=dict(os.environ, MYSQL_PWD=password))
        near = self.listener.accept()[0]
        far = socket.create_connection((server.address, server.port), 10, (source, 0))
        for ends in ((near, far), (far, near)):
            threading.Thread(target=self._copy, args=ends, daemon=True).start()

    @staticmethod
    def _copy(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

    def close(self):
        self.client.stdin.close()
        self.client.wait(10)
        self.listener.close()


# --- databases -----------------------------------------------------------------------------------------


class SqlDesk(PairDesk):
    def __init__(self, procs, consul, pair, addresses):
        self.pair, self.active, self.standby = pair, pair.active, pair.standby
        self.is_mariadb = isinstance(pair.active, mariadb.MariaDB)
        self.word = "SLAVE" if self.is_mariadb else "REPLICA"
        credentials = os.path.join(procs.dir, "admin.cnf")
        with open(credentials, "w") as f:
            f.write("[pointsman]\nuser = pointsman\npassword = %s\n" % PASSWORD)
        os.chmod(credentials, 0o600)
        super().__init__(procs, consul, "mysql", addresses, pair.active.port,
                         'credentials = "%s" max-lag = "5s" long-write = "1s"' % credentials)

    @contextlib.contextmanager
    def unfenced(self):
        """Something done on the standby that leaves no trace in its binary log."""
        self.standby.set_read_only(False)
        yield
        self.standby.set_read_only(True)


def start_pair(procs, kind):
    """As a careful administrator sets it up: read-only and without replication at its next start."""
    port, net = free_port(), loopback_net()
    addresses = {"db3": net + "3", "db4": net + "4"}
    options = ["--read-only=1", "--auto-increment-increment=2"]
    if kind == "mysql9":
        options += ["--super-read-only=1", "--skip-replica-start=1"]
    servers = [(mysql9.MySQL9 if kind == "mysql9" else mariadb.MariaDB)(
        procs, kind + "-" + node, server_id=i + 1, address=addresses[node], port=port,
        options=options + ["--auto-increment-offset=%d" % (i + 1)])
        for i, node in enumerate(("db3", "db4"))]
    pair = SqlPair(*servers)
    for server in servers:
        server.start()
        server.set_read_only(False)
    for server in servers:
        server.create_replica_account()
    servers[0].follow(servers[1])
    servers[1].follow(servers[0])
    servers[1].set_read_only(True)
    pair.wait_replicating()
    pair.each_account("pointsman", PASSWORD, MYSQL_GRANTS if kind == "mysql9" else MARIADB_GRANTS)
    for server in servers:
        server.set_read_only(False)
        server.sql("SET SESSION sql_log_bin = 0; GRANT SELECT ON mysql.* TO 'pointsman'@'%';"
                   "GRANT SELECT ON performance_schema.* TO 'pointsman'@'%'")
    servers[1].set_read_only(True)
    servers[0].sql("CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY)")
    servers[1].wait_applied(servers[0])
    return pair, addresses


@pytest.fixture(scope="module", params=["mariadb", pytest.param("mysql9", marks=pytest.mark.soak)])
def desk(request, module_procs, consul):
    if request.param == "mysql9":
        mysql9.skip_without()
    pair, addresses = start_pair(module_procs, request.param)
    desk = SqlDesk(module_procs, consul, pair, addresses)
    desk.wait_well()
    return desk


def test_a_healthy_pair_passes(desk):
    done = desk.run("doctor", "maindb")
    assert done.code == 0 and "maindb  db3 " in done.out and "==>  db4 " in done.out, done
    assert "(--all lists them)" in done.out and "refused" not in done.out, done
    done = desk.run("doctor", "--all")
    assert done.code == 0, done
    check_width(done.out)
    for words in ("replication: db4 replicates from db3", "replication: db3 replicates from db4",
                  "writer: db3 is writable and db4 is not", "agents: all 2 agents serve"):
        assert words in done.out.replace("\n  ", " "), done
    got = desk.run("-o", "json", "doctor").json[0]
    assert (got["from"], got["to"], got["ok"], got["would_refuse"]) == ("db3", "db4", True, False)


def test_replication_there_and_back(desk):
    desk.standby.sql("STOP " + desk.word)
    bad = desk.expect("replication", "refused", "db4: the ")
    assert "pointsman rejoin maindb" in bad["replication"]["do"]
    desk.active.sql("INSERT INTO game.t VALUES (10)")
    desk.expect("catch-up", "refused", "db4 lacks 1 transaction")
    desk.standby.sql("START " + desk.word)
    desk.wait_well()
    desk.active.sql("STOP " + desk.word)
    assert "no way back" in desk.expect("replication", "refused", "db3: the ")["replication"]["why"]
    desk.active.sql("START " + desk.word)
    desk.wait_well()


def test_an_applier_that_stopped_on_an_error(desk):
    with desk.unfenced():
        desk.standby.sql("SET SESSION sql_log_bin = 0; INSERT INTO game.t VALUES (20)")
    desk.active.sql("INSERT INTO game.t VALUES (20)")
    desk.expect("replication", "refused", "error 1062")
    with desk.unfenced():
        desk.standby.sql("SET SESSION sql_log_bin = 0; DELETE FROM game.t WHERE id = 20")
    desk.standby.sql("START " + desk.word)
    desk.wait_well()


def test_an_errant_transaction(desk):
    desk.active.sql("STOP " + desk.word)
    with desk.unfenced():
        desk.standby.sql("INSERT INTO game.t VALUES (30)")
    bad = desk.expect("errant transactions", "refused", "db4 has transactions that db3 does not")
    assert ("2-2-" if desk.is_mariadb else ":1") in bad["errant transactions"]["fact"]
    desk.active.sql("START " + desk.word)
    desk.wait_well()


def test_the_applier_lags(desk):
    locker = desk.standby.open_client()
    with desk.unfenced():
        locker.stdin.write(b"LOCK TABLES game.t READ;\n")
        locker.stdin.flush()
        wait_for("the lock", lambda: "SLEEP" in str(desk.standby.sql(
            "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE USER = 'root'")).upper(), 5)
    desk.active.sql("INSERT INTO game.t VALUES (40)")
    desk.expect("lag", "refused", "(max-lag 5", limit=20.0)
    locker.kill()
    locker.wait()
    desk.wait_well()


def test_who_writes(desk):
    desk.standby.set_read_only(False)
    desk.expect("writer", "refused", "both are writable")
    desk.standby.set_read_only(True)
    desk.active.set_read_only(True)
    desk.expect("writer", "refused", "neither db3 nor db4 is writable")
    desk.active.set_read_only(False)
    desk.flip("db4")
    desk.expect("writer", "refused", "db3 is writable, but maindb = db4")
    desk.flip("db1")
    desk.expect("name", "refused", "maindb = db1, which is neither db3 nor db4")
    desk.flip("db3")
    desk.wait_well()


def test_a_long_write_and_open_xa(desk):
    client = desk.active.open_client()
    client.stdin.write(b"INSERT INTO game.t VALUES (900 + SLEEP(20));\n")
    client.stdin.flush()
    desk.expect("long write", "refused", "INSERT INTO game.t")
    ids = desk.active.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT%SLEEP%'")
    desk.active.sql("KILL %s" % ids[0]["ID"])
    client.kill()
    client.wait()
    desk.wait_well()
    desk.active.sql("XA START 'x1'; INSERT INTO game.t VALUES (50); XA END 'x1'; XA PREPARE 'x1'")
    # MySQL replicates the preparation, so that the standby has it, too.
    desk.expect("xa", "refused", "1 prepared XA transaction")
    desk.active.sql("XA ROLLBACK 'x1'")
    desk.wait_well()


def test_privileged_accounts_and_their_sessions(desk):
    grant = "READ_ONLY ADMIN" if desk.is_mariadb else "CONNECTION_ADMIN"
    desk.active.create_account("shop", "shop", grant)
    desk.expect("accounts", "warning", "shop@%% (%s)" % grant)
    session = Session(desk.active, "shop", "shop", loopback_net() + "9")
    desk.expect("sessions", "refused" if desk.is_mariadb else "warning",
                "db3: shop is there from " + session.source)
    session.close()
    desk.active.sql("SET SESSION sql_log_bin = 0; DROP USER 'shop'@'%'")
    desk.wait_well()


def test_an_administrator_at_work(desk):
    """Root at the server itself is no application: but one with a schema of its own may be about to write, and only
    MariaDB's read_only lets it. Replication, our own sessions and a shell that is only open are nobody."""
    client = desk.active.open_client()
    client.stdin.write(b"SELECT 1;\n")
    client.stdin.flush()
    wait_for("it is there", lambda: desk.active.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'root' AND COMMAND = 'Sleep'") != "0", 5)
    desk.wait_well()
    client.stdin.write(b"USE game; SELECT 1;\n")
    client.stdin.flush()
    wait_for("in a schema", lambda: desk.active.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'root' AND DB = 'game'") != "0", 5)
    if desk.is_mariadb:
        thread = desk.active.value("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = 'game'")
        bad = desk.expect("sessions", "warning", "db3: root@localhost is at work there with READ_ONLY ADMIN, "
                          "in schema game, idle for ")
        assert bad["sessions"]["do"].endswith("KILL %s on db3" % thread), bad
    else:
        desk.wait_well()
    client.kill()
    client.wait()
    desk.wait_well()


def test_our_own_privileges(desk):
    lost = "CONNECTION ADMIN" if desk.is_mariadb else "SYSTEM_VARIABLES_ADMIN"
    desk.active.sql("SET SESSION sql_log_bin = 0; REVOKE %s ON *.* FROM 'pointsman'@'%%'" % lost)
    bad = desk.expect("privileges", "refused", "db3: our account lacks " + lost)
    assert "GRANT " + lost in bad["privileges"]["do"]
    desk.active.sql("SET SESSION sql_log_bin = 0; GRANT %s ON *.* TO 'pointsman'@'%%';"
                    "REVOKE SELECT ON mysql.* FROM 'pointsman'@'%%'" % lost)
    desk.expect("accounts", "warning", "SELECT on the schema mysql")
    desk.active.sql("SET SESSION sql_log_bin = 0; GRANT SELECT ON mysql.* TO 'pointsman'@'%'")
    desk.wait_well()


def test_settings(desk):
    for setting, good, wrong, rule, words in (
            ("sync_binlog", 1, 0, "durability", "db4: sync_binlog = 0"),
            ("innodb_flush_log_at_trx_commit", 1, 2, "durability", "trx_commit = 2"),
            ("auto_increment_offset", 2, 1, "auto_increment", "db4 from 1 by 2"),
            ("binlog_format", "'ROW'", "'MIXED'", "binary log", "db4: binlog_format is MIXED")):
        if setting == "binlog_format" and not desk.is_mariadb:
            continue  # MySQL refuses to change it while an applier runs
        desk.standby.sql("SET GLOBAL %s = %s" % (setting, wrong))
        desk.expect(rule, "warning", words)
        desk.standby.sql("SET GLOBAL %s = %s" % (setting, good))
        desk.wait_well()


def test_the_dialects_own(desk):
    if desk.is_mariadb:
        desk.standby.sql("STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=no; START SLAVE")
        desk.expect("gtids", "refused", "db4 follows by file and position")
        desk.standby.sql("STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=slave_pos; START SLAVE")
        desk.wait_well()
        return
    desk.standby.sql("SET GLOBAL super_read_only = 0")
    desk.expect("super_read_only", "warning", "read_only without super_read_only")
    desk.standby.sql("SET GLOBAL super_read_only = 1")
    desk.wait_well()
    desk.standby.sql("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_RETRY_COUNT=10; START REPLICA")
    desk.expect("retries", "warning", "gives up after 10 attempts")
    desk.standby.sql("STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_RETRY_COUNT=100000; START REPLICA")
    desk.wait_well()


def test_hold_agents_and_the_wrong_word(desk):
    # By hand: `pointsman hold` would wait for agents, which are none here.
    desk.put("hold", '{"reason":"restore","who":"ola","since":"2026-11-23T03:00:00Z"}')
    desk.expect("hold", "refused", "by ola: restore")
    desk.api.request("DELETE", "/v1/kv/%shold" % desk.root)
    desk.wait_well()
    old = desk.index()
    desk.put("names/other", "db3")
    desk.agents[0].serve(desk.index())
    desk.agents[1].serve(old, error="dnsmasq does not answer")
    desk.expect("agents", "refused", "agent web-2 does not serve generation")
    desk.serve()
    desk.wait_well()
    FakeAgent(desk, "web-9", is_alive=False)
    desk.expect("agents", "refused", "agent web-9 is not alive")
    desk.api.request("DELETE", "/v1/kv/%sagents/web-9" % desk.root)
    desk.wait_well()
    done = desk.run("doctor", "maindbb")
    assert done.code == 2 and "pointsman doctor maindb" in done.err, done
    assert desk.run("completion", "--", "doctor", "").out == "maindb\n"


def test_consul_is_gone(desk):
    lost = desk.address
    try:
        desk.address = "http://127.0.0.1:9"
        with open(desk.config_path) as f:
            text = f.read()
        with open(desk.config_path, "w") as f:
            f.write(text.replace(lost, desk.address))
        done = desk.run("doctor", "maindb")
        assert done.code == 7 and "consul: the KV cannot be read" in done.out, done
        check_width(done.out)
    finally:
        desk.address = lost
        with open(desk.config_path, "w") as f:
            f.write(text)
    desk.wait_well()


def test_a_dead_standby(desk):
    """The last one: what is known is told, the rest says why not."""
    desk.standby.kill()
    code, found = desk.doctor("maindb")
    assert code == 1 and "db4 cannot be asked" in found["servers"]["fact"], found
    assert found["long write"]["ok"] and found["name"]["ok"] and found["hold"]["ok"], found
    assert found["lag"]["level"] == "unknown" and "not known: db4" in found["lag"]["fact"]
    done = desk.run("doctor", "maindb")
    assert done.out.count("not known: db4: it was not reached") == 1, done
    assert "A failover of maindb would be refused" in done.out


def test_as_it_comes_out_of_the_box(procs, consul):
    """Nobody has thought of the next start."""
    port, net = free_port(), loopback_net()
    addresses = {"db3": net + "3", "db4": net + "4"}
    pair = SqlPair(*(mariadb.MariaDB(procs, node, server_id=i + 1, address=addresses[node], port=port)
                     for i, node in enumerate(("db3", "db4")))).start()
    pair.each_account("pointsman", PASSWORD, MARIADB_GRANTS)
    desk = SqlDesk(procs, consul, pair, addresses)
    bad = desk.bad()
    assert "comes up writable" in bad["restart"]["fact"] and bad["restart"]["level"] == "warning"
    assert bad["accounts"]["level"] == "warning" and "SELECT" in bad["accounts"]["fact"]
    # With the privileges that it needs, and no more, it goes.
    plan = desk.run("-o", "json", "failover", "maindb", "--dry-run")
    assert plan.code == 0, plan
    done = desk.run("failover", "maindb", "--plan", plan.json["plan"], "--yes", limit=60)
    assert done.code in (0, 1) and pair.standby.value("SELECT @@read_only") == "0", done


# --- Redis, daemons ------------------------------------------------------------------------------------


@pytest.fixture
def redis_desk(procs, consul):
    port, net = free_port(), loopback_net()
    addresses = {"db3": net + "3", "db4": net + "4"}
    master = Redis(procs, "db3", addresses["db3"], port)
    replica = Redis(procs, "db4", addresses["db4"], port, of=master)
    master.start()
    replica.start()
    replica.wait_linked()
    desk = PairDesk(procs, consul, "redis", addresses, port)
    desk.master, desk.replica, desk.procs = master, replica, procs
    desk.wait_well()
    return desk


def test_redis(redis_desk):
    desk = redis_desk
    assert desk.run("doctor").code == 0
    desk.master.call("CONFIG", "SET", "min-replicas-to-write", "1")
    desk.expect("min-replicas", "warning", "db3: min-replicas-to-write is 1")
    desk.master.call("CONFIG", "SET", "min-replicas-to-write", "0")
    desk.master.call("CONFIG", "SET", "replica-read-only", "no")
    desk.expect("replica-read-only", "refused", "db3: replica-read-only is no")
    desk.master.call("CONFIG", "SET", "replica-read-only", "yes")
    desk.replica.call("CONFIG", "SET", "masterauth", "s3cret-5")
    desk.expect("masterauth", "refused", "db4 has masterauth, db3 has none")
    desk.replica.call("CONFIG", "SET", "masterauth", "")
    desk.replica.call("REPLICAOF", "NO", "ONE")
    bad = desk.expect("writer", "refused", "both are masters")
    assert bad["link"]["level"] == "refused" and "db4 is no replica" in bad["link"]["fact"]
    desk.replica.call("REPLICAOF", desk.master.address, "1")
    bad = desk.expect("link", "refused", "which is not db3")
    desk.replica.call("REPLICAOF", desk.master.address, str(desk.master.port))
    desk.wait_well()
    desk.flip("db4")
    desk.expect("writer", "refused", "db3 is the master, but maindb = db4")
    desk.flip("db3")
    desk.wait_well()
    sentinel_trio(desk.procs, desk.master)
    bad = desk.expect("sentinel", "refused", "is watched by Sentinels")
    assert "only one of us may decide" in bad["sentinel"]["why"]
    desk.master.kill()
    code, found = desk.doctor("maindb")
    assert code == 1 and "db3 cannot be asked" in found["servers"]["fact"], found
    assert found["writer"]["level"] == "unknown"


def test_daemons(procs, consul):
    folder = os.path.join(procs.dir, "run")
    os.mkdir(folder)
    desk = PairDesk(procs, consul, "daemon", {"db3": "127.0.0.1", "db4": "127.0.0.1"}, 1,
                    'status = {"/bin/sh", "-c", "test -e %s/{node} && echo it runs || '
                    '{ echo it is stopped; exit 3; }"} start = {"/bin/true"} stop = {"/bin/true"}'
                    % folder)
    open(os.path.join(folder, "db3"), "w").close()
    desk.wait_well()
    open(os.path.join(folder, "db4"), "w").close()
    desk.expect("status", "refused", "db4, the standby, runs: it runs")
    os.remove(os.path.join(folder, "db4"))
    os.remove(os.path.join(folder, "db3"))
    desk.expect("status", "refused", "db3, the active: it is stopped")
