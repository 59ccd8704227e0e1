"""The Redis servers that other tests stand on: a pair that replicates, and Sentinels that agree."""
import pytest

from lib.proc import wait_for
from lib.redis import Redis, RedisError, RedisPair, sentinel_trio

pytestmark = pytest.mark.harness


def test_a_pair_replicates(procs):
    pair = RedisPair(procs).start()
    pair.master.call("SET", "k", "v")
    wait_for("the replica having it", lambda: pair.replica.call("GET", "k") == "v")
    with pytest.raises(RedisError, match="READONLY"):
        pair.replica.call("SET", "k", "w")
    pair.master.kill()
    wait_for("the replica noticing", lambda: not pair.replica.is_linked())


def test_a_password(procs):
    pair = RedisPair(procs, password="s3cret").start()
    assert pair.master.call("PING") == "PONG"
    pair.master.password = None
    with pytest.raises(RedisError, match="NOAUTH"):
        pair.master.call("PING")


def test_sentinels_agree(procs):
    master = Redis(procs).start()
    trio = sentinel_trio(procs, master, down_ms=500)
    assert trio[0].flags() == {"master"}
    assert int(trio[0].master()["port"]) == master.port
    master.freeze()
    wait_for("all sentinels agreeing", lambda: all("o_down" in s.flags() for s in trio), 20)
    master.thaw()
    wait_for("all sentinels content", lambda: all(s.flags() == {"master"} for s in trio), 20)
