"""A failing active becomes one proposal, and nothing flips: three vantages, a real pair, and all of
their traffic to Consul on record."""
import json
import os
import re
import signal
import time

from lib.daemon import run_cli, settle
from lib.mariadb import CHECK_GRANTS, MariaDB
from lib.proc import free_port, loopback_net, wait_for
from lib.redis import Redis
from lib.relay import Relay
from lib.sql_server import SqlPair
from lib.vantage import Vantage, recording_hook, seed

_count = [0]
PASSWORD = "s3cret-of-the-checks"


class PairSite:
    """Three vantages, each with a recorder in front of its Consul, and a pair of two servers db3, db4 on
    one port."""

    def __init__(self, procs, consul, kind, pair, start):
        _count[0] += 1
        self.procs, self.api, self.root = procs, consul.api, "pair%d/" % _count[0]
        net = loopback_net()
        self.addresses = {"db3": net + "3", "db4": net + "4"}
        self.port = free_port(net + "3")
        seed(self.api, self.root, nodes=self.addresses, names={"maindb": "db3", "chat": "10.0.0.1"})
        self.names = self.api.list(self.root + "names/")
        self.db3, self.db4 = start(self.addresses, self.port)
        self.vantages, self.recorders, self.hook_calls = [], [], []
        for i in range(3):
            recorder = Relay((consul.address, consul.port))
            argv, calls = recording_hook(procs.dir, "hook-%d" % i)
            self.recorders.append(recorder)
            self.hook_calls.append(calls)
            self.vantages.append(Vantage(
                procs, "http://" + recorder.endpoint, self.root, name="web-%d" % (i + 1),
                pairs={"maindb": dict({"kind": kind, "nodes": ["db3", "db4"], "port": self.port},
                                      **pair)},
                hooks={"chat": {"on": ["proposal"], "command": argv}}))

    def start(self):
        for v in self.vantages:
            v.start()
        for v in self.vantages:
            v.wait_known()
            wait_for("fine", lambda: v.pair("maindb")["trouble"] == "fine", 15, 0.1)
        for v in self.vantages:
            wait_for("all see all", lambda: all(
                len([o for o in c["vantages"] if o["live"]]) == 3
                for c in v.checks().values()), 10, 0.1)
        return self

    def proposal(self):
        return json.loads(self.api.list(self.root + "proposals/").get(
            self.root + "proposals/maindb", b"null"))

    def hooks(self):
        """All calls, those of one vantage behind those of another: not in the order of their time."""
        return [c for calls in self.hook_calls for c in calls()]

    def told(self):
        return sorted(c["state"] for c in self.hooks())

    def wait_proposal(self, limit=15):
        wait_for("a proposal", self.proposal, limit, 0.05)
        wait_for("the hook", self.hooks, 5, 0.05)
        for v in self.vantages:
            wait_for("%s says so" % v.node, lambda: v.pair("maindb")["proposal"] and
                     "a failover is proposed" in v.problem_text(), 10, 0.1)
        return self.proposal()

    def end(self):
        """Nothing was flipped, and nothing was written but what is a vantage's to write."""
        assert self.api.list(self.root + "names/") == self.names
        for v in self.vantages:
            v.terminate()
        written = set()
        for recorder in self.recorders:
            sent = recorder.recorded()
            recorder.close()
            written |= set(writes_of(sent))
        assert written, "the recorder saw nothing"
        allowed = tuple(self.root + p for p in ("agents/", "health/", "proposals/"))
        bad = [w for w in written if not w.startswith(allowed + ("/v1/session/",))]
        assert not bad, bad
        return written


def writes_of(sent):
    """The keys, or paths, of all writing requests in what a client has sent."""
    at = 0
    for m in re.finditer(rb"(?:^|(?<=\n)|(?<=[}\]\"]))(GET|PUT|DELETE|POST|PATCH) (/\S+) HTTP/1\.1\r\n"
                         rb"((?:[^\r\n]+\r\n)*)\r\n", sent):
        if m.start() < at:
            continue
        length = re.search(rb"(?i)content-length: *(\d+)", m.group(3))
        body = sent[m.end():m.end() + int(length.group(1))] if length else b""
        at = m.end() + len(body)
        path = m.group(2).decode().split("?")[0]
        if m.group(1) == b"GET":
            continue
        if path == "/v1/txn":
            for op in json.loads(body):
                if op["KV"]["Verb"] not in ("get", "get-tree", "check-index", "check-session"):
                    yield op["KV"]["Key"]
        elif path.startswith("/v1/kv/"):
            yield path[len("/v1/kv/"):]
        else:
            yield path


