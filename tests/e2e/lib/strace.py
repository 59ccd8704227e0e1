"""System calls seen, made to fail, or made deadly, in a process that runs already (strace -p)."""
import os
import re
import shutil

from .proc import Process, wait_for


def find():
    assert shutil.which("strace"), "strace is not installed"
    return "strace"


class Strace(Process):
    """Attached from start() on. trace and inject as strace(1) has them."""

    def __init__(self, procs, pid, trace=None, inject=None, name="strace"):
        self.target = pid
        self.out = os.path.join(procs.dir, "%s-%d.trace" % (name, len(procs.started)))
        argv = [find(), "-qq", "-o", self.out, "-p", pid]
        if trace:
            argv += ["-e", "trace=" + trace]
        if inject:
            argv += ["-e", "inject=" + inject]
        super().__init__(procs, name, argv)

    def start(self):
        super().start()
        wait_for("strace attached to %d" % self.target, self._is_attached, 5)
        return self

    def _is_attached(self):
        with open("/proc/%d/status" % self.target) as f:
            status = f.read()
        # A call that the process was waiting in may have been deadly at once.
        if "State:\tZ" in status:
            return True
        if not self.is_alive():
            raise AssertionError("strace ended: " + self.log()[-500:])
        return "TracerPid:\t%d\n" % self.pid in status

    def detach(self):
        """Ends strace; the process goes on as it was."""
        if self.is_alive():
            self.terminate()

    def calls(self):
        """The calls seen, in order: (name, the rest of the line)."""
        with open(self.out, errors="replace") as f:
            return re.findall(r"^(?:\d+ +)?(\w+)(\(.*)$", f.read(), re.M)
