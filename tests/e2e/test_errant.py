"""Errant transactions of a returned old master: found by GTIDs, listed, saved from its binary log byte for
byte, and replayed. On real servers of both kinds, through tests/e2e/errant_probe.c."""
import json
import os
import resource
import signal
import stat
import subprocess
import time

import pytest

from conftest import soak

from lib import mariadb, mysql9
from lib.daemon import program
from lib.proc import MARK, Procs, wait_for

pytestmark = pytest.mark.harness

GRANTS = {"mariadb": "REPLICATION SLAVE, BINLOG MONITOR", "mysql": "REPLICATION SLAVE, REPLICATION CLIENT"}

BEFORE = """
CREATE DATABASE shop; USE shop;
CREATE TABLE orders (id INT PRIMARY KEY, who VARCHAR(300), what CHAR(200), sum DECIMAL(12,3), at DATETIME(3),
  flags SET('a','b'), kind ENUM('x','y'), text LONGTEXT, bits BIT(11), t TIME(1), f DOUBLE, y YEAR);
CREATE TABLE stock (id INT PRIMARY KEY, pieces INT);
INSERT INTO orders (id, who) VALUES (1, 'before'), (2, 'before');
INSERT INTO stock VALUES (1, 10), (2, 20);
"""

# What a comment, a string and a hostile statement could make of a filter that reads text.
LOOKS_LIKE_A_LOG = "\\n# at 4\\n#700101  0:00:00 server id 9  end_log_pos 5 \\tGTID 9-9-9\\nCOMMIT/*!*/;\\nROLLBACK\\n"

# Statements on the old master, and what the list says of each; None: not a transaction of its own.
TAIL = [
    ("INSERT INTO shop.orders VALUES (11, REPEAT('w', 290), 'c', 12.345, NOW(3), 'a,b', 'y', REPEAT('t', 70000),"
     " b'10101010101', '10:11:12.5', 1.5, 2026)", "shop.orders: 1 row inserted"),
    ("INSERT INTO shop.orders (id, who) VALUES (12, 'zw\u00f6lf'), (13, '%s'), (14, NULL)" % LOOKS_LIKE_A_LOG,
     "shop.orders: 3 rows inserted"),
    ("UPDATE shop.orders SET who = 'changed', sum = NULL WHERE id IN (1, 11)", "shop.orders: 2 rows updated"),
    ("BEGIN; INSERT INTO shop.orders (id, who) VALUES (15, 'many'); UPDATE shop.stock SET pieces = pieces - 1;"
     "DELETE FROM shop.orders WHERE id = 2; COMMIT",
     "shop.orders: 1 row inserted, 1 deleted; shop.stock: 2 rows updated"),
    ("CREATE TABLE shop.notes (id INT PRIMARY KEY,\n  note TEXT)",
     "CREATE TABLE shop.notes (id INT PRIMARY KEY, note TEXT)"),
    ("INSERT INTO shop.notes VALUES (1, 'a'), (2, 'b')", "shop.notes: 2 rows inserted"),
    ("DELETE FROM shop.notes WHERE id = 1", "shop.notes: 1 row deleted"),
]
TAIL_ROWS = 1 + 3 + 2 + 4 + 0 + 2 + 1

SUMS = ("SELECT GROUP_CONCAT(CONCAT_WS('|', id, SHA2(CONCAT_WS('|', who, what, sum, at, flags, kind, text, bits + 0, t, f, y), 256))"
        " ORDER BY id) FROM shop.orders WHERE id < 100",
        "SELECT GROUP_CONCAT(CONCAT_WS('|', id, pieces) ORDER BY id) FROM shop.stock",
        "SELECT GROUP_CONCAT(CONCAT_WS('|', id, note) ORDER BY id) FROM shop.notes")


