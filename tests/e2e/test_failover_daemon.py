"""Pairs of daemons, moved by their own start, stop and status commands: a program that runs where a file of
the node's name lies, on a real Consul with a real agent."""
import json
import os
import signal
import stat

import pytest

from lib.cli import Desk
from lib.daemon import Pointsmand
from lib.proc import wait_for

# An init script that may be told to fail, to hang, or to come up without doing its work; each call is noted.
SCRIPT = """#!/bin/sh
# chat VERB NODE ADDRESS
cd "$(dirname "$0")" || exit 9
echo "$1 $2" >>calls
test -f "$2.$1-hangs" && sleep 60
test -f "$2.$1-fails" && { echo "no such luck"; exit 1; }
case $1 in
status)	if test -f "$2.runs"; then echo "chat runs at $3"; exit 0; fi
	echo "chat is inactive"; exit 3 ;;
start)	test -f "$2.broken" || : >"$2.runs" ;;
stop)	rm -f "$2.runs" ;;
esac
"""


class Chat(Desk):
    """A pair "chat" of c1 (active) and c2."""

    def __init__(self, procs, consul, extra=""):
        super().__init__(procs.dir, consul.api, consul.url)
        self.script = os.path.join(self.dir, "chat")
        with open(self.script, "w") as f:
            f.write(SCRIPT)
        os.chmod(self.script, os.stat(self.script).st_mode | stat.S_IXUSR)
        commands = " ".join('%s = {"%s", "%s", "{node}", "{address}"}' % (verb, self.script, verb)
                            for verb in ("status", "start", "stop"))
        self.write_config('pair "chat" { kind = daemon nodes = {"c1", "c2"} timeout = "2s" '
                          'command-timeout = "3s" %s %s }\n' % (commands, extra))
        self.put_file("c1.runs")
        self.seed(names={"chat": "c1"}, nodes={"c1": "127.0.0.1", "c2": "127.0.0.2"})
        self.agent = Pointsmand(procs, consul.url, self.root, name="web-1").start()
        wait_for("a pair that can fail over, and an agent that serves",
                 lambda: self.run("failover", "chat", "--dry-run").code == 0, 20, 0.05)

    def put_file(self, name):
        with open(os.path.join(self.dir, name), "w"):
            pass

    def remove_file(self, name):
        os.remove(os.path.join(self.dir, name))

    def running(self):
        return [node for node in ("c1", "c2") if os.path.exists(os.path.join(self.dir, node + ".runs"))]

    def calls(self):
        """Those that change something, in their order."""
        with open(os.path.join(self.dir, "calls")) as f:
            return [line.strip() for line in f if not line.startswith("status")]

    def plan(self, *args):
        done = self.run("-o", "json", "failover", "chat", "--dry-run", *args)
        assert done.code == 0, done
        return done.json["plan"]

    def argv_failover(self, *args):
        return ["failover", "chat", "--plan", self.plan(*args), "--yes", *args]

    def failover(self, *args):
        return self.run(*self.argv_failover(*args), limit=60)

    def last(self):
        found = self.api.list(self.root + "ops/")
        return json.loads(found[max(found)])

    def check(self, node):
        """It runs there and nowhere else, and the name says so."""
        assert (self.running(), self.get("names/chat")) == ([node], node)


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
