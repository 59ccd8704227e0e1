"""The planned failover of a Redis pair on real servers, a real Consul and a real agent, under writers."""
import os
import statistics
import time

import pytest

from conftest import soak
from lib.crash import Table, all_cells, finish, kill_at, some_cells, undisturbed
from lib.proc import wait_for
from lib.redis import RedisError, sentinel_trio
from lib.redis_desk import RedisDesk, emergency, emergency_argv, rejoin, words
from lib.tripwire import Tripwire, announces

# A Redis before 6.2 has neither FAILOVER nor CLIENT PAUSE for writers alone.
OLD = {"user": "default on nopass ~* &* +@all -failover -client|pause -client|unpause"}


@pytest.fixture
def desk(procs, consul):
    return RedisDesk(procs, consul)


def flip_to_and_fro(desk):
    writer, watch = desk.writer(), desk.watch()
    gaps, refused_ms = [], []
    for _ in range(soak(30, 4)):
        time.sleep(0.3)
        began, before = time.monotonic(), desk.active()
        done = desk.failover()
        assert done.code == 0, done
        assert desk.active() != before
        refused_ms.append(desk.last()["refused_ms"])
        time.sleep(0.2)
        gaps.append(writer.longest_gap_s(began) * 1000)
        desk.check_settled()
    writer.stop()
    watch.stop()
    assert not watch.two
    assert writer.count() > 1000
    desk.check_settled()
    for server in desk.servers.values():
        assert writer.lost(server) == []
        assert int(server.info("stats")["sync_full"]) <= 1  # only the one of the beginning
    print("%d flips: refused p50 %.0f, at most %.0f ms; writers waited p50 %.0f, at most %.0f ms; "
          "%d acknowledged, none lost; %d refused; looked at %d times for two masters" % (
              len(gaps), statistics.median(refused_ms), max(refused_ms), statistics.median(gaps),
              max(gaps), writer.count(), len(writer.refused), watch.count))


def test_flips_to_and_fro_lose_nothing(desk):
    flip_to_and_fro(desk)


def test_nor_without_the_commands_of_newer_servers(procs, consul):
    """As before 6.2: no FAILOVER, and no CLIENT PAUSE for writers alone."""
    flip_to_and_fro(RedisDesk(procs, consul, OLD))





def test_the_rehearsal_moves_nothing(desk):
    before = {node: server.info("replication") for node, server in desk.servers.items()}
    done = desk.run("failover", "sessions", "--rehearse")
    assert done.code == 0, done
    assert desk.active() == "r4" and desk.last()["kind"] == "rehearse"
    for node, server in desk.servers.items():
        after = server.info("replication")
        for key in ("role", "master_replid", "connected_slaves"):
            assert after[key] == before[node][key]
    assert desk.servers["r4"].call("EXISTS", "pointsman:probe") == 0


def test_one_that_takes_writes_is_not_dead(desk):
    done = desk.run("failover", "sessions", "--emergency", "--dry-run")
    assert done.code == 3 and "r4 answers, and takes writes" in words(done), done


# man/pointsman.conf.5 has the same.
ACCOUNT = ("pointsman on >s3cret-7 resetchannels ~pointsman:probe -@all +ping +role +info +client +config "
           "+replicaof +setrange +bgsave +psync")


def test_beside_sentinels_nothing_is_moved(desk):
    """They would take it for an accident and move it back. Taken from them, it goes."""
    r5 = desk.servers["r5"]
    # They never find it dead by themselves: nothing here races with theirs.
    trio = sentinel_trio(desk.procs, desk.servers["r4"], down_ms=600000)
    wait_for("they watch the replica, too",
             lambda: r5.call("CLIENT", "LIST").count("name=sentinel-") >= 3, 30, 0.1)
    done = desk.run("failover", "sessions", "--dry-run")
    assert done.code == 3 and "r4 is watched by Sentinels" in words(done), done
    desk.servers["r4"].kill()
    dead = ("failover", "sessions", "--emergency", "--dead", "r4", "--dry-run")
    done = desk.run(*dead)
    assert done.code == 3 and "r5 is watched by Sentinels" in words(done), done
    assert "SENTINEL REMOVE NAME" in words(done)
    assert desk.active() == "r4" and r5.info("replication")["role"] == "slave"
    for sentinel in trio:
        sentinel.call("SENTINEL", "REMOVE", "mymaster")
    wait_for("they are gone", lambda: desk.run(*dead).code == 0, 30, 0.1)
    assert emergency(desk).code in (0, 1)
    assert desk.active() == "r5" and r5.info("replication")["role"] == "master"


