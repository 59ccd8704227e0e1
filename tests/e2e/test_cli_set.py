"""pointsman set and unset, on Consul and on the embedded KV: what is refused, what is written, what is said."""
import re
import shlex
import signal
import threading
import time

import pytest

from lib.cli import Desk, FakeAgent
from lib.fake import FakeConsul
from lib.proc import wait_for


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    if request.param == "file":
        return Desk(procs.dir).seed()
    return Desk(procs.dir, consul.api, consul.url).seed()


@pytest.fixture
def file_desk(procs):
    """For what is refused before any store is asked to change something."""
    return Desk(procs.dir).seed()


@pytest.fixture
def consul_desk(procs, consul):
    return Desk(procs.dir, consul.api, consul.url).seed()


def repr_id(value):
    """The parameter as a part of a test's name, and so of a directory's."""
    return re.sub(r"[^a-z0-9]+", "_", repr(value))[:20]


def undo_of(text):
    """The command that a screen gives to bring things back."""
    return shlex.split(re.search(r"(?:back again|take it back): pointsman (.*)", text).group(1))


def test_flip(desk):
    done = desk.run("set", "maindb", "db2")
    assert done.code == 0, done
    assert "db1 -> db2" in done.out and "10.0.4.12" in done.out
    assert desk.get("names/maindb") == "db2"
    back = desk.run(*undo_of(done.out))
    assert back.code == 0, back
    assert desk.get("names/maindb") == "db1"


def test_names_and_values_are_lower_cased(desk):
    assert desk.run("set", "MainDB", "DB2").code == 0
    assert desk.get("names/maindb") == "db2"
    assert desk.get("names/MainDB") is None


def test_several_nodes_and_addresses(desk):
    done = desk.run("set", "maindb", "db2, 10.9.9.9,fd00::1,db1")
    assert done.code == 0, done
    assert "10.0.4.12, 10.9.9.9, fd00::1, 10.0.4.11" in re.sub(r"\s+", " ", done.out)
    assert desk.get("names/maindb") == "db2,10.9.9.9,fd00::1,db1"
    shown = desk.run("-o", "json", "names", "maindb").json
    assert [a["address"] for a in shown["addresses"]] == [
        "10.0.4.12", "10.9.9.9", "fd00::1", "10.0.4.11"]


def test_same_value_is_nothing_to_do(desk):
    before = desk.run("-o", "json", "names", "maindb").json["index"]
    done = desk.run("set", "maindb", " DB1 ")
    assert done.code == 0 and "nothing to do" in done.out
    assert desk.run("-o", "json", "names", "maindb").json["index"] == before


def test_new_name(desk):
    done = desk.run("set", "chat", "db3", "--expect", "")
    assert done.code == 0 and "(new)" in done.out, done
    assert desk.get("names/chat") == "db3"
    assert desk.run(*undo_of(done.out), "--yes").code == 0
    assert desk.get("names/chat") is None


def test_a_slip_in_the_name_is_pointed_out(desk):
    done = desk.run("set", "mandb", "db3")
    assert done.code == 0
    assert "mandb is a new name; there is a maindb" in done.out


def test_unknown_node(desk):
    done = desk.run("set", "maindb", "db33")
    assert done.code == 3, done
    assert "db33" in done.err and "did you mean db3?" in done.err
    for word in ("  why  ", "  do   "):
        assert word in done.err
    assert desk.get("names/maindb") == "db1"
    partly = desk.run("set", "maindb", "db2,db33")
    assert partly.code == 3 and desk.get("names/maindb") == "db1"


@pytest.mark.parametrize("name", [
    "", "a..b", "a/b", "../x", "x" * 64, ".pointsman", "a b", "$(reboot)", "\xe4", "a\nb", "-a",
    "x.service.consul"], ids=repr_id)
def test_bad_names(file_desk, name):
    before = file_desk.run("-o", "json", "names").json
    done = file_desk.run("set", "--", name, "db2")
    assert done.code == 3, done
    assert file_desk.run("-o", "json", "names").json == before and len(before) == 2


@pytest.mark.parametrize("value", ["", ",", "db1,", "db1,db1", "a b", "../x", "10.0.0.1:80", "300.0.0.1",
                                   "fe80::1%eth0", "db1\n10.0.0.1 x", "x" * 5000], ids=repr_id)
def test_bad_values(file_desk, value):
    done = file_desk.run("set", "maindb", "--", value)
    assert done.code == 3, done
    assert "  do   " in done.err
    assert file_desk.get("names/maindb") == "db1"


def test_expect(desk):
    done = desk.run("set", "maindb", "db2", "--expect", "db3")
    assert done.code == 3 and "maindb is db1, not db3" in done.err, done
    assert desk.run("set", "maindb", "db2", "--expect", "").code == 3
    assert desk.run("set", "chat", "db2", "--expect", "db1").code == 3
    assert desk.get("names/maindb") == "db1" and desk.get("names/chat") is None
    assert desk.run("set", "maindb", "db2", "--expect", "DB1").code == 0
    assert desk.get("names/maindb") == "db2"


