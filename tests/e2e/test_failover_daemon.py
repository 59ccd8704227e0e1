"""Pairs of daemons, moved by their own start, stop and status commands, on a real Consul with a real agent."""
import os
import select
import signal
import subprocess
import time

import pytest

from lib.chat import SLOW_S, Chat
from lib.cli import clean_env
from lib.proc import wait_for

@pytest.fixture
def chat(procs, consul):
    return Chat(procs, consul)


def test_to_and_fro(chat):
    done = chat.failover()
    assert done.code == 0, done
    chat.check("c2")
    assert chat.calls() == ["stop c1", "start c2"]
    assert chat.last()["result"] == "done"
    assert chat.failover().code == 0
    chat.check("c1")


def test_one_that_does_not_stop(chat):
    chat.put_file("c1.stop-fails")
    done = chat.failover()
    assert done.code == 5, done
    assert "stop of c1" in done.out + done.err and "no such luck" in done.out + done.err
    chat.check("c1")
    assert chat.calls() == ["stop c1"]  # it never stopped: nothing to start


def test_one_that_does_not_start(chat):
    chat.put_file("c2.start-fails")
    done = chat.failover()
    assert done.code == 5, done
    chat.check("c1")
    assert chat.calls() == ["stop c1", "start c2", "stop c2", "start c1"]
    assert chat.last()["result"] == "undone"


def test_a_stop_that_hangs_is_killed(chat):
    chat.put_file("c1.stop-hangs")
    done = chat.failover()
    assert done.code == 5, done
    chat.check("c1")


def test_the_rehearsal_moves_nothing(chat):
    done = chat.run("failover", "chat", "--rehearse")
    assert done.code == 0, done
    chat.check("c1")
    assert not os.path.exists(os.path.join(chat.dir, "calls")) or chat.calls() == []
    chat.put_file("c2.status-hangs")
    assert chat.run("failover", "chat", "--rehearse").code == 3
    assert chat.running() == ["c1"]


def test_it_is_dead(chat):
    chat.remove_file("c1.runs")
    chat.put_file("c1.status-hangs")
    chat.put_file("c1.stop-fails")
    refused = chat.run("failover", "chat", "--emergency", "--dry-run")
    assert refused.code == 3 and "confirmed" in refused.out + refused.err, refused
    done = chat.failover("--emergency", "--dead", "c1")
    assert done.code in (0, 1), done
    chat.check("c2")


def test_what_an_emergency_stopped_is_said_to_stay_so(chat):
    """Nothing starts it again. Fails when "everything is as it was"."""
    chat.put_file("c2.start-fails")
    done = chat.failover("--emergency", "--dead", "c1")
    assert done.code == 5 and chat.running() == [], done
    said = " ".join(done.out.split())
    assert "it stays stopped on c1; all else is as it was: chat = c1" in said, done
    assert "everything is as it was" not in said, done


def test_a_rejoin_stops_nothing_that_runs_nowhere_else(chat):
    chat.put("names/chat", "c2")
    done = chat.run("rejoin", "chat", "--yes", limit=60)
    assert done.code == 3 and "it would run nowhere" in " ".join(done.out.split()), done
    assert chat.running() == ["c1"]


def test_one_that_works_is_not_dead(chat):
    done = chat.run("failover", "chat", "--emergency", "--dry-run")
    assert done.code == 3 and "c1 answers, and works" in done.out + done.err, done


@pytest.mark.parametrize("where", ["stop", "start"])
@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_killed_in_the_middle(chat, where, way):
    """While the command of that step runs: it may end by itself, or never have begun."""
    node = {"stop": "c1", "start": "c2"}[where]
    chat.put_file("%s.%s-hangs" % (node, where))
    command = chat.start(*chat.argv_failover())
    wait_for("the command being run", lambda: os.path.exists(os.path.join(chat.dir, "calls")) and
             "%s %s" % (where, node) in chat.calls(), 10)
    command.send_signal(signal.SIGKILL)
    command.communicate()
    chat.remove_file("%s.%s-hangs" % (node, where))
    done = chat.run(way, chat.last()["id"], "--yes", limit=60)
    assert done.code in (0, 5), done
    chat.check("c2" if way == "resume" else "c1")
    assert chat.last()["result"] == ("done" if way == "resume" else "undone")


@pytest.mark.parametrize("where,node", [("stop", "c1"), ("start", "c2")])
def test_a_command_does_not_outlive_its_operation(chat, where, node):
    """What it had still to do would be done behind the way back."""
    chat.put_file("%s.%s-slow" % (node, where))
    command = chat.start(*chat.argv_failover())
    wait_for("the command being run", lambda: os.path.exists(os.path.join(chat.dir, "calls")) and
             "%s %s" % (where, node) in chat.calls(), 10)
    command.kill()
    command.communicate()
    begun = time.monotonic()
    chat.remove_file("%s.%s-slow" % (node, where))
    done = chat.run("rollback", chat.last()["id"], "--yes", limit=60)
    assert done.code == 0, done
    chat.check("c1")
    time.sleep(max(0, begun + SLOW_S + 0.5 - time.monotonic()))
    chat.check("c1")


def test_writes_were_refused_until_it_was_resumed(chat):
    """Not only for as long as the second process took."""
    chat.put_file("c2.start-hangs")
    command = chat.start(*chat.argv_failover())
    wait_for("the command being run", lambda: os.path.exists(os.path.join(chat.dir, "calls")) and
             "start c2" in chat.calls(), 10)
    command.kill()
    command.communicate()
    chat.remove_file("c2.start-hangs")
    time.sleep(1.5)
    assert chat.run("resume", chat.last()["id"], "--yes", limit=60).code == 0
    assert chat.last()["refused_ms"] > 1500, chat.last()


def test_it_lives_as_somebody_else(chat):
    """Who may not signal the one at work has not found it dead."""
    chat.put_file("c1.stop-hangs")
    command = chat.start(*chat.argv_failover())
    wait_for("the command being run", lambda: os.path.exists(os.path.join(chat.dir, "calls")) and
             "stop c1" in chat.calls(), 10)
    stranger = subprocess.Popen(["setpriv", "--reuid=65534", "--clear-groups"] +
                                chat.argv(["resume", chat.last()["id"], "--yes"]), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_env())
    line = stranger.stdout.readline().decode()
    assert "waiting for the lock, at most 3" in line, line
    stranger.send_signal(signal.SIGINT)
    stranger.communicate(timeout=10)
    command.communicate(timeout=30)
    assert command.returncode == 5
    chat.check("c1")


def test_whoever_takes_it_up_is_told_that_it_waits(chat):
    """The one at work lives: nobody can say yet that it will not go on."""
    chat.put_file("c1.stop-hangs")
    command = chat.start(*chat.argv_failover())
    wait_for("the command being run", lambda: "stop c1" in chat.calls(), 10)
    second = chat.start("resume", chat.last()["id"], "--yes")
    assert select.select([second.stdout], [], [], 2)[0], "it says nothing"
    line = second.stdout.readline().decode()
    assert "waiting for the lock, at most 3" in line, line
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=10)
    assert second.returncode == 4 and b"nothing was changed" in err, (out, err)
    command.communicate(timeout=30)
    assert command.returncode == 5
    chat.check("c1")