def redis_pair(procs):
    def start(addresses, port):
        db3 = Redis(procs, "db3", addresses["db3"], port).start()
        db4 = Redis(procs, "db4", addresses["db4"], port, of=db3).start()
        db4.wait_linked()
        return db3, db4
    return start


def test_the_recorder_sees_writes():
    """Fails when what is not allowed would slip through."""
    sent = (b"PUT /v1/kv/t/names/maindb?cas=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ndb4"
            b"GET /v1/kv/t/names/?recurse HTTP/1.1\r\nHost: x\r\n\r\n"
            b"PUT /v1/txn HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s")
    body = json.dumps([{"KV": {"Verb": "cas", "Key": "t/names/chat"}}]).encode()
    assert list(writes_of(sent % (len(body), body))) == ["t/names/maindb", "t/names/chat"]


def test_a_dead_redis_is_proposed_once_and_withdrawn(procs, consul):
    """Fails when each vantage proposes, tells, or flips."""
    site = PairSite(procs, consul, "redis", {}, redis_pair(procs)).start()
    bound = site.vantages[0].check("maindb/db3")["bound_ms"] / 1000
    began = time.monotonic()
    site.db3.kill()
    wait_for("a proposal", site.proposal, 15, 0.05)
    took = time.monotonic() - began
    print("proposed %.2f s after the kill, the bound of the check is %.2f s" % (took, bound))
    assert took < bound + 1.0
    p = site.wait_proposal()
    assert p["pair"] == "maindb" and p["active"] == "db3" and p["standby"] == "db4"
    assert p["command"] == "pointsman failover maindb --emergency"
    assert p["class"] == "refused" and p["confirmed"] and len(p["by"]) >= 2
    assert p["standby_state"]["answers"] and p["active_last"]["executed"]
    assert p["lost"]["text"]
    settle(3.0)
    assert len(site.hooks()) == 1, site.hooks()
    call = site.hooks()[0]
    assert call["event"] == "proposal" and call["state"] == "proposed" and call["pair"] == "maindb"
    assert call["command"] == p["command"]
    v = site.vantages[1]
    assert v.metric('pointsman_pair_proposed{pair="maindb"}') == 1
    assert v.metric('pointsman_pair_writable{pair="maindb",node="db4"}') == 0
    assert v.metric('pointsman_agents{state="alive"}') == 3

    # After a reload it is still its own, and told already.
    maker = next(v for v in site.vantages if v.node == p["proposed_by"])
    maker.signal(signal.SIGHUP)
    wait_for("taken up", lambda: any(
        "proposed already" in line and line.rstrip().endswith("(proposed by %s)" % maker.node)
        for line in maker.log().splitlines()), 15, 0.1)
    settle(1.0)
    assert len(site.hooks()) == 1, site.hooks()

    site.db3.start()
    wait_for("withdrawn", lambda: site.proposal() is None, 25, 0.1)
    wait_for("told", lambda: site.told() == ["proposed", "withdrawn"], 5)
    for v in site.vantages:
        wait_for("no problem", lambda: "proposed" not in v.problem_text(), 10, 0.1)
    site.end()


def test_a_deleted_proposal_does_not_come_back(procs, consul):
    """A person who deleted it knows. Fails when the vantages insist."""
    site = PairSite(procs, consul, "redis", {}, redis_pair(procs)).start()
    site.db3.kill()
    site.wait_proposal()
    site.api.delete(site.root + "proposals/maindb")
    settle(8.0)
    assert site.proposal() is None and len(site.hooks()) == 1
    assert any("maindb" in p["what"] for p in site.vantages[0].problems())  # the trouble stays
    site.end()


def test_a_flip_by_hand_withdraws(procs, consul):
    site = PairSite(procs, consul, "redis", {}, redis_pair(procs)).start()
    site.db3.kill()
    site.wait_proposal()
    site.db4.call("REPLICAOF", "NO", "ONE")
    site.api.put(site.root + "names/maindb", "db4")
    site.names[site.root + "names/maindb"] = b"db4"
    wait_for("withdrawn", lambda: site.proposal() is None, 10, 0.1)
    for v in site.vantages:
        wait_for("db4 is active", lambda: v.pair("maindb")["active"] == "db4", 5, 0.1)
    site.end()


def test_two_writers_are_critical_at_once(procs, consul):
    """No debounce on what two reads saw, and nothing to propose."""
    site = PairSite(procs, consul, "redis", {}, redis_pair(procs)).start()
    began = time.monotonic()
    site.db4.call("REPLICAOF", "NO", "ONE")
    for v in site.vantages:
        wait_for("two writers", lambda: v.pair("maindb")["trouble"] == "two-writers", 5, 0.02)
    print("two writers: seen by all after %.2f s" % (time.monotonic() - began))
    assert time.monotonic() - began < 2.5
    problem = [p for p in site.vantages[0].problems() if p["what"].startswith("pair maindb")][0]
    assert problem["severity"] == "critical" and "two-writers" in problem["what"]
    settle(5.0)
    assert site.proposal() is None
    site.end()