def test_json(desk):
    done = desk.run("-o", "json", "set", "maindb", "db2")
    assert done.code == 0 and done.err == "", done
    assert {k: done.json[k] for k in ("name", "old", "new", "changed")} == {
        "name": "maindb", "old": "db1", "new": "db2", "changed": True}
    assert done.json["generation"] == desk.run("-o", "json", "names", "maindb").json["index"]
    refused = desk.run("set", "maindb", "db33", "-o", "json")
    assert refused.code == 3 and refused.err == "", refused
    assert refused.json["error"]["exit"] == 3 and refused.json["error"]["code"] == "refused"
    assert refused.json["error"]["do"] and refused.json["error"]["why"]


def test_usage(desk):
    for args in (["set"], ["set", "maindb"], ["set", "a", "b", "c"], ["set", "--expct", "x", "a", "b"],
                 ["set", "maindb", "db2", "--timeout", "10"], ["set", "maindb", "db2", "--expect"],
                 ["set", "maindb", "db2", "--no-wait=1"], ["frobnicate"], [], ["-o", "yaml", "names"]):
        done = desk.run(*args)
        assert done.code == 2, (args, done)
        assert "usage: pointsman" in done.err, (args, done)
    assert desk.get("names/maindb") == "db1"
    assert "did you mean status?" in desk.run("statsu").err


# --- unset ---------------------------------------------------------------------------------------------


def test_unset(desk):
    refused = desk.run("unset", "maindb")
    assert refused.code == 3 and "--yes" in refused.err, refused
    assert desk.get("names/maindb") == "db1"
    done = desk.run("unset", "maindb", "--yes")
    assert done.code == 0, done
    assert desk.get("names/maindb") is None
    assert desk.run(*undo_of(done.out)).code == 0
    assert desk.get("names/maindb") == "db1"


def test_unset_unknown(desk):
    done = desk.run("unset", "mandb", "--yes")
    assert done.code == 3 and "did you mean maindb?" in done.err, done


def test_unset_asks(desk):
    stopped = desk.run_tty("unset", "maindb", typed={"anything else stops": "y\r"})
    assert stopped.code == 4 and "nothing was changed" in stopped.out, stopped
    stopped = desk.run_tty("unset", "maindb", interrupt_at="anything else stops")
    assert stopped.code == 4 and "nothing was changed" in stopped.out, stopped
    assert desk.get("names/maindb") == "db1"
    done = desk.run_tty("unset", "maindb", typed={"anything else stops": "maindb\r"})
    assert done.code == 0, done
    assert desk.get("names/maindb") is None


# --- the write ---------------------------------------------------------------------------------------


@pytest.fixture
def lying_desk(procs, consul):
    """A desk whose Consul can be made to lie."""
    with FakeConsul(procs, consul) as fake:
        desk = Desk(procs.dir, consul.api, fake.url).seed()
        desk.fake = fake
        yield desk


def test_somebody_else_was_first(lying_desk):
    desk = lying_desk
    # What the command reads stays as it was while somebody else flips.
    desk.fake.spoil(r"^GET /v1/kv/[^ ]*recurse", "frozen", cut=False)
    assert desk.run("names").code == 0
    desk.put("names/maindb", "db3")
    done = desk.run("set", "maindb", "db2")
    assert done.code == 3 and "somebody else" in done.err, done
    assert desk.get("names/maindb") == "db3"


def test_answer_lost_after_the_commit(lying_desk):
    desk = lying_desk
    desk.fake.spoil(r"^PUT ", "truncate", cut=False, share=0.0)
    done = desk.run("set", "maindb", "db2")
    assert done.code == 0 and "db1 -> db2" in done.out, done
    assert desk.get("names/maindb") == "db2"


def test_error_before_the_commit(lying_desk):
    desk = lying_desk
    desk.fake.spoil(r"^PUT ", "status", cut=False, code=500, body="rpc error: EOF")
    done = desk.run("set", "maindb", "db2")
    assert done.code == 7 and "not committed" in done.err, done
    assert desk.get("names/maindb") == "db1"


def test_nobody_knows(lying_desk):
    desk = lying_desk
    desk.fake.spoil(r"^PUT ", "hang", cut=False)
    before = desk.fake.stats()["spoilt"]
    running = desk.start("set", "maindb", "db2")
    wait_for("the write is parked", lambda: desk.fake.stats()["spoilt"] > before, 5)
    desk.fake.spoil(".", "status", code=500, body="No cluster leader")
    out, err = running.communicate(timeout=30)
    assert running.returncode == 6, (out, err)
    assert b"not known whether" in err and b"  do   " in err


# --- the wait ------------------------------------------------------------------------------------------