def test_the_account_of_the_manual(procs, consul):
    desk = RedisDesk(procs, consul, {"user": ACCOUNT}, account="s3cret-7")
    done = desk.failover()
    assert done.code == 0 and "not tested" not in words(done), done
    desk.check_settled()
    r5 = desk.servers["r5"]
    r5.freeze()
    assert emergency(desk).code in (0, 1)
    r5.thaw()
    r5.call("SET", "cart", "x")
    done = rejoin(desk)
    assert done.code == 3 and "only on r5: SET cart x" in words(done), done
    assert "s3cret" not in done.out + done.err


def test_a_pair_with_a_password(procs, consul):
    desk = RedisDesk(procs, consul, {"masterauth": "s3cret-8"}, password="s3cret-8")
    done = desk.failover()
    assert done.code == 0 and "s3cret" not in done.out + done.err, done
    desk.check_settled()


# --- undone ----------------------------------------------------------------------------------------------


def stopped_at(desk, match, after=False):
    """A failover that stands before (or behind) its first message with match in it."""
    command = Tripwire(desk.procs, desk.argv(["failover", "sessions", "--plan", desk.plan(), "--yes"]),
                       at=1, match=match, after=after)
    assert command.wait_stopped(), command.end()
    return command


def check_undone(desk, done, writer, began, code=5):
    """r4 is what it was, within the budget, and nothing is lost."""
    assert done.code == code, done
    before = writer.count()
    wait_for("writers going on", lambda: writer.count() > before + 50, 10)
    writer.stop()
    assert writer.longest_gap_s(began) < 5
    assert desk.servers["r4"].call("ROLE")[0] == "master"
    assert writer.lost(desk.servers["r4"]) == []
    assert desk.servers["r4"].call("CONFIG", "GET", "min-replicas-to-write")[1] == "0"


@pytest.mark.parametrize("match", ["PAUSE", "REPLICAOF", "names/sessions"])
def test_a_standby_that_freezes_in_the_middle(desk, match):
    writer = desk.writer()
    command = stopped_at(desk, match)
    began = time.monotonic()
    desk.servers["r5"].freeze()
    command.go_on()
    done = command.end()
    desk.servers["r5"].thaw()
    check_undone(desk, done, writer, began)
    assert desk.active() == "r4"
    desk.check_settled()


def test_a_standby_that_dies_behind_the_flip(desk):
    writer = desk.writer()
    command = stopped_at(desk, "names/sessions", after=True)
    began = time.monotonic()
    desk.servers["r5"].kill()
    command.go_on()
    check_undone(desk, command.end(), writer, began)
    assert desk.active() == "r4"


def test_somebody_flips_by_hand_in_the_middle(desk):
    writer = desk.writer()
    command = stopped_at(desk, "names/sessions")
    began = time.monotonic()
    desk.put("names/sessions", "127.0.0.9")
    command.go_on()
    done = command.end()
    # Both servers are what they were; the name is theirs, and leads to neither.
    assert desk.active() == "127.0.0.9"
    desk.put("names/sessions", "r4")
    check_undone(desk, done, writer, began, code=6)
    assert "somebody made sessions lead to 127.0.0.9" in words(done), done


def test_what_the_old_one_took_meanwhile_is_not_lost(desk):
    """It turned back where Consul did not hear it, and its journal says that r5 was to be promoted. Fails when the
    resume puts r4 out of reach and promotes r5 over what r4 took since."""
    command = stopped_at(desk, announces("promote"), after=True)
    command.kill()
    op, r4 = desk.last()["id"], desk.servers["r4"]
    r4.call("REPLICAOF", "NO", "ONE")
    r4.call("SET", "since", "then")
    done = desk.run("resume", op, "--yes", limit=60)
    assert done.code == 6 and "r4 takes writes again, and r5 may lack them" in words(done), done
    # As it says: back to r4.
    desk.free_lock()
    assert desk.run("set", "sessions", "r4", "--no-wait").code == 0
    assert rejoin(desk).code in (0, 1)
    desk.check_settled()
    assert desk.active() == "r4" and desk.servers["r5"].call("GET", "since") == "then"


