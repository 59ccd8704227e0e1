"""Failovers of other tools: what contrib/hooks makes of them. Redis Sentinel is real. orchestrator is not
packaged, and MHA wants an SSH daemon on each server: their hooks are called as their sources call them
(orchestrator: applyEnvironmentVariables() in go/logic/topology_recovery.go; MHA: force_shutdown_internal(),
recover_master_gtid/_internal() and send_report() in MHA/MasterFailover.pm, check_scripts() in
MHA/MasterMonitor.pm)."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest

from conftest import soak
from lib.cli import Desk, clean_env
from lib.consul import Consul
from lib.daemon import program
from lib.proc import free_port, loopback_net, wait_for
from lib.redis import Redis, Sentinel, sentinel_trio

HOOKS = os.path.join(os.path.dirname(__file__), "..", "..", "contrib", "hooks")
PASSWORD = "s3cret-of-mha"


class Hooks:
    """A desk with one pair, hooks.conf, and the hooks."""

    def __init__(self, desk, mode="propose", clusters=("mymaster",), addresses=None, lines=(),
                 **consul):
        self.desk = desk
        self.addresses = addresses or {"db3": "10.0.4.13", "db4": "10.0.4.14"}
        desk.write_config('pair "cache" { kind = redis nodes = {"db3", "db4"} name = "sessions" }\n',
                          **consul)
        desk.seed({"sessions": "db3"}, dict(self.addresses, db9="10.0.4.19"))
        self.conf = os.path.join(desk.dir, "hooks.conf")
        self.write_conf(["mode = %s" % mode] + ["map %s = cache" % c for c in clusters] + list(lines))

    def write_conf(self, lines):
        with open(self.conf, "w") as f:
            f.write("# ours\npointsman = %s\nconfig = %s\n%s\n" % (
                program("pointsman"), self.desk.config_path, "\n".join(lines)))

    def run(self, hook, *args, env=None, limit=60.0):
        """(exit status, what it said)"""
        done = subprocess.run([os.path.join(HOOKS, hook)] + list(args), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit,
                              env=clean_env(dict({"POINTSMAN_HOOKS_CONF": self.conf}, **(env or {}))))
        return done.returncode, done.stdout.decode()

    def proposal(self):
        text = self.desk.get("proposals/cache")
        return None if text is None else json.loads(text)

    def name(self):
        return self.desk.get("names/sessions")

    def recorded(self, hook):
        """A script that calls the hook and notes how it ended, for a tool that runs it; and the notes."""
        path, calls = os.path.join(self.desk.dir, "script"), os.path.join(self.desk.dir, "calls")
        with open(path, "w") as f:
            f.write("#!/bin/sh\nPOINTSMAN_HOOKS_CONF=%s %s \"$@\"\nstatus=$?\n"
                    "echo \"$status $*\" >> %s\nexit $status\n" % (
                        self.conf, os.path.join(HOOKS, hook), calls))
        os.chmod(path, 0o755)

        def read():
            try:
                with open(calls) as f:
                    return [line.split() for line in f]
            except FileNotFoundError:
                return []
        return path, read


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    if request.param == "file":
        return Desk(procs.dir)
    return Desk(procs.dir, consul.api, consul.url)


@pytest.fixture
def file_desk(procs):
    return Desk(procs.dir)


# --- Redis Sentinel ------------------------------------------------------------------------------------


def redis_pair(procs):
    net = loopback_net()
    port = free_port(net + "3")
    servers = []
    for node, address in (("db3", net + "3"), ("db4", net + "4")):
        servers.append(Redis(procs, node, address, port, of=servers[0] if servers else None,
                             config={"replica-announce-ip": address}).start())
    servers[1].wait_linked()
    return servers


def wait_known(sentinels):
    for s in sentinels:
        wait_for("it knows the replica", lambda: s.master()["num-slaves"] == "1", 30, 0.1)


def test_a_failover_of_three_sentinels_is_one_proposal(procs, consul):
    """Each of them runs the hook; one proposal, with the flip that is left; the name stays."""
    db3, db4 = redis_pair(procs)
    hooks = Hooks(Desk(procs.dir, consul.api, consul.url),
                  addresses={"db3": db3.address, "db4": db4.address})
    script, calls = hooks.recorded("sentinel-client-reconfig")
    wait_known(sentinel_trio(procs, db3, down_ms=500, script=script))
    db3.kill()
    wait_for("three calls", lambda: len(calls()) == 3, 60, 0.1)
    assert [c[0] for c in calls()] == ["0"] * 3, calls()
    assert sorted(c[2] for c in calls()) == ["leader", "observer", "observer"]
    for c in calls():
        assert c[1] == "mymaster" and c[3] == "start"
        assert c[4:] == [db3.address, str(db3.port), db4.address, str(db4.port)]
    assert db4.info("replication")["role"] == "master"
    p = hooks.proposal()
    assert p["proposed_by"] == "sentinel" and p["active"] == "db3" and p["standby"] == "db4"
    assert p["command"] == "pointsman set sessions db4 --expect db3" and p["promoted"]
    assert "has made %s:%d the master of mymaster" % (db4.address, db4.port) in p["what"]
    assert hooks.name() == "db3"
    # A person types it, and that is that.
    assert hooks.desk.run(*p["command"].split()[1:], "--no-wait").code == 0
    assert hooks.name() == "db4"


def test_a_failover_of_a_sentinel_flips(procs, file_desk):
    """mode = flip, and Sentinel is asked before: by a check-and-set."""
    db3, db4 = redis_pair(procs)
    port = free_port()
    hooks = Hooks(file_desk, "flip", addresses={"db3": db3.address, "db4": db4.address},
                  lines=["sentinel = 127.0.0.1:%d" % port])
    script, calls = hooks.recorded("sentinel-client-reconfig")
    sentinel = Sentinel(procs, db3, quorum=1, down_ms=500, port=port, script=script).start()
    wait_known([sentinel])
    db3.kill()
    wait_for("the call", calls, 60, 0.1)
    assert calls()[0][0] == "0" and calls()[0][2:4] == ["leader", "start"], (calls(), sentinel.log())
    assert hooks.name() == "db4" and hooks.proposal() is None
    # The same call an hour later, and one that Sentinel does not stand by any more.
    args = calls()[0][1:]
    code, said = hooks.run("sentinel-client-reconfig", *args)
    assert code == 0 and "already" in said and hooks.name() == "db4", said
    code, said = hooks.run("sentinel-client-reconfig", *(args[:3] + args[5:7] + args[3:5]))
    assert code == 2 and "out of date" in said and hooks.name() == "db4", said


def test_sentinel_tries_again_what_could_not_be_reached(procs, file_desk):
    """Exit 1 while there is no KV. Fails when Sentinel takes it for done, or gives up."""
    db3, db4 = redis_pair(procs)
    hooks = Hooks(file_desk, addresses={"db3": db3.address, "db4": db4.address}, lines=["limit = 5"])
    file_desk.write_config('pair "cache" { kind = redis nodes = {"db3", "db4"} }\n',
                           address="http://127.0.0.1:%d" % free_port())
    script, calls = hooks.recorded("sentinel-client-reconfig")
    sentinel = Sentinel(procs, db3, quorum=1, down_ms=500, script=script).start()
    wait_known([sentinel])
    db3.kill()
    wait_for("the call", calls, 60, 0.1)
    assert calls()[0][0] == "1", calls()
    wait_for("it waits to be run again", lambda: [
        (j["flags"], j["retry-num"]) for j in sentinel.pending_scripts()] == [("scheduled", "1")], 5)


SENTINEL = ("leader", "start", "10.0.4.13", "6379", "10.0.4.14", "6379")


def test_sentinel_is_not_to_try_again_what_is_refused(desk):
    """Exit 2: an unknown cluster, a name that leads elsewhere, servers that are none of the pair."""
    hooks = Hooks(desk, "flip")
    for args, words in {
            ("other",) + SENTINEL: "no line 'map other = PAIR'",
            ("mymaster", "leader", "start", "10.0.4.13", "6379", "10.9.9.9", "6379"): "no node is or has",
            ("mymaster", "leader", "start", "10.0.4.13", "6379", "10.0.4.19", "6379"): "no server of",
            ("mymaster", "leader", "start", "10.0.4.19", "6379", "10.0.4.14", "6379"): "not to db9",
            ("mymaster", "leader", "start"): "seven arguments",
            ("mymaster", "leader", "start", "*", "6379", "$(reboot)", "6379"): "no node is or has",
    }.items():
        code, said = hooks.run("sentinel-client-reconfig", *args)
        assert code == 2 and words in said, (args, code, said)
    desk.put("names/sessions", "db9")
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 2 and "leads to neither" in said, said
    assert hooks.name() == "db9" and hooks.proposal() is None


def test_a_flip_that_is_held_becomes_a_proposal(desk):
    """The servers have moved, and somebody has to know."""
    hooks = Hooks(desk, "flip")
    assert desk.run("hold", "sessions", "--reason", "hands off", "--timeout", "1s").code in (0, 1)
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 0 and "not flipped" in said and "hands off" in said, said
    assert hooks.name() == "db3" and hooks.proposal()["standby"] == "db4"
    assert desk.run("release", "sessions", "--timeout", "1s").code in (0, 1)


def test_an_aborted_failover(desk):
    hooks = Hooks(desk, "flip")
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", "leader", "abort", *SENTINEL[2:])
    assert code == 0 and "given up" in said and hooks.name() == "db3" and not hooks.proposal()


def test_a_late_flip_is_not_tried_again(file_desk):
    """Hours later the master may be another one: exit 2, unless Sentinel can be asked."""
    hooks = Hooks(file_desk, "flip", lines=["limit = 5"])
    file_desk.write_config('pair "cache" { kind = redis nodes = {"db3", "db4"} }\n',
                           address="http://127.0.0.1:%d" % free_port())
    began = time.monotonic()
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 2 and "not tried again" in said, said
    assert time.monotonic() - began < 10


def test_a_consul_that_hangs(procs, file_desk):
    """It takes the connection and never answers: it ends in time, well before Sentinel kills it."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(50)
        # As it is without such a line Sentinel kills it after 60 s; that takes a long run.
        hooks = Hooks(file_desk, lines=soak((), ("limit = 12",)))
        file_desk.write_config('pair "cache" { kind = redis nodes = {"db3", "db4"} }\n',
                               address="http://127.0.0.1:%d" % s.getsockname()[1])
        began = time.monotonic()
        code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
        took = time.monotonic() - began
    print("given up after %.1f s" % took)
    assert code == 1 and took < soak(55, 25), (code, took, said)


