"""Every way in which a Redis, its replica and its Sentinels can be down or ill: each is said as what it is,
within the bound."""
import os
import time

from lib import faults, netns
from lib.faults import Fault
from lib.proc import free_port, loopback_net, wait_for
from lib.redis import Redis, RedisPair, sentinel_trio
from lib.vantage import Vantage, seed

PASSWORD = "s3cret-of-the-cache"


def target(server):
    return "%s:%d" % (server.address, server.port)


class Crowd:
    """One client, and no room for another."""

    def __init__(self, server):
        self.server = server

    def come(self):
        self.inside = self.server.client()
        self.inside.call("CONFIG", "SET", "maxclients", 1)
        began = time.monotonic()
        self.inside.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return began

    def go(self):
        self.inside.call("CONFIG", "SET", "maxclients", 1000)
        self.inside.close()


def test_redis(procs, consul):
    net = netns.Net(procs)
    host = net.host("db9")
    host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit")
    port = free_port()
    there = Redis(procs, "there", host.address, port)
    there.argv = host.enter + there.argv
    there.start(0)
    solo = Redis(procs, "solo", loopback_net() + "1", password=PASSWORD).start()
    pair = RedisPair(procs, "pair", (loopback_net() + "1", loopback_net() + "2")).start()
    watched = RedisPair(procs, "watched", (loopback_net() + "1", loopback_net() + "2"),
                        config={"replica-priority": 0}).start()
    trio = sentinel_trio(procs, watched.master, down_ms=500)
    wait_for("redis on its host", lambda: there._answers(), 10)
    credentials = os.path.join(procs.dir, "redis.cnf")
    with open(credentials, "w") as f:
        f.write("[pointsman]\npassword = %s\n" % PASSWORD)
    os.chmod(credentials, 0o600)
    bystanders = faults.Bystanders(30)
    seed(consul.api, "faults-redis/")
    vantage = Vantage(procs, consul.url, "faults-redis/", checks=dict(bystanders.checks(), **{
        "there": {"type": "redis", "target": target(there)},
        "solo": {"type": "redis", "target": target(solo), "credentials": credentials},
        "master": {"type": "redis", "target": target(pair.master), "role": "master"},
        "replica": {"type": "redis", "target": target(pair.replica), "role": "replica",
                    "max-lag": "1s"},
        "watched": {"type": "redis", "target": target(watched.master), "role": "master",
                    "sentinels": [target(s) for s in trio]}})).start().wait_known(30)

    def firewall(verdict):
        host.nft("add table inet wall\ndelete table inet wall\n" + (
            "table inet wall {\n chain input {\n  type filter hook input priority 0\n"
            "  tcp dport %d %s\n }\n}\n" % (port, verdict) if verdict else ""))

    def wall(what, want, verdict):
        return Fault(what, "there", want, lambda: firewall(verdict), lambda: firewall(None))

    def password(text):
        """Another one, and what needs a new connection to be seen."""
        solo.call("CONFIG", "SET", "requirepass", text)
        solo.password = text
        began = time.monotonic()
        solo.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return began

    def of_pair(server, *command):
        return lambda: server.call(*command) and None
    crowd = Crowd(solo)
    nobody = "1"
    groups = [
        [Fault("frozen (SIGSTOP)", "there", "timeout", there.freeze, there.thaw),
         Fault("killed", "there", "refused", there.kill, lambda: there.start(10)),
         wall("port closed (RST)", "refused", "reject with tcp reset"),
         wall("black hole", "timeout", "drop"),
         wall("host unreachable (ICMP)", "unreachable", "reject with icmp type host-unreachable")],
        [Fault("password wrong", "solo", "auth", lambda: password("another"),
               lambda: password(PASSWORD), "", "warning"),
         Fault("too many connections", "solo", "too-many-connections", crowd.come, crowd.go, "",
               "warning"),
         Fault("memory full", "solo", "value",
               lambda: (solo.call("CONFIG", "SET", "maxmemory-policy", "noeviction"),
                        solo.call("CONFIG", "SET", "maxmemory", "1mb")) and None,
               lambda: solo.call("CONFIG", "SET", "maxmemory", "0"))],
        [Fault("a master that became a replica", "master", "role",
               of_pair(pair.master, "REPLICAOF", pair.replica.address, nobody),
               lambda: (pair.master.call("REPLICAOF", "NO", "ONE"), pair.replica.wait_linked())),
         Fault("a replica that became a master", "replica", "role",
               of_pair(pair.replica, "REPLICAOF", "NO", "ONE"),
               lambda: (pair.replica.call("REPLICAOF", pair.master.address, pair.master.port),
                        pair.replica.wait_linked())),
         Fault("a replica without its master", "replica", "replication",
               of_pair(pair.replica, "REPLICAOF", pair.master.address, nobody),
               lambda: (pair.replica.call("REPLICAOF", pair.master.address, pair.master.port),
                        pair.replica.wait_linked()))],
        [Fault("killed, Sentinels watch", "watched", "refused", watched.master.kill,
               watched.master.start),
         Fault("frozen, Sentinels watch", "watched", "timeout", watched.master.freeze,
               watched.master.thaw)],
    ]
    try:
        rows = faults.run(vantage, groups, "Redis")
    finally:
        bystanders.close()
    assert len(rows) == sum(map(len, groups))