def test_what_a_tool_proposes_stands_while_all_is_well(procs, consul):
    """pointsman propose beside three vantages that see the active well: shown everywhere, told by one
    hook, kept until the name moves. Fails when a vantage withdraws it, or each of them tells it."""
    site = PairSite(procs, consul, "redis", {}, redis_pair(procs)).start()
    config = site.vantages[0].config_path

    def propose(*args):
        code, out, err = run_cli(config, "propose", "maindb", *args)
        assert code == 0, out + err
        return out

    propose("--to", "db4", "--by", "sentinel", "--promoted", "--why", "it was promoted")
    p = site.wait_proposal()
    wait_for("told by one", lambda: site.proposal().get("told_by"), 10, 0.1)
    settle(8.0)  # longer than a vantage needs to withdraw one of its own
    p = site.proposal()
    assert p["proposed_by"] == "sentinel" and p["what"] == "it was promoted"
    assert p["command"] == "pointsman set maindb db4 --expect db3"
    assert p["class"] == "ok" and p["standby_state"]["answers"] and p["active_last"]["executed"]
    assert [(c["state"], c["command"]) for c in site.hooks()] == [("proposed", p["command"])]
    for v in site.vantages:
        text = v.problem_text()
        assert "sentinel says: it was promoted" in text and p["command"] in text
        assert "as seen from here: all is well" in text
        assert v.pair("maindb")["proposal"]["id"] == p["id"]
        assert v.metric('pointsman_pair_proposed{pair="maindb"}') == 1

    # The active dies: no vantage adds one of its own, and the flip is still what is left.
    site.db3.kill()
    for v in site.vantages:
        wait_for("active-down", lambda: v.pair("maindb")["trouble"] == "active-down", 15, 0.1)
    settle(2.0)
    assert site.proposal()["id"] == p["id"] and len(site.hooks()) == 1
    assert p["command"] in site.vantages[0].problem_text()
    assert "it stays" in propose("--to", "db4", "--why", "again")

    # A person takes it away, and the vantages leave it at that.
    propose("--withdraw")
    settle(7.0)
    assert site.proposal() is None and len(site.hooks()) == 1

    # Another one, which a flip ends.
    propose("--to", "db4", "--by", "sentinel", "--promoted", "--why", "it was promoted")
    wait_for("told", lambda: len(site.hooks()) == 2, 10, 0.1)
    site.db4.call("REPLICAOF", "NO", "ONE")
    site.api.put(site.root + "names/maindb", "db4")
    site.names[site.root + "names/maindb"] = b"db4"
    wait_for("withdrawn", lambda: site.proposal() is None, 10, 0.1)
    wait_for("told", lambda: site.told() == ["proposed", "proposed", "withdrawn"], 10, 0.1)
    site.end()


# --- MariaDB -------------------------------------------------------------------------------------------


def mariadb_pair(procs):
    def start(addresses, port):
        servers = [MariaDB(procs, node, server_id=i + 1, address=addresses[node], port=port, options=[
            "--general-log", "--general-log-file=" + os.path.join(procs.dir, node + "-general.log")])
            for i, node in enumerate(("db3", "db4"))]
        SqlPair(*servers).start().each_account("watch", PASSWORD, CHECK_GRANTS)
        servers[0].sql("CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY)")
        servers[1].wait_applied(servers[0])
        return servers
    return start


def mariadb_site(procs, consul, **pair):
    credentials = os.path.join(procs.dir, "watch.cnf")
    with open(credentials, "w") as f:
        f.write("[pointsman]\nuser = watch\npassword = %s\n" % PASSWORD)
    os.chmod(credentials, 0o600)
    return PairSite(procs, consul, "mysql", dict({"credentials": credentials}, **pair),
                    mariadb_pair(procs)).start()


READS = re.compile(r"^(SELECT|SHOW|SET (SESSION )?|SET @@SESSION\.|SET NAMES)", re.I)
GLOBAL = re.compile(r"\bGLOBAL\b.*:?=|\bINTO\b|\bFOR UPDATE\b|\bGET_LOCK\b|\bSLEEP\b", re.I)


