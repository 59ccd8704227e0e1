"""What an operation is bound to: a second person, the hours that a pair allows, programs of its own before and
behind it, and a plan that is still true when it is carried out."""
import json
import os
import signal
import time

import pytest

from lib.chat import Chat
from lib.cli import check_width
from lib.proc import wait_for

KIM = {"SUDO_USER": "kim", "SUDO_UID": "1005"}


def in_three_days(hours="00:00-01:00"):
    return "%s %s" % (time.strftime("%a", time.localtime(time.time() + 3 * 86400)), hours)


def untouched(chat, done, code):
    assert done.code == code, done
    chat.check("c1")
    assert not os.path.exists(os.path.join(chat.dir, "calls")) or chat.calls() == []


# --- a second person -------------------------------------------------------------------------------------


class Waiting:
    """A failover that waits to be approved."""

    def __init__(self, chat):
        self.chat = chat
        self.command = chat.start(*chat.argv_failover())
        wait_for("an operation", lambda: chat.api.list(chat.root + "ops/"), 10)
        self.id = chat.last()["id"]

    def end(self):
        out, err = self.command.communicate(timeout=30)
        return self.command.returncode, (out + err).decode()


@pytest.fixture
def two(procs, consul):
    return Chat(procs, consul, "approvals = 1")


def test_somebody_else_approves(two):
    waiting = Waiting(two)
    own = two.run("approve", waiting.id)
    assert own.code != 0 and "your own" in own.out + own.err, own
    assert waiting.command.poll() is None and two.running() == ["c1"]
    done = two.run("approve", waiting.id, env=KIM)
    assert done.code == 0 and "approved" in done.out, done
    code, text = waiting.end()
    assert code == 0 and "approved by kim (uid 1005)" in text, text
    assert "pointsman approve " + waiting.id in text
    two.check("c2")
    assert two.last()["approved_by"] == "kim (uid 1005)"
    again = two.run("approve", waiting.id, env=KIM)
    assert again.code != 0 and "has ended: done" in again.out + again.err, again


def test_whoever_waits_may_stop(two):
    waiting = Waiting(two)
    waiting.command.send_signal(signal.SIGINT)
    code, text = waiting.end()
    assert code == 4 and "stopped by the operator" in text and "nothing was changed" in text, text
    assert two.last()["result"] == "undone" and two.get("locks/chat") in (None, b"", "")
    two.check("c1")


def test_what_changed_meanwhile_stops_it(two):
    """The second person says yes to the plan, and cannot know that a hold came since: no agent would serve the
    flip. Fails when the pair is not looked at again."""
    waiting = Waiting(two)
    assert two.run("hold", "--reason", "a deploy").code == 0
    assert two.run("approve", waiting.id, env=KIM).code == 0
    code, text = waiting.end()
    assert code == 3 and "since the plan was made: held" in text, text
    two.check("c1")
    assert not os.path.exists(os.path.join(two.dir, "calls")) or two.calls() == []


def test_one_that_waited_is_not_resumed(two):
    """Its tool died, and it was approved thereafter: nobody would look at the pair again."""
    waiting = Waiting(two)
    waiting.command.kill()
    waiting.command.communicate()
    for _ in range(2):
        done = two.run("resume", waiting.id, "--yes")
        untouched(two, done, 3)
        assert "only waited for its approval" in done.err and "rollback " + waiting.id in done.err, done
        two.run("approve", waiting.id, env=KIM)
    done = two.run("rollback", waiting.id, "--yes", limit=60)
    untouched(two, done, 0)
    assert two.last()["result"] == "undone"


# --- the hours -------------------------------------------------------------------------------------------


def test_outside_its_hours_it_needs_a_reason(procs, consul):
    chat = Chat(procs, consul, 'maintenance-window = {"%s"}' % in_three_days())
    done = chat.failover()
    untouched(chat, done, 3)
    assert "not the time" in done.err and in_three_days()[:9] in done.err and "--outside-window" in done.err, done
    done = chat.run("failover", "chat", "--plan", chat.plan(), "--yes", "--outside-window", "the old one smells")
    assert done.code == 0, done
    chat.check("c2")
    assert chat.last()["facts"]["outside-window"] == "the old one smells"
    assert "the old one smells" in chat.run("history", chat.last()["id"]).out


def test_inside_its_hours_it_does_not(procs, consul):
    chat = Chat(procs, consul, 'maintenance-window = {"Mon-Sun 00:00-24:00"}')
    assert chat.failover().code == 0
    chat.check("c2")


# --- programs before and behind it -----------------------------------------------------------------------


def told(chat, who):
    """What that hook was told, each time."""
    try:
        with open(os.path.join(chat.dir, "told-" + who)) as f:
            return [json.loads(line) for line in f]
    except FileNotFoundError:
        return []