def test_a_fenced_old_one_is_let_go_again(desk):
    """Killed when it had fenced an active that was said to be dead. Fails when the journal learns of the fence only
    behind it: then the rollback leaves it, and sessions leads to nobody who takes writes."""
    command = Tripwire(desk.procs, desk.argv(emergency_argv(desk)), at=1, match="OF",
                       after=True)
    assert command.wait_stopped(), command.end()
    command.kill()
    wait_for("the fence", lambda: desk.servers["r4"].call("ROLE")[0] != "master", 5)
    done = desk.run("rollback", desk.last()["id"], "--yes", limit=60)
    assert done.code == 0, done
    assert desk.active() == "r4" and desk.servers["r4"].call("ROLE")[0] == "master", done
    desk.check_settled()


def test_who_is_gone_for_good_leaves_writers_going_on(desk):
    """Killed while they wait: the pause ends by itself."""
    writer = desk.writer()
    command = stopped_at(desk, "PAUSE", after=True)
    began = time.monotonic()
    command.kill()
    before = writer.count()
    wait_for("writers going on", lambda: writer.count() > before + 50, 10)
    writer.stop()
    assert writer.longest_gap_s(began) < 4
    assert desk.run("rollback", desk.last()["id"], "--yes", limit=60).code in (0, 5)
    desk.check_settled()


def test_killed_where_the_fence_does_not_end_by_itself(procs, consul):
    """Before 6.2: what was refused is taken again by whoever takes it up, either way."""
    desk = RedisDesk(procs, consul, OLD)
    r4 = desk.servers["r4"]
    for way, active in (("rollback", "r4"), ("resume", "r5")):
        command = stopped_at(desk, "CONFIG  $3  SET", after=True)
        command.kill()
        time.sleep(0.05)
        with pytest.raises(RedisError, match="NOREPLICAS"):
            r4.call("SET", "k", "v")
        assert desk.run(way, desk.last()["id"], "--yes", limit=60).code == 0
        assert desk.active() == active
        assert r4.call("CONFIG", "GET", "min-replicas-to-write")[1] == "0"
        desk.check_settled()


def test_taken_back_without_the_standby(desk):
    """It is not needed for that: writers do not wait until somebody has mended it."""
    command = stopped_at(desk, "names/sessions")
    command.kill()
    assert desk.servers["r4"].info("replication")["role"] == "slave"
    desk.servers["r5"].kill()
    done = desk.run("rollback", desk.last()["id"], "--yes", limit=60)
    assert done.code == 0 and desk.last()["result"] == "undone", done
    assert desk.servers["r4"].call("SET", "k", "v") == "OK" and desk.active() == "r4"


# --- the active one is dead, and comes back --------------------------------------------------------------


def test_killed_and_started_anew(desk):
    """It has no dump: it comes back empty, and a master by its configuration."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    writer = desk.writer()
    time.sleep(0.5)
    r4.kill()
    alive = desk.run("failover", "sessions", "--dry-run")
    assert alive.code == 3, alive
    done = emergency(desk)
    assert done.code in (0, 1), done
    assert desk.active() == "r5" and r5.info("replication")["role"] == "master"
    before = writer.count()
    wait_for("writers going on", lambda: writer.count() > before + 100, 10)
    r4.start()
    assert r4.info("replication")["role"] == "master"
    done = rejoin(desk)
    assert done.code == 0, done
    writer.stop()
    desk.check_settled()
    lost = writer.lost(r5)
    assert len(lost) <= 8, lost  # what was under way when it died, one a connection
    assert writer.lost(r4) == lost


def test_frozen_and_thawed(desk):
    """It wakes up as the master that it was, with nothing that the other one lacks."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    r4.call("SET", "k", "v")
    wait_for("the replica having it", lambda: r5.call("GET", "k") == "v")
    r4.freeze()
    done = emergency(desk)
    assert done.code in (0, 1), done
    r5.call("SET", "k", "w")
    r4.thaw()
    wait_for("it awake", lambda: r4.call("ROLE")[0] == "master")
    time.sleep(1.5)  # time for a ping to its replica, which is none of anybody's writes
    done = rejoin(desk)
    assert done.code == 0, done
    desk.check_settled()
    assert r4.call("GET", "k") == "w"
    assert int(r5.info("stats")["sync_full"]) == 0  # it got what it missed, not all of it