class Kind:
    """One kind of server: what its pairs, states and tools are called."""

    def __init__(self, name, procs, options=()):
        self.name, self.procs = name, procs
        if name == "mysql":
            mysql9.skip_without()
            self.pair = mysql9.MySQL9Pair(procs, options=options)
            self.path = mysql9.tools(procs) + os.pathsep + os.environ["PATH"]
        else:
            self.pair = mariadb.MariaDBPair(procs, options=options)
            self.path = os.environ["PATH"]
        self.tool = "mysqlbinlog" if name == "mysql" else "mariadb-binlog"
        self.began = self.rows = 0

    def begin(self):
        """A test: what the old one has by now is none of its business, and it has a directory of its own."""
        self.began += 1
        self.saved = os.path.join(self.procs.dir, "state-%d" % self.began, "errant")
        self.before = self.state(self.old)
        return self

    def start(self):
        """The pair with the same rows on both, then apart: the old one has the tail, the active other rows."""
        self.pair.start()
        self.pair.each_account("op", "secret", GRANTS[self.name])
        self.old, self.active = self.pair.active, self.pair.standby
        self.credentials = os.path.join(self.procs.dir, "op.cnf")
        with open(self.credentials, "w") as f:
            f.write("[pointsman]\nuser = op\npassword = secret\n")
        os.chmod(self.credentials, 0o600)
        self.old.sql(BEFORE)
        self.active.wait_applied(self.old)
        for server in (self.old, self.active):
            server.sql("STOP ALL SLAVES" if self.name == "mariadb" else "STOP REPLICA")
        self.active.set_read_only(False)
        self.active.sql("INSERT INTO shop.orders (id, who) VALUES (101, 'of the active'), (102, 'of the active');"
                        "INSERT INTO shop.stock VALUES (3, 30)")
        # For the beginning it is true that the active has all of the old one.
        return self.begin()

    def state(self, server):
        if self.name == "mysql":
            return server.value("SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '')") or ""
        return server.value("SELECT CONCAT_WS(',', NULLIF(@@GLOBAL.gtid_binlog_state, ''),"
                            " NULLIF(@@GLOBAL.gtid_slave_pos, ''))")

    def states(self):
        """The old one's, and the active's, which has what was there when the test began."""
        return self.state(self.old), ",".join(filter(None, (self.state(self.active), self.before)))

    def probe(self, name="maindb-db3-op1", limit_ms=0, bytes_max=0, cancel_ms=0, credentials=None, path=None,
              states=None, during=None, before=None):
        states = states or self.states()
        child = subprocess.Popen(
            [program("tests/e2e/errant_probe"), self.name, self.old.endpoint, credentials or self.credentials,
             str(self.old.server_id), self.saved, name, str(limit_ms), str(bytes_max), str(cancel_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=before,
            restore_signals=False, env=dict(os.environ, PATH=path or self.path, **{MARK: self.procs.mark}))
        child.stdin.write(("\n".join(states) + "\n").encode())
        child.stdin.close()
        child.stdin = None
        if during:
            during(child)
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0, err.decode()
        return json.loads(out)

    def files(self):
        return sorted(os.listdir(self.saved)) if os.path.isdir(self.saved) else []

    def printed(self, path):
        return subprocess.run([self.tool, "--no-defaults", "-v", path], env=dict(os.environ, PATH=self.path),
                              capture_output=True, check=True).stdout.decode(errors="replace")

    def gtids_in(self, text):
        """As the tool itself shows them: of MySQL the statements, of MariaDB the comments at line begin."""
        if self.name == "mysql":
            return [line.split("'")[1] for line in text.splitlines()
                    if line.startswith("SET @@SESSION.GTID_NEXT= '") and "AUTOMATIC" not in line]
        return [line.split("GTID ")[1].split()[0] for line in text.splitlines()
                if line.startswith("#") and "\tGTID " in line and "9-9-9" not in line]

    def replay(self, sql, server):
        subprocess.run(["mariadb", "--no-defaults", "--max-allowed-packet=1G", "--user=root",
                        "--socket=" + server.socket],
                       stdin=open(sql), check=True, timeout=60)

    def purge(self):
        """All binary logs of the old one but the last; MariaDB keeps one until its checkpoint is through."""
        def is_purged():
            last = self.old.sql("SHOW BINARY LOGS")[-1]["Log_name"]
            self.old.sql("PURGE BINARY LOGS TO '%s'" % last)
            return last if len(self.old.sql("SHOW BINARY LOGS")) == 1 else None
        return wait_for("only one binary log", is_purged)

    def write_row(self):
        """A transaction of the old one: a row that nobody else has."""
        self.rows += 1
        self.old.sql("INSERT INTO shop.stock VALUES (%d, 1)" % (1000 + self.rows))

    def write_tail(self):
        for statement, _ in TAIL:
            self.old.sql(statement)


def sums(server):
    return [server.value("SET SESSION group_concat_max_len = 100000; " + text) for text in SUMS]


KINDS = {"mariadb": ("mariadb", []), "mariadb-one-domain": ("mariadb", ["--gtid-domain-id=0"]), "mysql": ("mysql", [])}


# The suite sees what an operator sees; every set-up and every fault are the long form's.
@pytest.fixture(scope="module", params=soak(list(KINDS), ["mariadb"]))
def started(request, module_procs):
    name, options = KINDS[request.param]
    procs = Procs(os.path.join(module_procs.dir, request.param))
    os.mkdir(procs.dir)
    yield Kind(name, procs, options).start()
    assert not procs.close()


@pytest.fixture
def kind(started):
    return started.begin()


def test_nothing_errant(kind):
    """What is not there is not found, although each has a history and the active went on."""
    r = kind.probe()
    assert r["errant"] == "" and r["rc"] == 0 and kind.files() == []


def test_tail_is_listed_saved_and_replayed(kind):
    # The old one's log before the tail is long, and in files of its own.
    for i in range(3):
        kind.active.sql("INSERT INTO shop.orders (id, who) VALUES (%d, 'more')" % (200 + i))
        kind.old.sql("FLUSH BINARY LOGS")
    before = int(time.time())
    kind.write_tail()
    r = kind.probe()

    assert r["rc"] == 0, r
    assert [i["what"] for i in r["list"]] == [what for _, what in TAIL]
    assert r["total"] == len(TAIL) and r["rows"] == TAIL_ROWS and r["counted"]
    assert [i["rows"] for i in r["list"]] == [1, 3, 2, 4, 0, 2, 1]
    assert all(before - 1 <= i["at"] <= time.time() + 1 for i in r["list"])
    assert r["took_ms"] < 10000

    # Two files that nobody else can read, and nothing beside them.
    assert kind.files() == ["maindb-db3-op1.binlog", "maindb-db3-op1.sql"]
    for path in (r["file"], r["sql"]):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(kind.saved).st_mode) == 0o700
    assert r["bytes"] == os.path.getsize(r["file"])

    # The trade's own tool finds exactly those, and a person the rows.
    text = open(r["sql"], errors="replace").read()
    assert kind.gtids_in(text) == [i["gtid"] for i in r["list"]] == kind.gtids_in(kind.printed(r["file"]))
    assert "### UPDATE `shop`.`stock`" in text and "of the active" not in text and "'before'" not in text.replace(
        "###   @2='before'", "")
    assert "CREATE TABLE shop.notes" in text

    # Replayed on the active: the same rows, with their GTIDs, and then the old one has nothing errant.
    kind.replay(r["sql"], kind.active)
    assert sums(kind.active)[0].split(",")[:6] == sums(kind.old)[0].split(",")[:6]
    assert sums(kind.active)[2] == sums(kind.old)[2]
    assert sums(kind.active)[1] == "1|9,2|19,3|30"  # the third is its own
    assert kind.probe()["errant"] == ""


def test_earlier_files_are_kept(kind):
    kind.write_row()
    first = kind.probe()
    kept = {f: open(os.path.join(kind.saved, f), "rb").read() for f in kind.files()}
    kind.write_row()
    second = kind.probe()
    assert os.path.basename(second["file"]) == "maindb-db3-op1.2.binlog"
    assert os.path.basename(second["sql"]) == "maindb-db3-op1.2.sql"
    assert first["total"] == 1 and second["total"] == 2
    assert {f: open(os.path.join(kind.saved, f), "rb").read() for f in kept} == kept
    assert len(kind.files()) == 4


def test_purged_is_an_error_and_the_rest_is_saved(kind):
    kind.write_row()
    kind.write_row()
    kind.old.sql("FLUSH BINARY LOGS")
    kind.write_row()
    wanted = kind.states()
    last = kind.purge()
    r = kind.probe(states=wanted)
    assert r["rc"] == -1 and r["code"] == "not_found" and "purged" in r["text"] and last in r["text"], r
    assert r["why"] and r["todo"]
    assert [i["what"] for i in r["list"]] == ["shop.stock: 1 row inserted"]
    assert kind.files() == ["maindb-db3-op1.binlog", "maindb-db3-op1.sql"]
    # And when all of them are gone, there is no file.
    kind.old.sql("FLUSH BINARY LOGS")
    kind.purge()
    r = kind.probe(name="maindb-db3-op2", states=wanted)
    assert r["rc"] == -1 and r["code"] == "not_found" and r["file"] is None, r
    assert len(kind.files()) == 2


def test_refusals_say_why_and_leave_nothing(kind):
    kind.old.sql("INSERT INTO shop.orders (id, text) VALUES (50, REPEAT('x', 2000000))")
    weak = os.path.join(kind.procs.dir, "weak.cnf")
    kind.old.create_account("weak", "secret", "PROCESS")
    with open(weak, "w") as f:
        f.write("[pointsman]\nuser = weak\npassword = secret\n")
    wrong = os.path.join(kind.procs.dir, "wrong.cnf")
    with open(wrong, "w") as f:
        f.write("[pointsman]\nuser = op\npassword = not-this-one\n")
    os.chmod(weak, 0o600)
    os.chmod(wrong, 0o600)
    for r, code in ((kind.probe(credentials=weak), "denied"), (kind.probe(credentials=wrong), "denied"),
                    (kind.probe(bytes_max=1000000), "limit")):
        assert r["rc"] == -1 and r["code"] == code and r["why"] and r["todo"] and r["file"] is None, r
        assert "db3" in r["text"] and "not-this-one" not in json.dumps(r)
    assert kind.files() == []


@pytest.mark.soak
def test_limit_and_cancel_hold_when_the_server_is_stopped(kind):
    kind.write_row()
    states = kind.states()
    os.kill(kind.old.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        r = kind.probe(states=states, limit_ms=700)
        assert r["code"] == "timeout" and r["why"] and 0.6 < time.monotonic() - began < 3, r
        began = time.monotonic()
        r = kind.probe(states=states, cancel_ms=300)
        assert r["code"] == "canceled" and time.monotonic() - began < 3, r
    finally:
        os.kill(kind.old.pid, signal.SIGCONT)
    assert kind.files() == []
    assert kind.probe(states=states)["total"] == 1


@pytest.mark.soak
def test_without_the_tool_the_log_is_saved(kind, tmp_path):
    kind.write_row()
    r = kind.probe(path=str(tmp_path))
    assert r["rc"] == 0 and r["sql"] is None and "not installed" in r["note"], r
    assert kind.files() == ["maindb-db3-op1.binlog"]
    assert kind.gtids_in(kind.printed(r["file"])) == [r["list"][0]["gtid"]]


def is_running(pid):
    """Not when there is nobody but init to reap it."""
    try:
        return open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def child_of(probe):
    """The process that copies, which a stopped server makes wait."""
    return wait_for("a child", lambda: open(
        "/proc/%d/task/%d/children" % (probe.pid, probe.pid)).read().split(), 10, 0.02)[0]


@pytest.mark.soak
def test_the_child_dies_with_its_parent(kind):
    kind.write_row()
    states = kind.states()
    seen = []

    def kill_parent(probe):
        seen.append(child_of(probe))
        probe.kill()
    os.kill(kind.old.pid, signal.SIGSTOP)
    try:
        with pytest.raises(AssertionError):
            kind.probe(states=states, during=kill_parent)
    finally:
        os.kill(kind.old.pid, signal.SIGCONT)
    wait_for("the child gone", lambda: not is_running(seen[0]), 5)


@pytest.mark.soak
def test_a_child_that_crashes_is_an_error(kind):
    kind.write_row()
    states = kind.states()
    os.kill(kind.old.pid, signal.SIGSTOP)
    try:
        r = kind.probe(states=states, during=lambda probe: os.kill(int(child_of(probe)), signal.SIGSEGV))
    finally:
        os.kill(kind.old.pid, signal.SIGCONT)
    assert r["rc"] == -1 and r["code"] == "protocol" and "crashed" in r["text"] and r["todo"], r
    assert kind.files() == []


@pytest.mark.soak
def test_a_disk_that_is_full(kind):
    kind.old.sql("INSERT INTO shop.orders (id, text) VALUES (60, REPEAT('x', 2000000))")

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000000, 1000000))
    r = kind.probe(before=small)
    assert r["rc"] == -1 and r["code"] == "io" and "make room" in r["todo"], r
    assert kind.files() == []
    # Room for the log, not for its text.
    kind.write_row()
    room = os.path.getsize(kind.probe(name="all")["file"]) + 1000

    def larger():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    r = kind.probe(name="log-only", before=larger)
    assert r["rc"] == 0 and r["sql"] is None and r["note"] and r["total"] == 2, r
    assert kind.files() == ["all.binlog", "all.sql", "log-only.binlog"]