# --- MHA -----------------------------------------------------------------------------------------------


ORIG = ["--orig_master_host=db3", "--orig_master_ip=10.0.4.13", "--orig_master_port=3306"]
NEW = ["--new_master_host=db4", "--new_master_ip=10.0.4.14", "--new_master_port=3306",
       "--new_master_user='mha'"]


def mha(hooks, *args, **kwargs):
    return hooks.run("mha-master-ip-failover", *(["--cluster=app1"] + list(args)), **kwargs)


def test_mha_proposes(desk):
    """status, stop and start as the manager and the monitor call them."""
    hooks = Hooks(desk, clusters=("app1",))
    code, said = mha(hooks, "--command=status", "--ssh_user=root", *ORIG)
    assert code == 0 and "db3 of the pair cache" in said, said
    for command in ("stopssh", "stop"):
        code, said = mha(hooks, *ORIG, "--command=" + command, "--ssh_user=root",
                         "--orig_master_ssh_port=2222")
        assert code == 0 and hooks.proposal() is None, said
    code, said = mha(hooks, "--command=start", "--ssh_user=root", *ORIG, *NEW,
                     "--new_master_password='%s'" % PASSWORD)
    assert code == 0 and PASSWORD not in said, said
    p = hooks.proposal()
    assert p["proposed_by"] == "mha" and p["command"] == "pointsman set sessions db4 --expect db3"
    assert p["what"] == "MHA has made db4:3306 the master instead of db3:3306"
    assert PASSWORD not in json.dumps(p) and hooks.name() == "db3"