@pytest.fixture
def hooked(procs, consul):
    """Each hook notes what it is told, and fails where a file says so."""
    script = os.path.join(procs.dir, "tell")
    with open(script, "w") as f:
        f.write("""#!/bin/sh
dir=$(dirname "$0")/desk-*; cd $dir || exit 9
cat >>"told-$1"; test -z "$CONSUL_INDEX" && exit 8
test -f "$1-fails" && { echo "the pager is on fire"; exit 1; }
exit 0
""")
    os.chmod(script, 0o755)
    own = " ".join('%s = {"%s", "%s"}' % (key, script, key) for key in ("pre-hook", "post-hook", "failed-hook"))
    blocks = "".join('hook "%s" { on = %s command = {"%s", "%s"} }\n' % (event, event, script, event)
                     for event in ("op-begin", "op-done", "op-failed"))
    return Chat(procs, consul, own, blocks)


def events(chat):
    return {who: [one["event"] for one in told(chat, who)] for who in (
        "pre-hook", "post-hook", "failed-hook", "op-begin", "op-done", "op-failed") if told(chat, who)}


def test_hooks_are_told(hooked):
    done = hooked.failover()
    assert done.code == 0, done
    hooked.check("c2")
    assert events(hooked) == {"pre-hook": ["op-begin"], "op-begin": ["op-begin"],
                              "post-hook": ["op-done"], "op-done": ["op-done"]}
    before, behind = told(hooked, "pre-hook")[0], told(hooked, "op-done")[0]
    assert (before["pair"], before["from"], before["to"]) == ("chat", "c1", "c2"), before
    assert before["id"] == behind["id"] == hooked.last()["id"]


@pytest.mark.parametrize("who", ["pre-hook", "op-begin"])
def test_a_failing_pre_hook_refuses(hooked, who):
    hooked.put_file(who + "-fails")
    done = hooked.failover()
    untouched(hooked, done, 3)
    assert "the pager is on fire" in done.out + done.err, done
    assert hooked.last()["result"] == "undone"
    assert events(hooked)["failed-hook"] == ["op-failed"] and events(hooked)["op-failed"] == ["op-failed"]
    assert "op-done" not in events(hooked)


def test_who_is_undone_is_told(hooked):
    hooked.put_file("c2.start-fails")
    assert hooked.failover().code == 5
    hooked.check("c1")
    assert events(hooked)["failed-hook"] == ["op-failed"] and "post-hook" not in events(hooked)


def test_a_failing_post_hook_is_said(hooked):
    hooked.put_file("post-hook-fails")
    done = hooked.failover()
    assert done.code == 1 and "the pager is on fire" in " ".join(done.out.split()), done
    hooked.check("c2")


# --- a plan that is still true ---------------------------------------------------------------------------


def test_it_waits_for_what_passes(procs, consul):
    chat = Chat(procs, consul)
    chat.agent.freeze()
    chat.put("names/other", "c2")  # a generation that it does not serve
    refused = chat.run("-o", "json", "failover", "chat", "--dry-run")
    assert refused.code == 3 and refused.json["error"]["do"][0].startswith(
        "pointsman drift --agent web-1"), refused
    command = chat.start("failover", "chat", "--rehearse", "--wait", "20s")
    time.sleep(1.5)
    assert command.poll() is None
    chat.agent.thaw()
    out, err = command.communicate(timeout=30)
    assert command.returncode == 0, (out, err)


def test_the_plan_is_looked_at_again_once_its_name_is_typed(procs, consul):
    """Whoever reads it may take an hour. Fails when the first look is carried out."""
    chat = Chat(procs, consul)

    def hold():
        assert chat.run("hold", "chat", "--reason", "a deploy").code == 0
        return "chat\r"
    for seen in ((), ("--plan", chat.plan())):
        done = chat.run_tty("failover", "chat", *seen, typed={"Type": hold}, limit=40)
        untouched(chat, done, 3)
        check_width(done.out)
        assert "held" in done.out, done
        assert chat.run("release", "chat").code == 0

    def move():
        chat.put("names/chat", "c2")
        wait_for("served", lambda: chat.run("drift").code == 0, 10, 0.05)
        return "chat\r"
    done = chat.run_tty("failover", "chat", typed={"Type": move}, limit=40)
    assert done.code == 3, done
    assert chat.running() == ["c1"]
    chat.put("names/chat", "c1")
    wait_for("served", lambda: chat.run("drift").code == 0, 10, 0.05)
    done = chat.run_tty("failover", "chat", typed={"Type": "chat\r"}, limit=40)
    assert done.code == 0, done
    chat.check("c2")