def later(seconds, fn, *args):
    timer = threading.Timer(seconds, fn, args)
    timer.start()
    return timer


def wait_flip(desk, before):
    """The generation of the flip that the command makes meanwhile."""
    wait_for("the flip", lambda: desk.api.index(desk.root + "n") > before, 30)
    return desk.api.index(desk.root + "n")


def test_waits_for_all_live_agents(consul_desk):
    desk = consul_desk
    before = desk.index()
    agents = [FakeAgent(desk, "web-%02d" % i, desk.index()) for i in range(3)]
    started = time.monotonic()

    def follow():
        generation = wait_flip(desk, before)
        for agent in agents:
            agent.serve(generation)

    timer = later(0.7, follow)
    done = desk.run("set", "maindb", "db2")
    timer.join()
    assert done.code == 0, done
    found = re.search(r"served by 3 of 3 agents in (\S+)", done.out)
    assert found and time.monotonic() - started > 0.6, done


def test_names_the_stragglers(consul_desk):
    desk = consul_desk
    before = desk.index()
    quick = FakeAgent(desk, "web-01", before)
    FakeAgent(desk, "web-02", before, problems=[{
        "severity": "warning", "what": "dnsmasq was not told", "why": "w", "do": "d"}])
    FakeAgent(desk, "web-03", before, is_alive=False)
    timer = later(0.3, lambda: quick.serve(wait_flip(desk, before)))
    done = desk.run("set", "maindb", "db2", "--timeout", "3s")
    timer.join()
    assert done.code == 1, done
    assert "served by 1 of 2 agents" in done.out
    assert re.search(r"web-02 serves %d: dnsmasq was not told" % before, done.out)
    assert re.search(r"web-03 serves %d: not alive" % before, done.out)
    assert "web-01" not in done.out
    assert desk.get("names/maindb") == "db2"
    again = desk.run("-o", "json", "set", "maindb", "db1", "--timeout", "300ms")
    assert again.code == 1
    assert [s["node"] for s in again.json["acknowledged"]["stragglers"]] == ["web-01", "web-02"]
    assert [s["node"] for s in again.json["acknowledged"]["not_alive"]] == ["web-03"]


def test_the_generation_before_is_not_enough(consul_desk):
    desk = consul_desk
    before = desk.index()
    agent = FakeAgent(desk, "web-01", before)
    timer = later(0.3, lambda: agent.serve(wait_flip(desk, before) - 1))
    done = desk.run("set", "maindb", "db2", "--timeout", "1s")
    timer.join()
    assert done.code == 1 and "served by 0 of 1 agents" in done.out, done


def test_no_agent_alive_is_a_problem(consul_desk):
    desk = consul_desk
    FakeAgent(desk, "web-01", desk.index(), is_alive=False)
    done = desk.run("set", "maindb", "db2")
    assert done.code == 1 and "no agent is alive" in done.out, done


def test_no_wait(consul_desk):
    desk = consul_desk
    FakeAgent(desk, "web-01", desk.index())
    done = desk.run("set", "maindb", "db2", "--no-wait")
    assert done.code == 0 and "served by" not in done.out, done


def test_a_generation_of_another_history_does_not_count(consul_desk):
    """After a restored snapshot an agent may still show an index from before that is far ahead."""
    desk = consul_desk
    FakeAgent(desk, "web-01", 10 ** 9)
    done = desk.run("set", "maindb", "db2", "--timeout", "300ms")
    assert done.code == 1 and "served by 0 of 1 agents" in done.out, done


def test_an_unreadable_record_does_not_count(consul_desk):
    desk = consul_desk
    FakeAgent(desk, "web-01", desk.index()).write("\x1b[2J{not json")
    done = desk.run("set", "maindb", "db2", "--timeout", "300ms")
    assert done.code == 1 and "cannot be read" in done.out, done
    assert "\x1b" not in done.out + done.err


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting(consul_desk, signo):
    desk = consul_desk
    FakeAgent(desk, "web-01", desk.index())
    running = desk.start("set", "maindb", "db2", "--timeout", "20s")
    wait_for("the flip", lambda: desk.get("names/maindb") == "db2")
    time.sleep(0.2)
    running.send_signal(signo)
    started = time.monotonic()
    out, err = (s.decode() for s in running.communicate(timeout=10))
    assert time.monotonic() - started < 2
    assert running.returncode == 1, (out, err)
    assert "IS changed" in err
    assert desk.run(*undo_of(err), "--no-wait").code == 0
    assert desk.get("names/maindb") == "db1"


def test_progress_on_a_terminal(consul_desk):
    desk = consul_desk
    FakeAgent(desk, "web-01", desk.index())
    done = desk.run_tty("set", "maindb", "db2", "--timeout", "1s")
    assert done.code == 1 and re.search(r"agents on \d+  0/1 ", done.out), done