def test_mha_flips(desk):
    """As master_ip_failover_script, and as report_script: without ports, and with words of others."""
    hooks = Hooks(desk, "flip", clusters=("app1",))
    code, said = mha(hooks, "--command=start", *ORIG, *NEW, "--new_master_password='x'")
    assert code == 0 and hooks.name() == "db4", said
    desk.put("names/sessions", "db3")
    report = ["--orig_master_host=db3", "--conf=/etc/mha/app1.cnf", "--subject=app1: MySQL Master "
              "failover db3(10.0.4.13:3306) to db4(10.0.4.14:3306) succeeded",
              "--body=Master db3 is down!\n\n--command=stop; $(reboot)\n"]
    code, said = mha(hooks, *report)
    assert code == 0 and hooks.name() == "db3" and "no new master" in said, said
    code, said = mha(hooks, *(report[:1] + ["--new_master_host=db4", "--new_slave_hosts=db9"] + report[1:]))
    assert code == 0 and hooks.name() == "db4", said


def test_mha_goes_on_when_we_cannot(file_desk):
    """Another exit than 0 and 10 would stop MHA halfway. Monitoring does not start on a bad mapping."""
    hooks = Hooks(file_desk, clusters=("app1",), lines=["limit = 4"])
    for args in ([*ORIG, "--new_master_host=db77", "--new_master_ip=10.0.4.77"],
                 ["--orig_master_host=db9", "--orig_master_ip=10.0.4.19", *NEW]):
        code, said = mha(hooks, "--command=start", *args)
        assert code == 10 and hooks.proposal() is None, said
    code, said = mha(hooks, "--command=status", "--orig_master_host=db77", "--orig_master_ip=10.0.4.77")
    assert code == 1 and "no node is or has" in said, said
    code, said = mha(hooks)
    assert code == 1 and "needs --command" in said, said
    file_desk.write_config('pair "cache" { kind = redis nodes = {"db3", "db4"} }\n',
                           address="http://127.0.0.1:%d" % free_port())
    code, said = mha(hooks, "--command=start", *ORIG, *NEW)
    assert code == 10, said
    code, said = mha(hooks, "--command=status", *ORIG)
    assert code == 0 and "Consul cannot be reached now" in said, said
    hooks.write_conf(["map app2 = cache"])
    code, said = mha(hooks, "--command=status", *ORIG)
    assert code == 1 and "map app1" in said, said