@pytest.mark.soak
def test_statements_of_an_administrator(kind):
    """FLUSH on a read-only standby is the classic: it is told as what it is."""
    kind.old.set_read_only(True)
    kind.old.sql("FLUSH TABLES")
    kind.old.sql("FLUSH PRIVILEGES")
    kind.old.set_read_only(False)
    r = kind.probe()
    assert r["rc"] == 0 and [i["what"].lower() for i in r["list"]] == ["flush tables", "flush privileges"], r
    kind.replay(r["sql"], kind.active)
    assert kind.probe()["errant"] == ""


@pytest.mark.soak
def test_statement_format(kind):
    kind.old.sql("SET SESSION binlog_format = 'STATEMENT'; INSERT INTO shop.stock VALUES (41, 1), (42, 2);"
                 "SET @x = 5; INSERT INTO shop.stock VALUES (43, @x)")
    r = kind.probe()
    assert r["rc"] == 0 and r["rows"] == 0, r
    assert "INSERT INTO shop.stock VALUES (41, 1), (42, 2)" in r["list"][0]["what"]
    kind.replay(r["sql"], kind.active)
    assert kind.active.value("SELECT SUM(pieces) FROM shop.stock WHERE id BETWEEN 41 AND 43") == "8"


@pytest.mark.soak
def test_mysql_tags_compression_and_json(procs):
    k = Kind("mysql", procs).start()
    k.old.sql("SET gtid_next = 'AUTOMATIC:night_shift'; INSERT INTO shop.stock VALUES (7, 7)")
    k.old.sql("SET SESSION binlog_transaction_compression = 1; INSERT INTO shop.stock VALUES (8, 8), (9, 9)")
    k.old.sql("SET gtid_next = 'AUTOMATIC'; CREATE TABLE shop.j (id INT PRIMARY KEY, j JSON, v VECTOR(3))")
    k.old.sql("INSERT INTO shop.j VALUES (1, '{\"a\": [1, 2], \"b\": \"text\"}', STRING_TO_VECTOR('[1,2,3]'))")
    k.old.sql("SET SESSION binlog_row_value_options = 'PARTIAL_JSON';"
              "UPDATE shop.j SET j = JSON_SET(j, '$.b', 'tex2')")
    r = k.probe()
    assert r["rc"] == 0, r
    assert ":night_shift:1" in r["list"][0]["gtid"] and r["list"][0]["what"] == "shop.stock: 1 row inserted"
    assert r["list"][1]["what"] == "rows (compressed)" and not r["list"][1]["counted"] and not r["counted"]
    assert r["list"][3]["what"] == "shop.j: 1 row inserted" and r["list"][4]["what"] == "shop.j: rows updated"
    k.replay(r["sql"], k.active)
    assert k.active.value("SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.stock WHERE id > 6") == "7,8,9"
    assert k.active.value("SELECT j->>'$.b' FROM shop.j") == "tex2"
    assert k.probe()["errant"] == ""
    # The tag is in the head of the next file: the search for the first one reads it.
    k.old.sql("FLUSH BINARY LOGS")
    k.write_row()
    assert k.probe(name="second")["total"] == 1


