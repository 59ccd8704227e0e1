"""A resolver that hangs: what has to be looked up is said to have no address, in time, and what has not is
not disturbed."""
import os
import socket
import time

from conftest import soak
from lib.daemon import settle
from lib.proc import loopback_net
from lib.redis import Redis
from lib.vantage import Vantage, seed


def test_a_resolver_that_hangs(procs, consul):
    """Fails when the loop waits for the resolver, when the check is called something else, or late."""
    seed(consul.api, "faults-resolver/")
    redis = Redis(procs, address=loopback_net() + "1").start()
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    net = loopback_net()
    # resolv.conf has no place for a port.
    deaf.bind((net + "53", 53))
    files = {name: os.path.join(procs.dir, name) for name in ("resolv.conf", "hosts")}
    with open(files["resolv.conf"], "w") as f:
        f.write("nameserver %s53\noptions timeout:1 attempts:1\n" % net)
    with open(files["hosts"], "w") as f:
        f.write("%s db9.example.test\n" % redis.address)
    script = ('mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/hosts && shift && exec "$@"')
    vantage = Vantage(
        procs, consul.url, "faults-resolver/",
        wrapper=["unshare", "--mount", "sh", "-c", script, files["resolv.conf"], files["hosts"]],
        checks={"looked-up": {"type": "redis", "target": "db9.example.test:%d" % redis.port},
                "address": {"type": "redis", "target": "%s:%d" % (redis.address, redis.port)},
                "other": {"type": "tcp", "target": "%s:%d" % (consul.address, consul.port)}}).start()
    vantage.wait_check("looked-up", "passing")
    bound = vantage.check("looked-up")["bound_ms"] / 1000
    began = time.monotonic()
    with open(files["hosts"], "w") as f:
        f.write("127.0.0.1 localhost\n")
    check = vantage.wait_check("looked-up", "failing", bound + 0.5)
    print("hung resolver: %s, bound %.2f s, found after %.2f s: %s" % (
        check["class"], bound, time.monotonic() - began, check["output"]))
    assert check["class"] == "resolve", check
    settle(soak(60, 3))
    assert deaf.recv(512), "nobody has asked"
    assert vantage.check("address")["state"] == "passing"
    late = vantage.metric('pointsman_check_lateness_seconds{quantile="0.99"}')
    assert late < 0.2, late
    with open(files["hosts"], "w") as f:
        f.write("%s db9.example.test\n" % redis.address)
    vantage.wait_check("looked-up", "passing")
    deaf.close()
