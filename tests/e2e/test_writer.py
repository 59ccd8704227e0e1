"""The lab's writer is what failovers are measured with. Here it is measured itself: on real servers, with
rows taken away, doubled and forged behind its back, and with delays whose length is known."""
import resource
import signal
import subprocess
import time

import pytest

from lib import mysql9
from lib.dnsmasq import Dnsmasq
from lib.mariadb import MariaDB
from lib.proc import free_port, loopback_net, wait_for
from lib.sql_server import SqlPair
from lib.writer import PROGRAM, Writer, create_account

pytestmark = pytest.mark.harness

TABLE = "game.writes"


@pytest.fixture(scope="module")
def servers(module_procs):
    """Two masters on addresses of their own and one port, so that a name can move between them."""
    net = loopback_net()
    port = free_port(net + "1")
    pair = SqlPair(*(MariaDB(module_procs, "db%d" % n, n, net + str(n), port) for n in (1, 2))).start()
    create_account(pair)
    return pair


@pytest.fixture
def pair(servers):
    """The same pair, as it was at first."""
    servers.active.set_read_only(False)
    servers.standby.set_read_only(True)
    servers.active.sql("DROP TABLE IF EXISTS %s" % TABLE)
    servers.standby.wait_applied(servers.active)
    return servers


def written(procs, pair, rows=300, **options):
    """A writer that has written, and has ended."""
    writer = Writer(procs, pair.active.port, **options).start(pair.active)
    writer.wait_rows(rows)
    writer.stop()
    pair.standby.wait_applied(pair.active)
    return writer


def both(pair, sql):
    """On each by itself."""
    for server in (pair.active, pair.standby):
        server.sql("SET SESSION sql_log_bin = 0; %s" % sql)


def insert(writer, *numbers):
    return "INSERT INTO %s (run, connection, sequence) VALUES %s" % (
        TABLE, ", ".join("('%s', %d, %d)" % (writer.run_id, *n) for n in numbers))


def delete(writer, *numbers):
    return "DELETE FROM %s WHERE run = '%s' AND (connection, sequence) IN (%s)" % (
        TABLE, writer.run_id, ", ".join("(%d, %d)" % n for n in numbers))


def flip(pair, writer, fenced_s=0.0):
    """By hand, as a person would: fence, catch up, tell, lift. Seconds from the fence to the lift."""
    pair.active.set_read_only(True)
    fenced = time.monotonic()
    pair.standby.wait_applied(pair.active)
    time.sleep(fenced_s)
    writer.tell(pair.standby)
    lifting = time.monotonic()
    pair.standby.set_read_only(False)
    return lifting - fenced


def test_nothing_is_wrong_where_nothing_is_wrong(procs, pair):
    began = time.monotonic()
    writer = Writer(procs, pair.active.port).start(pair.active)
    writer.wait_rows(1500)
    felt = writer.stop()
    took = time.monotonic() - began
    status, report = writer.check(pair.active, pair.standby)
    assert status == 0
    assert report["lost"] == report["duplicated"] == report["refused"] == report["in_doubt"] == 0
    assert report["equal"] and report["handovers"] == [] and report["errors"] == []
    counted = int(pair.active.value("SELECT COUNT(*) FROM %s WHERE run = '%s'" % (TABLE, writer.run_id)))
    assert report["acknowledged"] == len(writer.lines()) == counted == felt["acknowledged"]
    assert [s["found"] for s in report["servers"]] == [counted] * 2
    # A thousand a second were asked for; a machine that is busy may give less, never more.
    assert 100 < counted / took < 1050
    assert {connection for connection, _ in writer.lines()} == set(range(1, 9))
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"] <= report["latency_ms"]["max"]


def test_the_time_without_writes_is_the_time_of_the_fence(procs, pair):
    for _ in range(4):
        writer = Writer(procs, pair.active.port).start(pair.active)
        fenced = flip(pair, writer, 0.4) * 1000
        writer.wait_rows(200)
        writer.stop()
        status, report = writer.check(pair.standby, pair.active)
        assert status == 0, report
        [handover] = report["handovers"]
        assert (handover["from"], handover["to"]) == (pair.active.endpoint, pair.standby.endpoint)
        # The clients that set read_only take some ms to start; the writer knows nothing of them.
        assert handover["refused_ms"] >= fenced - 20
        # A busy machine keeps a back end waiting, too, but not each time.
        if handover["refused_ms"] <= fenced + 250:
            break
        pair = SqlPair(pair.standby, pair.active)
    assert handover["refused_ms"] <= fenced + 250
    assert report["silence"]["ms"] == pytest.approx(handover["refused_ms"])
    assert report["refused"] > 0
    assert {e["class"] for e in report["errors"] if e["outcome"] == "refused"} == {"read-only"}


