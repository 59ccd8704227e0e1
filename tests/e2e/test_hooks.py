"""Hooks: a program of ours on each change, with the convention of consul's watch handlers."""
import json
import os
import signal
import time

import pytest

from conftest import Site
from lib.daemon import settle
from lib.proc import wait_for

# Appends what it was given; notes when two run at once; then does what its argument says.
SCRIPT = """#!/bin/sh
mkdir "$1/running" || echo overlap >> "$1/overlap"
printf '%s ' "$CONSUL_INDEX" >> "$1/calls"
cat >> "$1/calls"
echo >> "$1/calls"
eval "$2"
status=$?
rmdir "$1/running"
exit $status
"""


class Hook:
    """One hook's directory, and what was written there."""

    def __init__(self, procs, what="true", on=("change",), timeout="5s"):
        self.dir = os.path.join(procs.dir, "hook-%d" % time.monotonic_ns())
        os.mkdir(self.dir)
        script = os.path.join(self.dir, "script")
        with open(script, "w") as f:
            f.write(SCRIPT)
        os.chmod(script, 0o755)
        self.members = {"on": list(on), "command": [script, self.dir, what], "timeout": timeout}

    def calls(self):
        """[(CONSUL_INDEX, the document)]"""
        try:
            with open(os.path.join(self.dir, "calls")) as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            index, _, text = line.partition(" ")
            if text:
                found.append((int(index), json.loads(text)))
        return found

    def touch(self, name):
        with open(os.path.join(self.dir, name), "w"):
            pass

    def moves(self):
        """{name: the last value that the hook was told}"""
        return {c["name"]: c["to"] for _, d in self.calls() for c in d["changes"]}


def start(procs, consul, **hooks):
    site = Site(procs, consul, hooks={n: h.members for n, h in hooks.items()})
    return site.start()


def test_once_a_change(procs, consul):
    """Called for a changed value, with it and its index; not at start, not when nothing changed."""
    hook = Hook(procs)
    site = start(procs, consul, chat=hook)
    settle(0.5)
    assert hook.calls() == [], "a start is not a change"
    site.flip("name-000")
    wait_for("the hook", hook.calls, 5)
    index, document = hook.calls()[-1]
    assert index == site.generation()
    change = document["changes"][0]
    assert change["name"] == "name-000" and change["to"] == site.names["name-000"]
    assert change["addresses"] == [site.expected()["name-000"]] and document["node"]
    site.api.put(site.key("name-000"), site.names["name-000"])
    site.api.put(site.root + "other", "x")
    # One that is at it when the daemon ends is told again; this one is to have ended.
    wait_for("the hook has ended", lambda: site.daemon.children() == 0, 5)
    site.daemon.terminate()
    site.daemon.start()
    site.daemon.wait_state("served")
    settle(0.5)
    assert len(hook.calls()) == 1, hook.calls()[1:]
    site.check()


def test_never_two_at_once_and_the_last_is_not_lost(procs, consul):
    """A slow hook under a burst: one after the other, every change told, and flips do not wait for it."""
    hook = Hook(procs, "sleep 0.4")
    site = start(procs, consul, slow=hook)
    began = time.monotonic()
    for i in range(12):
        assert site.flip("name-%03d" % i, limit=3) < 1.0, "a flip waited for a hook"
    assert time.monotonic() - began < 8
    expected = {n: site.names[n] for n in list(sorted(site.names))[:12]}
    wait_for("all changes told", lambda: hook.moves().items() >= expected.items(), 10)
    assert not os.path.exists(os.path.join(hook.dir, "overlap"))
    site.check()


def test_one_that_hangs_is_killed(procs, consul):
    """With its children, at its timeout; it is a problem; nobody is left."""
    hook = Hook(procs, "sleep 4712 & sleep 4713", timeout="500ms")
    site = start(procs, consul, hung=hook)
    site.flip("name-000")
    site.daemon.wait_problem("hook.*hung", 10)
    site.flip("name-001")
    site.daemon.terminate()
    assert not [p for p in procs.leftovers() if "sleep 471" in p[1]]
    site.check()


