"""Passwords and tokens go to the servers that they are for and nowhere else: a vantage with all of them,
through good days and bad ones, and then everything is searched that anybody could read."""
import os
import threading
import time

from lib import mariadb
from lib.consul import Consul
from lib.daemon import run_cli
from lib.proc import loopback_net, wait_for
from lib.redis import Redis
from lib.relay import Relay
from lib.vantage import Vantage, recording_hook, seed

SECRETS = {"mysql": "pw-Of-mysql-7f3a", "wrong": "pw-Of-nobody-91c2", "redis": "pw-Of-redis-0d4e",
           "token": "5a4c1ae6-7ef4-4d0a-9c0b-0000000077aa"}


def found(where, data):
    """What of the secrets is there, as it is or as a header would carry it."""
    if isinstance(data, str):
        data = data.encode()
    return ["%s in %s" % (name, where) for name, secret in SECRETS.items() if secret.encode() in data]


class Searcher(threading.Thread):
    """Reads the arguments of every process and the environment of the daemon's children, all the time."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.daemon_pid, self.is_over = daemon, threading.Event()
        self.complaints, self.children = set(), set()

    def run(self):
        while not self.is_over.wait(0.01):
            self.look()

    def look(self):
        # A supervisor holds a child from its fork on; what it runs is a grandchild.
        parents = {self.daemon_pid}
        for pid in sorted((int(p) for p in os.listdir("/proc") if p.isdigit())):
            try:
                with open("/proc/%d/stat" % pid) as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    line = f.read()
                # The test's own clients have a root without a password, and get nothing of these.
                self.complaints.update(found("/proc/%d/cmdline" % pid, line))
                if parent not in parents:
                    continue
                parents.add(pid)
                # Between fork and exec it still has its parent's.
                if b"pointsmand" not in line.split(b"\0")[0]:
                    with open("/proc/%d/environ" % pid, "rb") as f:
                        self.complaints.update(found("environ of %r" % line, f.read()))
                    self.children.add(line.split(b"\0")[0])
            except (OSError, ValueError, IndexError):
                pass

    def stop(self):
        self.is_over.set()
        self.join()


def option_file(procs, name, user, password):
    path = os.path.join(procs.dir, name)
    with open(path + ".new", "w") as f:
        f.write("[pointsman]\n%spassword = %s\n" % ("user = %s\n" % user if user else "", password))
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
    return path


def test_secrets_stay_where_they_belong(procs):
    """Fails when one of them is to be seen anywhere, or when the search would not find it."""
    consul = Consul(procs, "guarded", acl=True).start()
    policy = consul.api.json("PUT", "/v1/acl/policy", {
        "Name": "vantage", "Rules": 'agent_prefix "" { policy = "read" }\n'
        'session_prefix "" { policy = "write" }\nnode_prefix "" { policy = "read" }\n'
        'key_prefix "" { policy = "write" }\n'})["ID"]
    consul.api.json("PUT", "/v1/acl/token", {"SecretID": SECRETS["token"], "Policies": [{"ID": policy}]})
    sql = mariadb.MariaDB(procs).start()
    sql.create_account("watch", SECRETS["mysql"], mariadb.CHECK_GRANTS)
    redis = Redis(procs, address=loopback_net() + "1", password=SECRETS["redis"]).start()
    relay = Relay((redis.address, redis.port))
    files = {"mysql": option_file(procs, "mysql.cnf", "watch", SECRETS["mysql"]),
             "wrong": option_file(procs, "wrong.cnf", "watch", SECRETS["wrong"]),
             "redis": option_file(procs, "redis.cnf", None, SECRETS["redis"]),
             "badredis": option_file(procs, "badredis.cnf", None, SECRETS["wrong"])}
    hook, calls = recording_hook(procs.dir)
    plugin_seen = os.path.join(procs.dir, "plugin-environ")
    seed(consul.api, "secrets/")
    vantage = Vantage(procs, consul.url, "secrets/", token=SECRETS["token"], hooks={
        "all": {"on": ["problem", "change"], "command": hook}}, checks={
        "sql": {"type": "mysql", "target": sql.endpoint, "credentials": files["mysql"]},
        "wrong": {"type": "mysql", "target": sql.endpoint, "credentials": files["wrong"]},
        "query": {"type": "sql", "target": sql.endpoint, "credentials": files["mysql"],
                  "query": "SELECT 1"},
        "cache": {"type": "redis", "target": relay.endpoint, "credentials": files["redis"]},
        "badcache": {"type": "redis", "target": relay.endpoint, "credentials": files["badredis"]},
        "plugin": {"type": "exec", "command": [
            "/bin/sh", "-c", "env >%s; sleep 0.1; echo fine" % plugin_seen]}}).start()
    searcher = Searcher(vantage.pid)
    searcher.start()
    vantage.wait_check("wrong", "failing")
    vantage.wait_check("badcache", "failing")
    assert {n: c["class"] for n, c in vantage.checks().items()} == {
        "sql": "ok", "wrong": "auth", "query": "ok", "cache": "ok", "badcache": "auth", "plugin": "ok"}
    # Bad days: killed in the middle, said nothing, came back with another password.
    sql.kill()
    relay.set("hang")
    vantage.wait_check("sql", "failing")
    vantage.wait_check("cache", "failing")
    sql.start()
    relay.set("pass")
    vantage.wait_check("sql", "passing")
    vantage.wait_check("cache", "passing")
    outputs = {"hook": repr(calls())}
    for args in (["check", "wrong"], ["check", "badcache"], ["check", "sql"], ["check", "cache"],
                 ["checks"], ["status"], ["config", "show"], ["config", "check"],
                 ["check", "wrong", "--explain"]):
        for form in ([], ["-o", "json"]):
            status, out, err = run_cli(vantage.config_path, *form, *args,
                                       env={"CONSUL_HTTP_TOKEN": SECRETS["token"]})
            outputs["pointsman %s" % " ".join(form + args)] = out + err
    searcher.stop()
    for page in ("/v1/status", "/v1/checks", "/v1/pairs", "/metrics", "/"):
        outputs[page] = vantage.http(path=page)[2]
    for key, value in consul.api.list("").items():
        outputs["KV " + key] = value
    sessions = consul.api.request("GET", "/v1/session/list")
    outputs["sessions"] = sessions
    for directory, _, names in os.walk(vantage.home):
        for name in names:
            with open(os.path.join(directory, name), "rb") as f:
                outputs[os.path.join(directory, name)] = f.read()
    with open(plugin_seen) as f:
        outputs["the plugin's environment"] = f.read()
    outputs["log"] = vantage.log()
    assert any(k.startswith("KV secrets/health/") for k in outputs) and calls()
    assert b"/bin/sh" in searcher.children, searcher.children
    complaints = sorted(searcher.complaints) + [f for where, data in outputs.items()
                                                for f in found(where, data)]
    assert not complaints, complaints
    # The search finds what is there: the password that was put on the wire.
    assert found("relay", relay.recorded()) == ["wrong in relay", "redis in relay"]
    relay.close()


def test_who_may_read_our_memory(procs, consul):
    """Killed by SIGABRT it leaves no core, and /proc/PID is root's. Fails when a dump could be had."""
    seed(consul.api, "secrets-core/")
    vantage = Vantage(procs, consul.url, "secrets-core/").start()
    with open("/proc/%d/limits" % vantage.pid) as f:
        core = [line for line in f if line.startswith("Max core file size")][0]
    assert core.split()[4:6] == ["0", "0"], core
    began = time.time()
    vantage.signal(6)
    wait_for("it ends", lambda: not vantage.is_alive(), 5)
    assert vantage.popen.returncode == -6
    pattern = open("/proc/sys/kernel/core_pattern").read().strip()
    places = {os.getcwd(), vantage.home, procs.dir, os.path.dirname(pattern) if pattern[:1] == "/" else "/"}
    left = [os.path.join(d, n) for d in places for n in os.listdir(d) if "core" in n and
            os.path.isfile(os.path.join(d, n)) and os.path.getmtime(os.path.join(d, n)) >= began - 1]
    assert not left, left
