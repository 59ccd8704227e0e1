"""A pair of daemons: what its status command says, where it must run, and where it must not."""
import os
import stat

import pytest

from lib.proc import wait_for
from lib.vantage import Vantage, seed

STATUS = """#!/bin/sh
# status NODE ADDRESS: as an init script; runs where a file of the node's name lies
test -f "$(dirname "$0")/$1.hangs" && sleep 60
if test -f "$(dirname "$0")/$1.runs"; then echo "chat runs at $2"; exit 0; fi
echo "chat is inactive"; exit 3
"""


_count = [0]


class Chat:
    def __init__(self, procs, consul):
        self.dir = os.path.join(procs.dir, "chat")
        os.makedirs(self.dir)
        self.status = os.path.join(self.dir, "status")
        with open(self.status, "w") as f:
            f.write(STATUS)
        os.chmod(self.status, os.stat(self.status).st_mode | stat.S_IXUSR)
        self.put("c1.runs")
        _count[0] += 1
        self.root = "chat%d/" % _count[0]
        self.api = consul.api
        seed(consul.api, self.root, nodes={"c1": "10.0.0.1", "c2": "10.0.0.2"}, names={"chat": "c1"})
        command = [self.status, "{node}", "{address}"]
        self.vantage = Vantage(procs, consul.url, self.root, pairs={"chat": {
            "kind": "daemon", "nodes": ["c1", "c2"], "status": command,
            "start": ["/bin/false"], "stop": ["/bin/false"]}}).start()

    def put(self, name):
        with open(os.path.join(self.dir, name), "w"):
            pass

    def remove(self, name):
        os.unlink(os.path.join(self.dir, name))

    def wait_trouble(self, trouble):
        wait_for("trouble %s" % trouble, lambda: self.vantage.pair("chat")["trouble"] == trouble, 15,
                 0.05)
        return self.vantage.pair("chat")


@pytest.fixture
def chat(procs, consul):
    chat = Chat(procs, consul)
    chat.vantage.wait_known()
    chat.wait_trouble("fine")
    return chat


def test_it_runs_where_the_name_points(chat):
    assert chat.vantage.own("chat/c1")["output"] == "chat runs at 10.0.0.1"
    assert chat.vantage.own("chat/c2")["class"] == "ok"
    assert not chat.vantage.pair("chat")["proposed"]


def test_it_runs_nowhere_and_a_failover_is_proposed(chat):
    chat.remove("c1.runs")
    pair = chat.wait_trouble("no-writer")
    assert "runs nowhere" in pair["text"]
    wait_for("a proposal", lambda: chat.vantage.pair("chat")["proposal"], 15, 0.05)
    assert chat.vantage.own("chat/c1")["class"] == "stopped"
    chat.put("c1.runs")
    chat.wait_trouble("fine")
    wait_for("withdrawn", lambda: not chat.vantage.pair("chat")["proposal"], 15, 0.05)


def test_it_runs_twice(chat):
    chat.put("c2.runs")
    pair = chat.wait_trouble("two-writers")
    assert "both run it" in pair["text"] and pair["level"] == "critical"
    wait_for("role", lambda: chat.vantage.own("chat/c2")["class"] == "role", 10, 0.05)
    assert not chat.vantage.pair("chat")["proposal"]


def test_a_status_that_hangs_is_a_timeout(chat):
    chat.put("c1.hangs")
    wait_for("timeout", lambda: chat.vantage.own("chat/c1")["state"] == "failing", 15, 0.05)
    assert chat.vantage.own("chat/c1")["class"] == "timeout"
    assert chat.wait_trouble("active-down")["proposed"]
