"""pointsman check on pairs of real MariaDB and MySQL 9: each way to be ill is said as what it is."""
import json
import os
import time

import pytest

from lib import mariadb, mysql9
from lib.daemon import run_cli
from lib.proc import wait_for

PASSWORD = "s3cret-of-the-watch"


class Desk:
    """A pair, and a configuration that looks at it."""

    def __init__(self, procs, pair, grants):
        self.pair, self.dir = pair, procs.dir
        self.credentials = os.path.join(self.dir, "watch.cnf")
        self.config = os.path.join(self.dir, "pointsman.conf")
        pair.each_account("watch", PASSWORD, grants)
        pair.active.sql("CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY)")
        pair.standby.wait_applied(pair.active)
        self.write_credentials(PASSWORD)

    def write_credentials(self, password, more=""):
        with open(self.credentials, "w") as f:
            f.write("[pointsman]\nuser = watch\npassword = %s\n%s" % (password, more))
        os.chmod(self.credentials, 0o600)

    def look(self, server, role="any", more="", kind="mysql"):
        """(class, text, numbers) of one look."""
        with open(self.config, "w") as f:
            f.write('consul { address = "file:%s/kv.json" }\nagent { state-dir = "%s/state" }\n'
                    'check "it" { type = "%s" target = "%s" credentials = "%s" timeout = "2s" %s %s }\n'
                    % (self.dir, self.dir, kind, server.endpoint, self.credentials,
                       'role = "%s"' % role if kind == "mysql" else "", more))
        status, out, err = run_cli(self.config, "-o", "json", "check", "it")
        assert out, "exit %d: %s" % (status, err)
        assert PASSWORD not in out + err
        got = json.loads(out)
        assert (status == 0) == (got["class"] == "ok"), out
        return got

    def expect(self, want, words, *args, **kwargs):
        last = [None]

        def is_so():
            last[0] = self.look(*args, **kwargs)
            return last[0]["class"] == want and words in last[0]["output"]
        try:
            wait_for("class", is_so, 10.0, 0.1)
        except AssertionError:
            raise AssertionError("not %s with %r: %s" % (want, words, last[0]))
        return last[0]


@pytest.fixture(scope="module", params=["mariadb", pytest.param("mysql9", marks=pytest.mark.soak)])
def desk(request, module_procs):
    if request.param == "mysql9":
        mysql9.skip_without()
        pair, grants = mysql9.MySQL9Pair(module_procs, ("m3", "m4")), mysql9.CHECK_GRANTS
    else:
        pair, grants = mariadb.MariaDBPair(module_procs), mariadb.CHECK_GRANTS
    return Desk(module_procs, pair.start(), grants)


def test_well(desk):
    desk.expect("ok", "writable", desk.pair.active, "master")
    desk.expect("ok", "read-only", desk.pair.standby, "replica")


def test_roles(desk):
    active, standby = desk.pair.active, desk.pair.standby
    active.set_read_only(True)
    desk.expect("read-only", "read_only", active, "master")
    active.set_read_only(False)
    standby.set_read_only(False)
    desk.expect("role", "writable", standby, "replica")
    standby.set_read_only(True)


def test_an_applier_that_stops(desk):
    active, standby = desk.pair.active, desk.pair.standby
    standby.set_read_only(False)
    standby.sql("SET SESSION sql_log_bin = 0; INSERT INTO game.t VALUES (1)")
    standby.set_read_only(True)
    active.sql("INSERT INTO game.t VALUES (1)")
    desk.expect("replication", "1062", standby, "replica")
    standby.set_read_only(False)
    standby.sql("SET SESSION sql_log_bin = 0; DELETE FROM game.t")
    standby.set_read_only(True)
    standby.sql("START SLAVE" if active.name.startswith("db") else "START REPLICA")
    desk.expect("ok", "", standby, "replica")


def test_the_way_back_home(desk):
    active = desk.pair.active
    word = "SLAVE" if active.name.startswith("db") else "REPLICA"
    active.sql("STOP %s" % word)
    desk.expect("replication", "the way back home", active, "master")
    active.sql("START %s" % word)
    desk.expect("ok", "", active, "master")


def test_a_wrong_password(desk):
    desk.write_credentials("wrong")
    desk.expect("auth", "1045", desk.pair.active)
    desk.write_credentials(PASSWORD)


def test_a_long_write(desk):
    active = desk.pair.active
    client = active.open_client()
    client.stdin.write(b"INSERT INTO game.t VALUES (900 + SLEEP(8));\n")
    client.stdin.flush()
    desk.expect("warning", "INSERT INTO game.t", active, "master", 'long-write = "1s"')
    client.kill()
    client.wait()
    desk.expect("ok", "", active, "master", 'long-write = "10s"')


def test_a_frozen_server(desk):
    active = desk.pair.active
    active.freeze()
    try:
        began = time.monotonic()
        desk.expect("timeout", "within ", active)
        assert time.monotonic() - began < 4.0
    finally:
        active.thaw()
    desk.expect("ok", "", active)


def test_sql(desk):
    active = desk.pair.active

    def expect(want, words, query):
        desk.expect(want, words, active, kind="sql",
                    more='query = "%s" warning = "10" critical = "20"' % query)
    expect("ok", "7", "SELECT 7")
    expect("warning", "11", "SELECT 11")
    expect("value", "21", "SELECT 21")
    expect("missing", "NULL", "SELECT NULL")
    expect("auth", "1142", "SELECT COUNT(*) FROM game.t")
    active.sql("GRANT ALL ON game.* TO 'watch'@'%'")
    desk.pair.standby.wait_applied(active)
    expect("ok", "0", "SELECT COUNT(*) FROM game.t WHERE id = -1")


def test_a_dead_server(desk):
    """The last one: it kills."""
    desk.pair.active.kill()
    desk.expect("refused", "2002", desk.pair.active)
    desk.expect("replication", "", desk.pair.standby, "replica")
