"""Operations of a pair of daemons in which Consul dies or hangs at a step, or a command fails or hangs in the middle:
it runs where the journal says, the name leads there, and at no instant did it run on both."""
import signal
import time

import pytest

from conftest import soak
from lib.chat import Chat
from lib.consul import Consul
from lib.crash import ACTIONS, before_act, disturb, finish
from lib.tripwire import Tripwire

STEPS = {"stop": before_act("stop"), "start": before_act("start"), "flip": {"at": 1, "match": "names/chat"}}
HOOKS = 'pre-hook = {"/bin/true"} post-hook = {"/bin/true"}'
CELLS = [(emergency, step, what) for emergency in (False, True) for step in STEPS for what in ACTIONS]


@pytest.fixture(scope="module")
def own_consul(module_procs):
    """It is killed here."""
    return Consul(module_procs).start()


@pytest.fixture(scope="module")
def chat(module_procs, own_consul):
    return Chat(module_procs, own_consul, HOOKS)


@pytest.fixture
def watch(chat):
    watch = chat.watch()
    yield watch
    watch.stop()
    assert not watch.both and watch.count > 100


@pytest.mark.parametrize("emergency,step,what", soak(CELLS, [(False, "flip", "kill")]))
def test_consul_dies_or_hangs(chat, own_consul, watch, emergency, step, what):
    chat.api.delete_tree(chat.root + "ops/")
    old, new = chat.get("names/chat"), chat.standby()
    args = ()
    if emergency:
        chat.remove_file(old + ".runs")
        args = ("--emergency", "--dead", old)
    done, _, took, _ = disturb(chat, chat.argv_failover(*args), STEPS[step], what, own_consul)
    own_consul.ensure()
    words, op = finish(chat, "resume")
    chat.free_lock()
    result = op["result"] if op else "nothing"
    print("%-9s %-6s %-6s %4.1f s, exit %d, %s: %s" % (
        "emergency" if emergency else "failover", step, what, took, done.code, words, result))
    if emergency and result != "done":
        assert (chat.running(), chat.get("names/chat")) == ([], old)
        assert chat.failover(*args).code == 0
        result = "done"
    chat.check(new if result == "done" else old)


# A file that is put when it comes to the start, whether somebody stops it 3 s later (its limit are 5 min), and how
# it ends then. Who does not know whether the new one runs does not start the old one again.
FAULTS = {"a start that hangs": ("{new}.start-hangs", False, 5), "a start that fails": ("{new}.start-fails", False, 5),
          "one that comes up and does nothing": ("{new}.broken", True, 5),
          "the old one's status hangs": ("{old}.status-hangs", False, 0),
          "the new one's status hangs": ("{new}.status-hangs", True, 6)}


@pytest.mark.parametrize("fault", soak(sorted(FAULTS), ["one that comes up and does nothing"]))
def test_a_command_fails_or_hangs(chat, watch, fault):
    """Taken back, as far as that can be done before it is mended."""
    chat.api.delete_tree(chat.root + "ops/")
    old, new = chat.get("names/chat"), chat.standby()
    name, is_stopped, code = FAULTS[fault]
    name = name.format(old=old, new=new)
    command = Tripwire(chat.procs, chat.argv(chat.argv_failover()), **STEPS["start"])
    assert command.wait_stopped(), command.end()
    chat.put_file(name)
    try:
        command.go_on()
        if is_stopped:
            time.sleep(3)
            command.popen.send_signal(signal.SIGINT)
        done = command.end(200)
    finally:
        chat.remove_file(name)
    assert done.code == code, done
    if code == 6:
        assert chat.running() != [old] and chat.get("names/chat") == old
    words, op = finish(chat, "resume")
    print("%s: exit %d, %s: %s" % (fault, done.code, words, op["result"]))
    chat.check(new if code == 0 else old)