# --- orchestrator --------------------------------------------------------------------------------------


def orc(**more):
    env = {"ORC_FAILURE_TYPE": "DeadMaster", "ORC_INSTANCE_TYPE": "master", "ORC_IS_MASTER": "true",
           "ORC_IS_CO_MASTER": "false",
           "ORC_FAILURE_DESCRIPTION": "Master cannot be reached by orchestrator and none of its replicas "
                                      "is replicating", "ORC_COMMAND": "",
           "ORC_FAILED_HOST": "db3", "ORC_FAILED_PORT": "3306", "ORC_FAILURE_CLUSTER": "db3:3306",
           "ORC_FAILURE_CLUSTER_ALIAS": "main-cluster", "ORC_FAILURE_CLUSTER_DOMAIN": "",
           "ORC_COUNT_REPLICAS": "1", "ORC_IS_DOWNTIMED": "false", "ORC_AUTO_MASTER_RECOVERY": "true",
           "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY": "true", "ORC_ORCHESTRATOR_HOST": "orc1",
           "ORC_IS_SUCCESSFUL": "true", "ORC_LOST_REPLICAS": "", "ORC_REPLICA_HOSTS": "db4:3306",
           "ORC_RECOVERY_UID": "orc1:1:2", "ORC_SUCCESSOR_HOST": "db4", "ORC_SUCCESSOR_PORT": "3306",
           "ORC_SUCCESSOR_ALIAS": ""}
    env.update(more)
    return {k: v for k, v in env.items() if v is not None}


def test_orchestrator_proposes(desk):
    hooks = Hooks(desk, clusters=("main-cluster",))
    code, said = hooks.run("orchestrator-post-failover", env=orc())
    assert code == 0, said
    p = hooks.proposal()
    assert p["proposed_by"] == "orchestrator" and p["command"] == "pointsman set sessions db4 --expect db3"
    assert p["what"] == "orchestrator (DeadMaster) has made db4:3306 the master instead of db3:3306"
    assert hooks.name() == "db3"


def test_orchestrator_flips_and_knows_what_is_no_masters_failover(desk):
    hooks = Hooks(desk, "flip", clusters=("db3:3306",))
    for env, words in (
            (orc(ORC_IS_MASTER="false", ORC_FAILURE_TYPE="DeadIntermediateMaster"), "no master has failed"),
            (orc(ORC_IS_SUCCESSFUL="false", ORC_SUCCESSOR_HOST=None), "promoted nobody")):
        code, said = hooks.run("orchestrator-post-failover", env=env)
        assert code == 0 and words in said and hooks.name() == "db3", said
    code, said = hooks.run("orchestrator-post-failover", env=orc(ORC_FAILURE_CLUSTER="x"))
    assert code == 2 and "map main-cluster x" in said and hooks.name() == "db3", said
    # A co-master, by its addresses.
    code, said = hooks.run("orchestrator-post-failover", env=orc(
        ORC_IS_MASTER="false", ORC_IS_CO_MASTER="true", ORC_FAILURE_TYPE="DeadCoMaster",
        ORC_FAILED_HOST="10.0.4.13", ORC_SUCCESSOR_HOST="10.0.4.14"))
    assert code == 0 and hooks.name() == "db4" and hooks.proposal() is None, said
    # The standby of a pair of co-masters has died: the name leads to the other one already.
    code, said = hooks.run("orchestrator-post-failover", env=orc(ORC_IS_CO_MASTER="true"))
    assert code == 0 and "already" in said and hooks.name() == "db4", said