def test_one_that_fails_is_told_again(procs, consul):
    """Exit 1, and 0 the second time: the change is not lost, the problem goes."""
    hook = Hook(procs, "test -e $1/again || { touch $1/again; false; }")
    site = start(procs, consul, picky=hook)
    site.flip("name-000")
    wait_for("told again", lambda: len(hook.calls()) == 2, 10)
    assert hook.calls()[0] == hook.calls()[1]
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check()


def restart(site, how):
    if how == "reloaded":
        site.daemon.signal(signal.SIGHUP)
        wait_for("the reload", lambda: "configuration reloaded" in site.daemon.log(), 10)
        return
    if how == "killed":
        settle(2.5)  # the state is on disk, and with it what was not yet told
        site.daemon.kill()
    else:
        site.daemon.terminate()
    site.daemon.start()


@pytest.mark.parametrize("how", ["reloaded", "ended", "killed"])
def test_what_runs_and_what_waits_is_told_afterwards(procs, consul, how):
    """One event with the hook, one waiting for it: both are told to the hook of the next agent, and no
    third time. Fails when events live in memory alone."""
    hook = Hook(procs, "test -e $1/go || until test -e $1/end; do sleep 0.05; done", timeout="60s")
    site = start(procs, consul, slow=hook)
    site.flip("name-000")
    wait_for("the hook runs", hook.calls, 5)
    site.flip("name-001")
    site.daemon.wait_generation(site.generation())
    settle(0.3)
    hook.touch("go")
    restart(site, how)
    wait_for("told again", lambda: len(hook.calls()) > 1, 5)
    hook.touch("end")  # for the one that a killed agent could not take along
    told = [c["name"] for c in hook.calls()[1][1]["changes"]]
    assert told == ["name-000", "name-001"] and hook.moves()["name-001"] == site.names["name-001"]
    wait_for("it was told to the end", lambda: not os.path.exists(os.path.join(hook.dir, "running")), 5)
    settle(0.3)  # the agent sees it end; before, it would rightly tell it once more
    site.daemon.terminate()
    site.daemon.start()
    site.daemon.wait_state("served")
    settle(0.5)
    assert len(hook.calls()) == 2, hook.calls()[2:]
    site.check()


def test_a_change_is_told_when_it_is_served(procs, consul):
    """Not when it is in the file and dnsmasq does not answer it, nor lost by a restart meanwhile."""
    hook = Hook(procs)
    site = start(procs, consul, chat=hook)
    site.hammer.stop()
    site.dnsmasq.terminate()
    site.api.put(site.key("name-000"), site.node(5))
    site.names["name-000"] = site.node(5)
    site.daemon.wait_generation(site.generation(), state="written")
    settle(0.5)
    site.daemon.terminate()
    site.daemon.start()
    site.daemon.wait_state("written")
    settle(0.5)
    assert hook.calls() == [], "told of what nobody answers"
    site.dnsmasq.start()
    wait_for("told", hook.calls, 40)
    assert hook.moves() == {"name-000": site.node(5)}
    site.check_dns()


def test_one_that_cannot_run(procs, consul):
    """A program that is not there is a problem and nothing more."""
    hook = Hook(procs)
    hook.members["command"] = ["/nowhere/at/all"]
    site = start(procs, consul, gone=hook)
    site.flip("name-000")
    site.daemon.wait_problem("hook.*gone", 10)
    site.flip("name-001")
    site.check()


def test_on_a_problem(procs, consul):
    hook = Hook(procs, on=("problem",))
    site = start(procs, consul, page=hook)
    site.api.put(site.key("name-000"), "db-nowhere")
    wait_for("told of it", lambda: any("name-000" in json.dumps(d) for _, d in hook.calls()), 10)
    site.api.put(site.key("name-000"), site.names["name-000"])
    wait_for("told of its end", lambda: hook.calls()[-1][1]["problems"] == [], 10)
    site.check()