def queries_of(procs, node, user):
    """What a user has sent to a server, from its general log: connections are told by their number."""
    with open(os.path.join(procs.dir, node + "-general.log"), errors="replace") as f:
        lines = f.read().splitlines()
    ours, out = set(), []
    for line in lines:
        m = re.match(r"^(?:\d{6}\s+[\d:]+)?\s*(\d+) (Connect|Query|Quit|Init DB|Prepare|Execute|\w+)\s*(.*)",
                     line)
        if not m:
            if out and out[-1][0] == "open":
                out[-1][1] += " " + line
            continue
        number, command, text = m.groups()
        if command == "Connect" and text.startswith(user + "@"):
            ours.add(number)
        if out:
            out[-1][0] = "done"
        if number in ours and command not in ("Connect", "Quit", "Ping"):
            out.append(["open", "%s: %s" % (command, text.strip())])
    return [text for _, text in out]


def check_traffic(site, procs):
    """No SQL but reads, no write but ours, and the password nowhere."""
    site.end()
    for node in ("db3", "db4"):
        queries = queries_of(procs, node, "watch")
        assert len(queries) > 5, queries
        for query in queries:
            command, _, text = query.partition(": ")
            assert command == "Query" and READS.match(text), query
            assert text.upper().startswith("SET") or not GLOBAL.search(text), query
            assert not re.match(r"(?i)SET.*GLOBAL", text), query
    for v, recorder in zip(site.vantages, site.recorders):
        assert PASSWORD not in v.log() and PASSWORD.encode() not in recorder.recorded()


def test_a_killed_mariadb_is_proposed_with_what_is_lost(procs, consul):
    """The standby stops receiving, the active takes ten writes more and dies. Fails when the loss is
    not told, or anything but a read is sent."""
    site = mariadb_site(procs, consul)
    site.db4.sql("STOP ALL SLAVES")
    for i in range(10):
        site.db3.sql("INSERT INTO game.t VALUES (%d)" % i)
    settle(1.5)  # two looks
    site.db3.kill()
    p = site.wait_proposal()
    assert p["command"] == "pointsman failover maindb --emergency" and p["class"] == "refused"
    assert p["lost"]["transactions"] == 10, p["lost"]
    assert "10 transactions that db3 had" in p["lost"]["text"]
    assert p["active_last"]["executed"] and p["standby_state"]["executed"]
    assert not p["standby_state"]["receiving"]
    settle(2.0)
    assert len(site.hooks()) == 1
    for v in site.vantages:
        assert PASSWORD.encode() not in v.http(path="/v1/pairs")[2] + v.http(path="/v1/checks")[2]
    check_traffic(site, procs)


def test_a_read_only_active(procs, consul):
    """It answers, and takes no writes: no emergency. Withdrawn when it takes them again."""
    site = mariadb_site(procs, consul)
    began = time.monotonic()
    site.db3.set_read_only(True)
    for v in site.vantages:
        wait_for("no writer", lambda: v.pair("maindb")["trouble"] == "no-writer", 5, 0.05)
    assert time.monotonic() - began < 3.0, "none is critical at once"
    p = site.wait_proposal()
    assert p["command"] == "pointsman failover maindb" and p["class"] == "read-only"
    assert p["lost"]["transactions"] == 0
    code, out, _ = run_cli(site.vantages[0].config_path, "drift")
    assert code == 1 and "maindb: KV db3, which takes no writes" in out, out
    site.db3.set_read_only(False)
    wait_for("withdrawn", lambda: site.proposal() is None, 20, 0.1)
    settle(1.0)
    assert site.told() == ["proposed", "withdrawn"]
    check_traffic(site, procs)


def test_a_writable_standby_and_a_password(procs, consul):
    """Two writers: critical at once, no proposal. A wrong password: a warning, no proposal."""
    site = mariadb_site(procs, consul)
    site.db4.set_read_only(False)
    for v in site.vantages:
        wait_for("two writers", lambda: v.pair("maindb")["trouble"] == "two-writers", 5, 0.05)
    settle(4.0)
    assert site.proposal() is None
    code, out, _ = run_cli(site.vantages[0].config_path, "drift")
    assert code == 1 and "maindb: KV db3, and db4 takes writes" in out, out
    site.db4.set_read_only(True)
    wait_for("fine", lambda: site.vantages[0].pair("maindb")["trouble"] == "fine", 15, 0.1)
    site.db3.sql("SET SESSION sql_log_bin = 0; ALTER USER 'watch'@'%' IDENTIFIED BY 'another'")
    ids = [r["Id"] for r in site.db3.sql("SHOW PROCESSLIST") if r["User"] == "watch"]
    for i in ids:
        site.db3.sql("KILL %s" % i)
    v = site.vantages[0]
    v.wait_check("maindb/db3", "failing", 10)
    check = v.check("maindb/db3")
    assert check["class"] == "auth" and check["level"] == "warning", check
    settle(3.0)
    assert site.proposal() is None and site.hooks() == []
    check_traffic(site, procs)