@pytest.mark.soak
def test_mariadb_compression_and_large_rows(procs):
    k = Kind("mariadb", procs, ["--log-bin-compress", "--max-allowed-packet=256M"]).start()
    k.old.sql("USE shop; INSERT INTO shop.orders (id, text) SELECT 1000 + seq, REPEAT('x', 20000) FROM seq_1_to_2000")
    # More than one packet of the protocol (16 MB) for one event.
    k.old.sql("SET GLOBAL log_bin_compress = 0; INSERT INTO shop.orders (id, text) VALUES (5000, REPEAT('y', 20000000))")
    r = k.probe()
    assert r["rc"] == 0 and r["total"] == 2 and not r["counted"], r
    assert [i["what"] for i in r["list"]] == ["shop.orders: rows inserted", "shop.orders: 1 row inserted"]
    assert r["bytes"] > 20000000
    k.replay(r["sql"], k.active)
    assert k.active.value("SELECT COUNT(*) FROM shop.orders WHERE id > 1000") == "2001"
    assert k.active.value("SELECT LENGTH(text) FROM shop.orders WHERE id = 5000") == "20000000"


@pytest.mark.soak
def test_mariadb_over_tls(procs):
    base = os.path.join(procs.dir, "tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=db",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", base + ".key", "-out", base + ".crt"],
                   check=True, capture_output=True)
    os.chmod(base + ".key", 0o644)
    k = Kind("mariadb", procs, ["--ssl-cert=" + base + ".crt", "--ssl-key=" + base + ".key"]).start()
    k.old.sql("ALTER USER op REQUIRE SSL")
    k.write_row()
    assert k.probe()["code"] == "denied"
    with open(k.credentials, "a") as f:
        f.write("ssl-ca = %s.crt\n" % base)
    r = k.probe()
    assert r["rc"] == 0 and r["list"][-1]["what"] == "shop.stock: 1 row inserted", r


def test_mariadb_restored_active_lacks_nothing(procs):
    """An active that came from a backup has a position and no state of the servers before it."""
    k = Kind("mariadb", procs, ["--gtid-domain-id=0"]).start()
    # Written by the former server 2 and by server 9, before the old one's last own transaction.
    state, own = "0-1-70,0-2-60,0-9-50", "0-1-70"
    assert k.probe(states=(state, own))["errant"] == ""
    assert k.probe(states=(state, "0-1-55"), credentials="/nowhere")["errant"] == "0-1-56-70,0-2-56-60"
