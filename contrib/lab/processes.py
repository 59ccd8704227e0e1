"""What runs in a lab: processes that outlive the command that started them, recorded in lab.json
with their start time, so that `down` never ends a stranger that got the same pid."""
import os
import signal
import subprocess
import time

START_LIMIT_S = 20


class LabError(Exception):
    """What went wrong, for the person at the terminal."""


def wait_for(what, probe, limit_s=START_LIMIT_S, pause_s=0.05):
    """Asks probe() until it is true; its last exception is part of the complaint."""
    end = time.monotonic() + limit_s
    why = ""
    while time.monotonic() < end:
        try:
            found = probe()
            if found:
                return found
        except (OSError, ValueError) as e:
            why = f" ({e})"
        time.sleep(pause_s)
    raise LabError(f"{what}: not within {limit_s} s{why}")


def start_time(pid):
    """Of a process, in clock ticks since boot; None when it is gone. Field 22 of proc(5) stat."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def is_running(process):
    return start_time(process["pid"]) == process["started"]


def tail(path, lines=5):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "".join("    " + line for line in f.readlines()[-lines:])
    except OSError:
        return ""


def start(name, argv, log, folder, env):
    """A process that belongs to nobody; its record."""
    with open(os.path.join(folder, log), "ab") as out:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                 start_new_session=True, cwd=folder, env=env)
    return child, {"name": name, "pid": child.pid, "started": start_time(child.pid), "log": log}


def end_all(processes, limit_s=10):
    """In the reverse order of their start; TERM, and what is there after that time, KILL."""
    for process in reversed(processes):
        if is_running(process):
            os.kill(process["pid"], signal.SIGTERM)
            os.kill(process["pid"], signal.SIGCONT)
    end = time.monotonic() + limit_s
    for process in processes:
        while is_running(process):
            if time.monotonic() > end:
                os.kill(process["pid"], signal.SIGKILL)
            time.sleep(0.02)