# --- the rights that contrib/hooks/README.md names -----------------------------------------------------


@pytest.mark.parametrize("mode", ["propose", "flip"])
def test_the_rights_of_the_readme_are_enough(procs, mode):
    """And those of a proposal are none to flip."""
    server = Consul(procs, "guarded", acl=True).start()
    token_file = os.path.join(procs.dir, "token")

    def use_token(token):
        with open(token_file, "w") as f:
            f.write(token)
        os.chmod(token_file, 0o600)

    use_token(server.token)
    hooks = Hooks(Desk(procs.dir, server.api, server.url), mode, **{"token-file": token_file})
    with open(os.path.join(HOOKS, "README.md")) as f:
        rules = re.findall(r'^ +((?:key|node)_prefix .*\})', f.read(), re.M)
    assert len(rules) == 5
    rules = [r.replace("pointsman/", hooks.desk.root) for r in rules
             if mode == "flip" or not re.search("names/|ops/", r)]
    policy = server.api.json("PUT", "/v1/acl/policy", {"Name": "hooks", "Rules": "\n".join(rules)})["ID"]
    secret = "5a4c1ae6-7ef4-4d0a-9c0b-000000000077"
    server.api.json("PUT", "/v1/acl/token", {"SecretID": secret, "Policies": [{"ID": policy}]})
    use_token(secret)
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 0 and secret not in said, said
    if mode == "flip":
        assert hooks.name() == "db4" and hooks.proposal() is None
        return
    assert hooks.name() == "db3" and hooks.proposal()["standby"] == "db4"
    done = hooks.desk.run("set", "sessions", "db4", "--no-wait")
    assert done.code != 0 and hooks.name() == "db3", done


# --- hooks.conf ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("line,words", [
    ("mode = now", "mode is propose or flip"),
    ("mode propose", "it must be: mode = WORD"),
    ("mdoe = flip", "mdoe is no setting"),
    ("map app1 cache", "it must be: map CLUSTER = PAIR"),
    ("map app1 = cache flop", "comes propose or flip"),
    ("map app1 = cache flip flip", "it must be: map"),
    ("limit = 60", "from 1 to 50"),
], ids=range(7))  # no blanks in the paths
def test_a_bad_line(file_desk, line, words):
    hooks = Hooks(file_desk)
    hooks.write_conf(["map mymaster = cache", line])
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 2 and words in said and "hooks.conf:5:" in said, said
    assert hooks.proposal() is None


def test_a_pair_of_its_own_mode_and_comments(file_desk):
    hooks = Hooks(file_desk)
    hooks.write_conf(["", "  # all but one", "mode = propose   # the default", "map x = nope",
                      "map mymaster = cache flip # this one"])
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 0 and hooks.name() == "db4", said
    os.unlink(hooks.conf)
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 2 and "cannot be read" in said, said


def test_the_example_and_a_link_to_a_hook(file_desk):
    """The example is well-formed as it stands; a link elsewhere finds what the hooks share."""
    hooks = Hooks(file_desk)
    shutil.copy(os.path.join(HOOKS, "hooks.conf"), hooks.conf)
    link = os.path.join(file_desk.dir, "reconfig")
    os.symlink(os.path.realpath(os.path.join(HOOKS, "sentinel-client-reconfig")), link)
    done = subprocess.run([link, "mymaster", *SENTINEL], stderr=subprocess.PIPE,
                          env=clean_env({"POINTSMAN_HOOKS_CONF": hooks.conf}))
    assert done.returncode == 2 and b"no line 'map mymaster = PAIR'" in done.stderr, done.stderr


def test_two_nodes_of_one_address(file_desk):
    hooks = Hooks(file_desk)
    file_desk.put("nodes/db5", "10.0.4.14")
    code, said = hooks.run("sentinel-client-reconfig", "mymaster", *SENTINEL)
    assert code == 2 and "several nodes have the address 10.0.4.14: db4 db5" in said, said
