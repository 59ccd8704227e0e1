"""A command that stops at a point of our choice (tests/proof/tripwire.c), and who holds it there."""
import errno
import os
import re
import signal
import subprocess

from .cli import Result, clean_env
from .daemon import build_dir
from .proc import Timeout, tied, wait_for

LIBRARY = os.path.join(build_dir(), "tests", "proof", "tripwire.so")


def announces(step):
    """In the line of the journal entry that comes before the act of that step."""
    return '"name":"%s","state":"begun"' % step


class Tripwire:
    """One run. at: the number of the message, among those with match in them; 0: it is never stopped."""

    _count = 0

    def __init__(self, procs, argv, at=0, after=False, match=None):
        Tripwire._count += 1
        self.procs = procs
        base = os.path.join(procs.dir, "tripwire-%d" % Tripwire._count)
        self.log_path, self.fifo = base + ".messages", base + ".fifo"
        os.mkfifo(self.fifo)
        env = {"LD_PRELOAD": LIBRARY, "TRIPWIRE_LOG": self.log_path, "TRIPWIRE_AT": str(at),
               "TRIPWIRE_FIFO": self.fifo,
               # A sanitizer wants to be the first that is loaded, and need not be.
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        if after:
            env["TRIPWIRE_AFTER"] = "1"
        if match:
            env["TRIPWIRE_MATCH"] = match
        self.popen = subprocess.Popen(tied(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=clean_env(env), start_new_session=True)
        procs.started.append(self.popen)
        self.held = None

    def wait_stopped(self, limit=30.0):
        """Whether it came to the point; False: it has ended before."""
        def has_come():
            try:
                # Without waiting: fails as long as nobody has it open for reading.
                self.held = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
                return True
            except OSError as e:
                if e.errno != errno.ENXIO:
                    raise
            return self.popen.poll() is not None
        wait_for("the command comes to its point", has_come, limit, 0.002)
        return self.held is not None

    def go_on(self):
        os.write(self.held, b".")
        self._let_go()

    def kill(self):
        self.popen.send_signal(signal.SIGKILL)
        self.popen.communicate()
        self._let_go()

    def _let_go(self):
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def end(self, limit=60.0):
        """Its result."""
        try:
            out, err = self.popen.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise Timeout("no end within %.0f s: %s" % (limit, self.popen.communicate()))
        self._let_go()
        return Result(self.popen.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    def messages(self):
        """The messages that change something, in their order, each a line of text."""
        try:
            with open(self.log_path, errors="replace") as f:
                return [re.sub(r"^\d+ ", "", line.rstrip("\n")) for line in f]
        except FileNotFoundError:
            return []
