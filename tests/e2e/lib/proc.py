"""Processes that never outlive the test that started them.

Every process gets its own process group, dies with its parent (PDEATHSIG) and carries the mark of its
Procs in its environment, which its children inherit: so whatever is left over is found, wherever it
went, and reported instead of being hidden.
"""
import glob
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import time

MARK = "POINTSMAN_E2E"
LEAVING_S = 1.0


class Timeout(AssertionError):
    """A wait that reached its limit."""


def wait_for(what, condition, limit=10.0, interval=0.01):
    """Calls condition until it returns something true; that is returned."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout("not within %.1f s: %s" % (limit, what))
        time.sleep(interval)


_chance = random.Random(os.getpid() ^ time.time_ns())

# Ports below the ephemeral range, so that no client takes one meanwhile; each of the workers beside each
# other has some of its own. One that was given to two, free as it was until both listened, made a test read
# the status of somebody else's agent.
_PORTS, _SHARES = range(10000, 32000), 10
_share = _PORTS[int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or _SHARES - 1) % _SHARES::_SHARES]
_next_port = itertools.count(_chance.randrange(len(_share)))


def loopback_net():
    """Three bytes of a network below 127.0.0.0/8 that is ours, "127.77.12."."""
    return "127.%d.%d." % (_chance.randint(16, 250), _chance.randint(1, 254))


def free_port(address="127.0.0.1"):
    """A port free for TCP and UDP, and given to nobody else before all of our share have had their turn."""
    for _ in _share:
        port = _share[next(_next_port) % len(_share)]
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind((address, port))
            return port
        except OSError:
            continue
    raise RuntimeError("no free port on " + address)


def tied(argv):
    """For Popen with start_new_session: a command that ends when we end. Not by preexec_fn, because then Python
    forks, which copies the tables of all its memory: five times the time of a start."""
    return ["setpriv", "--pdeathsig", "KILL", "--"] + argv


class Process:
    """One program with a log file. Started again at will; every start is a new pid."""

    def __init__(self, procs, name, argv, env=None, stdin=None, stdout=None):
        self.procs = procs
        self.name = name
        self.argv = [str(a) for a in argv]
        self.env = env or {}
        self.log_path = os.path.join(procs.dir, name + ".log")
        self.stdin, self.stdout = stdin, stdout
        self.popen = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = self.procs.spawn(self, log)
        return self

    @property
    def pid(self):
        return self.popen.pid

    def is_alive(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, signo):
        self.popen.send_signal(signo)

    def wait(self, limit=10.0):
        try:
            return self.popen.wait(limit)
        except subprocess.TimeoutExpired:
            raise Timeout("%s did not end within %.1f s\n%s" % (self.name, limit, self.log()))

    def kill(self):
        if self.is_alive():
            # A stopped process dies of SIGKILL too.
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def terminate(self, limit=10.0):
        if self.is_alive():
            self.signal(signal.SIGTERM)
        return self.wait(limit)

    def freeze(self):
        """Returns when all threads stand: until then one of them may still answer."""
        self.signal(signal.SIGSTOP)
        wait_for("all threads stand", self._is_frozen, 5)

    def _is_frozen(self):
        states = []
        for stat in glob.glob("/proc/%d/task/*/stat" % self.popen.pid):
            try:
                with open(stat) as f:
                    states.append(f.read().rpartition(")")[2].split()[0])
            except OSError:
                continue  # a thread that ended
        return all(state == "T" for state in states)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    # What /proc knows, for the tests that watch a process grow.

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def children(self):
        with open("/proc/%d/task/%d/children" % (self.pid, self.pid)) as f:
            return len(f.read().split())

    def status_kb(self, field):
        """VmRSS, RssAnon … in kB."""
        with open("/proc/%d/status" % self.pid) as f:
            return int(re.search(r"^%s:\s+(\d+) kB" % field, f.read(), re.M).group(1))

    def cpu_seconds(self):
        """The time on a CPU of all threads, to the nanosecond (utime in stat counts in ticks of 10 ms)."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.pid):
            with open("/proc/%d/task/%s/schedstat" % (self.pid, task)) as f:
                total += int(f.read().split()[0])
        return total / 1e9


class Procs:
    """All processes of one test (or of one session), and their directory."""

    _count = 0

    def __init__(self, directory):
        Procs._count += 1
        self.dir = directory
        self.mark = "%d-%d" % (os.getpid(), Procs._count)
        self.started = []
        self.closers = []

    def spawn(self, process, log):
        env = dict(os.environ, **process.env)
        env[MARK] = self.mark
        popen = subprocess.Popen(
            tied(process.argv), stdin=process.stdin or subprocess.DEVNULL, stdout=process.stdout or log,
            stderr=log, env=env, start_new_session=True)
        self.started.append(popen)
        return popen

    def at_close(self, fn):
        self.closers.append(fn)

    def leftovers(self, pids=None):
        """pid and command line of every process that carries our mark, but for those in pids."""
        found = []
        wanted = ("%s=%s" % (MARK, self.mark)).encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or (pids and int(entry) in pids):
                continue
            try:
                with open("/proc/%s/environ" % entry, "rb") as f:
                    if wanted not in f.read().split(b"\0"):
                        continue
                with open("/proc/%s/cmdline" % entry, "rb") as f:
                    command = f.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if command:  # a zombie that waits to be reaped has none
                found.append((int(entry), command))
        return found

    def close(self):
        """Ends everything. Returns what was left that nobody had started through us."""
        for fn in reversed(self.closers):
            fn()
        self.closers = []
        groups = {p.pid for p in self.started}
        for p in self.started:
            if p.poll() is None:
                try:
                    os.killpg(p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for p in self.started:
            p.wait()
        left = self._leftovers_for(groups, LEAVING_S)
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._leftovers_for(groups, LEAVING_S)
        self.started = []
        return left

    def _leftovers_for(self, groups, limit):
        """Who is still there after a moment to leave by itself, as a child of who just ended may."""
        end = time.monotonic() + limit
        while True:
            left = self.leftovers(groups)
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)
