"""An operation whose tool is killed at a message of our choice (lib/tripwire.py), or whose servers die or hang there:
what the messages are, how what is left is ended by resume or rollback, and the table of what became of each point."""
import collections
import re
import time

from .proc import wait_for
from .tripwire import Tripwire, announces

WAYS = ("resume", "rollback")
Cell = collections.namedtuple("Cell", "at after way")


def named(message):
    """What a message is, in a few words."""
    step = re.findall(r'"name":"([\w-]+)","state":"(?:begun|failed)"', message)
    ended = re.findall(r'"result":"(done|undone|failed)"', message)
    for pattern, words in (
            (r"^PUT /v1/session/create", "session"), (r"^PUT /v1/session/renew", "renewal"),
            (r"^PUT /v1/session/destroy", "end of session"), (r"^PUT /v1/kv/.*locks/", "lock"),
            (r"^PUT /v1/txn.*names/", "txn: the flip"),
            (r"^PUT /v1/txn.*ops/", "journal: " + (ended + step + ["it exists"])[0]),
            (r"^PUT /v1/txn.*delete", "release"), (r"^PUT /v1/txn.*locks/", "lock"),
            (r"^(PUT|DELETE) (\S+)", None), (r"^(\w+( \w+)?( \w+)?)", None)):
        found = re.search(pattern, message)
        if found:
            return words or found.group(0)[:40]
    return " ".join(w for w in message.split() if w[0] not in "*$")[:40]  # Redis'


def undisturbed(desk, args, codes=(0,)):
    """The messages of a run that nobody disturbs."""
    command = Tripwire(desk.procs, desk.argv(args))
    assert not command.wait_stopped()
    done = command.end()
    assert done.code in codes, done
    return [named(m) for m in command.messages()]


def all_cells(messages):
    """Each point on both sides, with resume and with rollback. What comes before the lock is the preflight."""
    return [Cell(at, after, way) for at in range(messages.index("lock") + 1, len(messages) + 1)
            for after in (False, True) for way in WAYS]


def some_cells(messages, every=2):
    """Every so many points once, on alternating sides and ways."""
    return [Cell(at, k // 2 % 2 == 0, WAYS[k % 2])
            for k, at in enumerate(range(messages.index("lock") + 1, len(messages) + 1, every))]


def kill_at(desk, args, cell, codes=(0,)):
    """The message at which it was killed, in words; None: it has ended before it came there."""
    command = Tripwire(desk.procs, desk.argv(args), at=cell.at, after=cell.after)
    if not command.wait_stopped():
        done = command.end()
        assert done.code in codes, done
        return None
    command.kill()
    if cell.after:
        time.sleep(0.005)  # whoever was told carries it out
    return named(command.messages()[-1])


def finish(desk, way, kind=None):
    """After a kill: resume or rollback until it is one or the other. (what was done, in words; its journal,
    None: there is none). kind: the newest of that kind is it."""
    op, words = desk.operation(kind), []
    while op is not None and op["result"] not in ("done", "undone"):
        assert len(words) < 2, (words, op)
        done = desk.run(way, op["id"], "--yes", limit=90)
        words.append("%s %d" % (way, done.code))
        assert done.code in (0, 1, 3, 5), (words, done)
        # Behind the point of no return there is only forward, and of what is being taken back only back.
        way = WAYS[way == "resume"]
        op = desk.operation(kind)
    return ", ".join(words) or "-", op


# --- a server dies or hangs ------------------------------------------------------------------------------


FREE_S = 5.5  # the budget of 3 s, and what a busy machine takes


def freeze(process):
    process.freeze()
    return process.thaw


def kill(process):
    process.kill()
    return process.start


ACTIONS = {"freeze": freeze, "kill": kill}


def before_act(step):
    """Where a step that acts is held: its journal entry, before it leaves."""
    return {"at": 1, "match": announces(step)}


def disturb(desk, args, where, what, process, look=lambda: None):
    """That happens to the process when the command comes to that message, until the command has ended, or FREE_S
    are over: (its result, what look() saw then, seconds, messages). None: it did not come there."""
    command = Tripwire(desk.procs, desk.argv(args), **where)
    if not command.wait_stopped():
        print("never came to %s: %s" % (where, command.end()))
        return None
    mend = ACTIONS[what](process)
    began = time.monotonic()
    command.go_on()
    try:
        wait_for("it ends, or the writers are free", lambda: command.popen.poll() is not None
                 or time.monotonic() > began + FREE_S, 60, 0.05)
        seen = look()
    finally:
        mend()
        desk.api.close()
    return command.end(120), seen, time.monotonic() - began, command.messages()


class Table:
    """Of the cells, printed as they come."""

    def __init__(self, title):
        self.title, self.outcomes, self.missed, self.points = title, [], 0, set()
        print("\n%-20s %5s %-7s %-28s %-24s %s" % (title, "point", "killed", "message", "then", "outcome"))

    def add(self, cell, message, words="", outcome=""):
        if message is None:
            self.missed += 1
            return
        self.points.add(cell.at)
        self.outcomes.append(outcome)
        print("%-20s %5d %-7s %-28s %-24s %s" % (
            self.title, cell.at, "after" if cell.after else "before", message, words, outcome), flush=True)

    def end(self, wanted=()):
        """Each of the outcomes that are wanted came about. Sessions are ended and renewed when it comes to
        that: not each run has as many messages."""
        print("%s: %d points, %d cells, %d never reached; outcomes %s" % (
            self.title, len(self.points), len(self.outcomes), self.missed,
            dict(collections.Counter(self.outcomes))), flush=True)
        assert self.missed <= max(2, len(self.outcomes) // 5)
        assert set(self.outcomes) >= set(wanted)