def test_every_handover_is_counted(procs, pair):
    """To and fro while both are writable: nothing is lost, but nobody can take it for one handover."""
    pair.standby.set_read_only(False)
    writer = Writer(procs, pair.active.port, connections=4, rate=200).start(pair.active)
    for server in (pair.standby, pair.active) * 3:
        writer.tell(server)
        writer.wait_rows(20)
    writer.stop()
    status, report = writer.check(pair.active, pair.standby)
    assert status == 0, report
    assert [h["to"] for h in report["handovers"]] == [pair.standby.endpoint, pair.active.endpoint] * 3
    assert all(0 <= h["refused_ms"] < 2000 for h in report["handovers"])


def test_a_killed_server(procs, pair):
    writer = Writer(procs, pair.active.port).start(pair.active)
    pair.active.kill()
    down = time.monotonic()
    time.sleep(0.5)
    starting = time.monotonic()
    pair.active.start()
    writer.wait_rows(100)
    up = time.monotonic()
    writer.stop()
    status, report = writer.check(pair.active, pair.standby, settle=30)
    assert status == 0, report
    assert (starting - down) * 1000 - 20 <= report["silence"]["ms"] <= (up - down) * 1000 + 100
    # Each connection has at most one row of which nobody can say what became of it.
    assert report["in_doubt"] <= 8 and report["no_session"] > 0
    assert "refused" in {e["class"] for e in report["errors"] if e["outcome"] == "no session"}
    pair.wait_replicating()


def test_rows_that_are_gone(procs, pair):
    writer = written(procs, pair)
    gone = writer.lines()[10:13]
    both(pair, delete(writer, *gone))
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert status == 1
    assert [s["lost"] for s in report["servers"]] == [3, 3] and report["lost"] == 3
    assert report["equal"]  # equally wrong
    text = subprocess.run([PROGRAM, "check", "--log", writer.record, "--account", writer.account,
                           "--settle", "0", "--server", pair.active.endpoint],
                          capture_output=True, text=True, check=False)
    assert text.returncode == 1 and "acknowledged writes lost: 3\n" in text.stdout
    for n in gone:
        assert "lost: connection %d, sequence %d\n" % n in text.stdout
    assert max(len(line) for line in text.stdout.splitlines()) <= 80


def test_rows_that_one_server_lacks(procs, pair):
    writer = written(procs, pair)
    pair.standby.sql("SET SESSION sql_log_bin = 0; " + delete(writer, writer.lines()[-1]))
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert status == 1 and not report["equal"]
    assert [s["lost"] for s in report["servers"]] == [0, 1]
    assert [s["only_here"] for s in report["servers"]] == [1, 0]
    status, report = writer.check(pair.standby, pair.active, settle=0)
    assert report["lost"] == 1


def test_rows_that_are_there_twice_and_rows_of_nobody(procs, pair):
    writer = written(procs, pair)
    twice = writer.lines()[5]
    pair.active.sql(insert(writer, twice, twice))
    pair.standby.wait_applied(pair.active)
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert status == 1 and report["equal"] and report["lost"] == 0
    assert [s["duplicated"] for s in report["servers"]] == [2, 2]
    pair.active.sql(insert(writer, (1, 4000000), (99, 1)))
    pair.standby.wait_applied(pair.active)
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert [s["unknown"] for s in report["servers"]] == [2, 2]


def test_another_row_under_the_same_id(procs, pair):
    writer = written(procs, pair)
    pair.standby.sql("SET SESSION sql_log_bin = 0; UPDATE %s SET run = 'x' ORDER BY id LIMIT 1" % TABLE)
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert status == 1 and report["different"] == 1 and not report["equal"]


def test_a_refused_row_that_is_there_is_a_finding(procs, pair):
    writer = Writer(procs, pair.active.port).start(pair.active)
    pair.active.set_read_only(True)
    writer.wait_rows(5, "refused")
    pair.active.set_read_only(False)
    writer.wait_rows(20)
    writer.stop()
    assert writer.check(pair.active, pair.standby)[0] == 0
    pair.active.sql(insert(writer, writer.lines("refused")[0]))
    pair.standby.wait_applied(pair.active)
    status, report = writer.check(pair.active, pair.standby, settle=0)
    assert status == 1 and [s["refused_there"] for s in report["servers"]] == [1, 1]


def test_a_session_that_is_killed_leaves_a_doubt(procs, pair):
    """Every connection waits for a lock when it is killed: nobody can say, and both outcomes are fine."""
    writer = Writer(procs, pair.active.port).start(pair.active)
    locker = pair.active.open_client()
    locker.stdin.write(b"LOCK TABLES %s READ;\n" % TABLE.encode())
    locker.stdin.flush()
    sessions = wait_for("eight waiting writes", lambda: (
        lambda rows: rows if len(rows) == 8 else None)(pair.active.sql(
            "SELECT id FROM information_schema.processlist WHERE user = 'game' AND state LIKE "
            "'%metadata lock%'")), 10)
    pair.active.sql("".join("KILL %s;" % s["id"] for s in sessions))
    wait_for("eight doubts", lambda: len(writer.lines("doubt")) >= 8, 10)
    locker.stdin.write(b"UNLOCK TABLES;\n")
    locker.stdin.flush()
    writer.wait_rows(50)
    writer.stop()
    status, report = writer.check(pair.active, pair.standby)
    assert status == 0 and report["in_doubt"] >= 8 and report["lost"] == 0
    # A number is used once: a repeated row would hide a lost one, or be there twice.
    numbers = writer.lines("ack") + writer.lines("doubt") + writer.lines("refused")
    assert len(numbers) == len(set(numbers))


