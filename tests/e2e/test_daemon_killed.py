"""A pair of daemons, its operations killed at every message that changes something, just before it leaves and just
after: after resume or rollback it runs where the journal says, the name leads there, and at no instant did it run
on both."""
import pytest

from conftest import soak
from lib.chat import Chat
from lib.crash import Cell, Table, all_cells, finish, kill_at, some_cells, undisturbed

REJOIN = ["rejoin", "chat", "--yes"]


@pytest.fixture(scope="module")
def chat(module_procs, consul):
    return Chat(module_procs, consul)


class Case:
    """One operation, from whichever runs it to the other one."""

    kind, codes = "failover", (0,)

    def __init__(self, chat):
        self.chat = chat
        chat.api.delete_tree(chat.root + "ops/")
        self.old, self.new = chat.get("names/chat"), chat.standby()
        self.prepare()

    def prepare(self):
        pass

    def argv(self):
        return self.chat.argv_failover()

    def check(self, result):
        self.chat.check(self.new if result == "done" else self.old)

    def end(self, result):
        """Whatever it was, the next one begins from there."""


class Emergency(Case):
    kind = "emergency"

    def prepare(self):
        self.chat.remove_file(self.old + ".runs")

    def argv(self):
        return self.chat.argv_failover("--emergency", "--dead", self.old)

    def check(self, result):
        if result == "done":
            self.chat.check(self.new)
        else:
            assert (self.chat.running(), self.chat.get("names/chat")) == ([], self.old)

    def end(self, result):
        if result != "done":
            done = self.chat.run(*self.argv())
            assert done.code == 0, done
        self.check("done")


class Rejoin(Case):
    """The one that comes back runs, as it did when it died."""

    kind = "rejoin"

    def prepare(self):
        self.chat.put_file(self.new + ".runs")

    def argv(self):
        return REJOIN

    def check(self, result):
        if result == "done":
            self.chat.check(self.old)
        else:
            # What was stopped stays so: it runs where the name leads, in any case.
            assert self.old in self.chat.running() and self.chat.get("names/chat") == self.old

    def end(self, result):
        if result != "done":
            done = self.chat.run(*REJOIN)
            assert done.code == 0, done
        self.check("done")


def few_cells(messages):
    """And where one would run on both, if the old one were started first."""
    flip = [Cell(at, False, "rollback") for at, m in enumerate(messages, 1) if m == "txn: the flip"]
    return some_cells(messages, 2) + flip


@pytest.mark.parametrize("case", [Case, Emergency, Rejoin])
def test_killed_at_every_message(chat, case):
    watch = chat.watch()
    first = case(chat)
    messages = undisturbed(chat, first.argv())
    first.check("done")
    print("\nmessages: %s" % ", ".join("%d %s" % (i + 1, m) for i, m in enumerate(messages)))
    table = Table(case.kind + ", daemon")
    for cell in soak(all_cells, few_cells)(messages):
        one = case(chat)
        message, words, result = kill_at(chat, one.argv(), cell), "", "done"
        if message is not None:
            words, op = finish(chat, cell.way)
            chat.free_lock()
            result = op["result"] if op else "nothing"
        one.check(result)
        assert chat.lock_session() is None
        one.end(result)
        table.add(cell, message, words, result)
    table.end(("done", "undone"))
    watch.stop()
    print("looked %d times whether it runs on both" % watch.count)
    assert case is Rejoin or not watch.both