def test_it_went_on_with_writes_of_its_own(desk):
    """Cut off: its clients write to it and are told that all is well."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    # As a cut would: the replica hears nothing of it any more.
    r5.call("REPLICAOF", r4.address, 1)
    for i in range(30):
        r4.call("SET", "cart:%d" % i, "x" * i)
    done = emergency(desk)
    assert done.code in (0, 1), done
    # The emergency found it, and put it out of reach.
    assert r4.call("ROLE")[0] == "slave" and r4.call("GET", "cart:7") == "xxxxxxx"
    done = rejoin(desk)
    assert done.code == 3 and "r4 is held" in words(done) and "dump.rdb" in words(done), done
    assert os.path.exists(os.path.join(r4.data, "dump.rdb"))
    assert r4.call("GET", "cart:7") == "xxxxxxx" and r4.call("ROLE")[0] == "slave"
    assert r5.call("GET", "cart:7") is None


def test_what_only_the_old_one_has_is_saved(desk):
    """It comes back when nobody expects it, and takes writes."""
    r4, r5 = desk.servers["r4"], desk.servers["r5"]
    r4.call("SET", "k", "v")
    wait_for("the replica having it", lambda: r5.call("GET", "k") == "v")
    r4.freeze()
    assert emergency(desk).code in (0, 1)
    r4.thaw()
    for i in range(30):
        r4.call("SET", "cart:%d" % i, "x" * i)
    done = rejoin(desk)
    assert done.code == 3 and "r4 is held: it has 30 writes that r5 lacks" in words(done), done
    assert "only on r4: SET cart:7 xxxxxxx" in words(done), done
    assert r4.call("ROLE")[0] == "slave" and r4.call("GET", "cart:7") == "xxxxxxx"
    saved = desk.last()["facts"]["errant-file"]
    assert os.stat(saved).st_mode & 0o777 == 0o600
    # The file is what redis-cli --pipe reads.
    client = r5.client()
    with open(saved, "rb") as f:
        client.socket.sendall(f.read())
    assert [client.reply() for _ in range(30)][-1] is not None
    wait_for("all of it", lambda: r5.call("GET", "cart:29") == "x" * 29, 5)
    client.close()
    # A person has decided.
    r4.call("REPLICAOF", r5.address, r5.port)
    r4.wait_linked()
    assert rejoin(desk).code == 0
    desk.check_settled()


def test_more_than_it_remembers(procs, consul):
    """Its backlog is smaller than what it took: then its dump has them, and is named. Fails when what was not read
    counts as read: "it has  writes that r5 lacks, saved in "."""
    desk = RedisDesk(procs, consul, config={"repl-backlog-size": "16384"})
    r4 = desk.servers["r4"]
    r4.freeze()
    assert emergency(desk).code in (0, 1)
    r4.thaw()
    for i in range(30):
        r4.call("SET", "cart:%d" % i, "x" * 2000)
    done = rejoin(desk)
    assert done.code == 3 and "bytes of writes that r5 lacks, saved in" in words(done), done
    assert os.path.join(r4.data, "dump.rdb") in words(done).replace(" ", ""), done
    assert "cannot tell which" in words(done) and r4.call("GET", "cart:7") == "x" * 2000


# --- interrupted, and taken up again ---------------------------------------------------------------------


def planned(desk):
    return ["failover", "sessions", "--plan", desk.plan(), "--yes"]


def killed_at(desk, cell):
    """One cell of the matrix: (message, what was done, outcome); None: it has ended before it came there."""
    before = desk.active()
    desk.api.delete_tree(desk.root + "ops/")
    message = kill_at(desk, planned(desk), cell)
    if message is None:
        return (None,)
    done, op = finish(desk, cell.way)
    desk.free_lock()
    desk.check_settled()
    result = op["result"] if op else "nothing"
    assert (result == "done") == (desk.active() != before), (message, done, result)
    return message, done, result


def test_killed_at_every_message(desk):
    messages = undisturbed(desk, planned(desk))
    assert "CLIENT PAUSE 3000 WRITE" in messages and "REPLICAOF NO ONE" in messages, messages
    desk.check_settled()
    writer, watch = desk.writer(), desk.watch()
    table = Table("planned, Redis")
    for cell in soak(all_cells, some_cells)(messages):
        table.add(cell, *killed_at(desk, cell))
    table.end(("done", "undone"))
    writer.stop()
    watch.stop()
    assert not watch.two
    for server in desk.servers.values():
        assert writer.lost(server) == []
    print("%d acknowledged, none lost" % writer.count())