def test_where_nobody_can_look_nothing_is_said(procs, pair):
    writer = written(procs, pair, rows=20)
    pair.standby.kill()
    try:
        status, said = writer.check(pair.active, pair.standby, settle=0.5)
        assert status == 7 and "lost" not in said and pair.standby.endpoint in said
    finally:
        pair.standby.start()
        pair.standby.set_read_only(True)
    pair.wait_replicating()
    both(pair, "RENAME TABLE %s TO game.elsewhere" % TABLE)
    try:
        assert writer.check(pair.active, pair.standby, settle=0)[0] == 7
    finally:
        both(pair, "RENAME TABLE game.elsewhere TO %s" % TABLE)


def test_a_writer_that_is_killed_has_forgotten_nothing(procs, pair):
    writer = Writer(procs, pair.active.port).start(pair.active)
    writer.wait_rows(300)
    writer.kill()
    status, report = writer.check(pair.active, pair.standby)
    assert status == 0 and not report["ended"] and report["lost"] == 0
    # What it was writing at that moment is a doubt, and no row of nobody.
    there = int(pair.active.value("SELECT COUNT(*) FROM %s" % TABLE))
    assert 0 <= there - report["acknowledged"] <= 8
    assert report["servers"][0]["doubt_there"] == there - report["acknowledged"]


def test_a_record_that_cannot_be_written_ends_it(procs, pair):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    argv = Writer(procs, pair.active.port).argv
    run = subprocess.run(argv, input=pair.active.endpoint + "\n", preexec_fn=small_files, timeout=30,
                         capture_output=True, text=True, check=False)
    assert run.returncode == 7 and "cannot be remembered" in run.stderr


def test_a_record_is_never_overwritten(procs, pair):
    writer = written(procs, pair, rows=20)
    again = subprocess.run(writer.argv, input=pair.active.endpoint + "\n", capture_output=True, text=True,
                           timeout=30, check=False)
    assert again.returncode == 7 and "exists" in again.stderr
    assert writer.check(pair.active, pair.standby)[0] == 0


def test_it_follows_the_name(procs, pair):
    """Through dnsmasq, which is asked at every connect: the session that breaks finds the new address."""
    hosts = procs.dir + "/hosts"

    def point_at(server):
        with open(hosts, "w") as f:
            f.write("%s\tmaindb.service.consul\n" % server.address)
    point_at(pair.active)
    dnsmasq = Dnsmasq(procs, hosts).start()
    writer = Writer(procs, pair.active.port, dnsmasq.resolver, "maindb.service.consul").start()
    pair.active.set_read_only(True)
    pair.standby.wait_applied(pair.active)
    pair.standby.set_read_only(False)
    point_at(pair.standby)
    time.sleep(0.2)
    dnsmasq.signal(signal.SIGHUP)
    writer.wait_rows(100)
    writer.stop()
    status, report = writer.check(pair.standby, pair.active)
    assert status == 0, report
    [handover] = report["handovers"]
    assert handover["to"] == pair.standby.endpoint and handover["refused_ms"] > 200


def test_a_name_that_is_gone(procs, pair):
    """An error of its own, and the writer goes on asking."""
    hosts = procs.dir + "/hosts"
    with open(hosts, "w") as f:
        f.write("%s\tmaindb.service.consul\n" % pair.active.address)
    dnsmasq = Dnsmasq(procs, hosts).start()
    writer = Writer(procs, pair.active.port, dnsmasq.resolver, "maindb.service.consul").start()
    with open(hosts, "w"):
        pass
    dnsmasq.signal(signal.SIGHUP)
    wait_for("no such name", lambda: dnsmasq.address_of("maindb") == "NXDOMAIN")
    pair.active.set_read_only(True)
    writer.wait_rows(5, "none")
    pair.active.set_read_only(False)
    report = writer.stop()
    assert "name" in {e["class"] for e in report["errors"] if e["outcome"] == "no session"}


@pytest.mark.soak
def test_mysql9(procs):
    """The same on MySQL, whose fence binds root as well. The short run has test_failover_flips."""
    mysql9.skip_without()
    pair = mysql9.MySQL9Pair(procs).start()
    create_account(pair)
    pair.standby.wait_applied(pair.active)
    writer = Writer(procs, pair.active.port).start(pair.active)
    fenced = flip(pair, writer) * 1000
    writer.wait_rows(100)
    writer.stop()
    status, report = writer.check(pair.standby, pair.active)
    assert status == 0 and report["equal"], report
    [handover] = report["handovers"]
    assert fenced - 20 <= handover["refused_ms"] <= fenced + 1000
