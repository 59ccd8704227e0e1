"""checks/: the plugins for custom daemons, against files, a real Redis and a real MariaDB; what they print,
how they end, and that nobody sees a password on the way."""
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lib import mariadb
from lib.proc import wait_for
from lib.redis import Redis

SOURCE = Path(__file__).resolve().parents[2]
CHECKS = SOURCE / "checks"
PLUGINS = sorted(p.name for p in CHECKS.glob("check_pm_*"))
LINE = re.compile(r"PM_\w+ (OK|WARNING|CRITICAL|UNKNOWN): [^|\n]+( \| .+)?\n")
STATES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]


@pytest.fixture
def run(tmp_path):
    """Runs a plugin; its line has the right form and says the state that it ends with."""
    def plugin(name, *args, env=None):
        keeps = ["--state-dir", str(tmp_path / "state")] if name in ("check_pm_queue", "check_pm_unit") else []
        done = subprocess.run([CHECKS / name, *keeps, *map(str, args)], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        assert LINE.fullmatch(done.stdout), (done.stdout, done.stderr)
        assert done.stderr == ""
        state = LINE.fullmatch(done.stdout)[1]
        assert done.returncode == STATES.index(state)
        return state, done.stdout.strip()
    return plugin


def touch(path, age=0):
    path.write_text("beat")
    os.utime(path, (time.time() - age,) * 2)


def option_file(path, user, password):
    path.write_text(f"[client]\nuser = nobody\n\n[pointsman]\nuser = {user}\npassword = {password}\n")
    path.chmod(0o600)
    return path


class Watcher:
    """Reads the arguments of every process, again and again."""

    def __init__(self, secret):
        self.secret, self.seen, self.looks, self.stop = secret.encode(), [], 0, False
        self.thread = threading.Thread(target=self.look)

    def look(self):
        me = os.getpid()
        while not self.stop:
            for entry in os.listdir("/proc"):
                if not entry.isdigit() or int(entry) == me:
                    continue
                try:
                    line = Path(f"/proc/{entry}/cmdline").read_bytes()
                except OSError:
                    continue
                self.looks += b"mariadb\0--defaults" in line or b"redis-cli\0" in line
                if self.secret in line:
                    self.seen.append(line)

    def wait_look(self, act):
        """A client lives for milliseconds: act starts one again until it was looked at."""
        wait_for("a client was looked at", lambda: self.looks or (act() and self.looks), 30)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()


@pytest.mark.parametrize("name", PLUGINS)
def test_conventions(run, name):
    version = re.search(r"AC_INIT\(\[pointsman\], \[([^]]+)\]", (SOURCE / "configure.ac").read_text())[1]
    for option in ("--version", "-V"):
        done = subprocess.run([CHECKS / name, option], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, f"{name} {version}\n")
    done = subprocess.run([CHECKS / name, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and all(o in done.stdout for o in ("--timeout", "--warning", "--critical"))
    assert run(name)[0] == "UNKNOWN"
    assert run(name, "--no-such-option")[0] == "UNKNOWN"
    assert run(name, "-w", "10x")[0] == "UNKNOWN"


@pytest.mark.parametrize("text,value,is_bad", [
    ("10", 10, False), ("10", 10.5, True), ("10", -1, True), ("10:", 9, True), ("10:", 10, False),
    ("~:10", -5, False), ("~:10", 11, True), ("10:20", 15, False), ("10:20", 21, True),
    ("@10:20", 10, True), ("@10:20", 9, False)])
def test_ranges(run, tmp_path, text, value, is_bad):
    (tmp_path / "r.json").write_text(json.dumps({"totals": [{"sum": value}]}))
    state, line = run("check_pm_result", "--file", tmp_path / "r.json", "--field", "totals.0.sum", f"-c={text}")
    assert state == ("CRITICAL" if is_bad else "OK")
    assert line.endswith(f"'value'={value:g};;{text}")


def test_heartbeat_of_a_file(run, tmp_path):
    beat = tmp_path / "beat"
    assert run("check_pm_heartbeat", "--file", beat)[0] == "CRITICAL"
    for age, state in ((0, "OK"), (40, "WARNING"), (100, "CRITICAL"), (-1000, "CRITICAL")):
        touch(beat, age)
        assert run("check_pm_heartbeat", "--file", beat, "-w", 30, "-c", 60)[0] == state


def test_result_of_a_file(run, tmp_path):
    result = tmp_path / "result"
    assert run("check_pm_result", "--file", result)[0] == "CRITICAL"
    result.write_text("run 12\nstatus: done\n")
    assert run("check_pm_result", "--file", result, "--match", "^status: done$")[0] == "OK"
    assert run("check_pm_result", "--file", result, "--match", "^status: failed$")[0] == "CRITICAL"
    assert run("check_pm_result", "--file", result, "--field", "a")[0] == "CRITICAL"
    result.write_text('{"a": {"b": [1, "\\u001b[31m|x"]}}')
    assert run("check_pm_result", "--file", result, "--field", "a.b.0", "-c", 5)[0] == "OK"
    assert run("check_pm_result", "--file", result, "--field", "a.b.7", "-c", 5)[0] == "CRITICAL"
    state, line = run("check_pm_result", "--file", result, "--field", "a.b.1")
    assert state == "OK" and "\x1b" not in line and "|" not in line


def test_daemon(run, tmp_path):
    beat = tmp_path / "beat"
    touch(beat)
    asked = ["--name", "fees", "--", "check_pm_heartbeat", "--file", beat, "-w", 30, "--",
             "check_pm_result", "--file", beat, "--match", "beat"]
    state, line = run("check_pm_daemon", *asked)
    assert state == "OK" and "fees runs and does its work" in line and "'heartbeat.age'=" in line
    touch(beat, 40)
    state, line = run("check_pm_daemon", *asked)
    assert state == "WARNING" and "1 of 2 fine" in line
    beat.unlink()
    assert run("check_pm_daemon", *asked)[0] == "CRITICAL"
    assert run("check_pm_daemon", "--", "check_pm_nothing")[0] == "UNKNOWN"
    start = time.monotonic()
    assert run("check_pm_daemon", "-t", 1, "--", "/bin/sleep", 60)[0] == "CRITICAL"
    assert time.monotonic() - start < 5


def test_redis(run, procs, tmp_path):
    server = Redis(procs, password="topsecret").start()
    options = option_file(tmp_path / "redis.cnf", "default", "topsecret")
    at = ["-p", server.port, "--credentials", options]
    server.call("SET", "beat", int(time.time()) - 40)
    server.call("SET", "iso", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    with Watcher("topsecret") as watcher:
        assert run("check_pm_heartbeat", "--redis", "beat", "-w", 30, *at)[0] == "WARNING"
        assert run("check_pm_heartbeat", "--redis", "iso", "-w", 30, *at)[0] == "OK"
        assert run("check_pm_heartbeat", "--redis", "nothing", *at)[0] == "CRITICAL"
        watcher.wait_look(lambda: run("check_pm_heartbeat", "--redis", "iso", *at))
    assert watcher.seen == []
    state, line = run("check_pm_heartbeat", "--redis", "beat", "-p", server.port)
    assert state == "CRITICAL" and "NOAUTH" in line
    options.chmod(0o644)
    assert run("check_pm_heartbeat", "--redis", "beat", *at)[0] == "UNKNOWN"
    options.chmod(0o600)
    server.terminate()
    state, line = run("check_pm_heartbeat", "--redis", "beat", *at)
    assert state == "CRITICAL" and "refused" in line


def test_queue_of_redis(run, procs):
    server = Redis(procs).start()

    def look(key, *args):
        return run("check_pm_queue", "--redis", key, "-p", server.port, "-w", 0.5, *args)

    assert look("todo")[0] == "OK"
    server.call("LPUSH", "todo", "a", "b", "c")
    assert look("todo")[0] == "OK"
    time.sleep(0.6)
    state, line = look("todo")
    assert state == "WARNING" and "has not moved" in line and "'depth'=3" in line
    server.call("LPUSH", "todo", "d")  # what comes in is no movement
    assert look("todo")[0] == "WARNING"
    server.call("LPUSH", "todo", server.call("RPOP", "todo"))  # as deep as before, another head
    assert look("todo")[0] == "OK"
    assert look("todo", "--depth-critical", 3)[0] == "CRITICAL"
    server.call("SET", "text", "x")
    assert look("text")[0] == "CRITICAL"


def test_queue_of_a_stream(run, procs):
    server = Redis(procs).start()

    def look(group, stuck_s=30):
        return run("check_pm_queue", "--redis", "jobs", "--group", group, "-p", server.port, "-w", stuck_s)[0]

    server.call("XGROUP", "CREATE", "jobs", "workers", "$", "MKSTREAM")
    server.call("XGROUP", "CREATE", "jobs", "zombies", "$")
    assert look("workers") == "OK"
    server.call("XADD", "jobs", "*", "n", "1")
    server.call("XADD", "jobs", "*", "n", "2")
    assert look("workers") == look("zombies") == "OK"
    time.sleep(0.6)
    server.call("XREADGROUP", "GROUP", "workers", "w1", "COUNT", "1", "STREAMS", "jobs", ">")
    # What has moved since the last look is not stuck, however short the time.
    assert look("workers", 0.5) == "OK"
    assert look("zombies", 0.5) == "WARNING"
    assert look("nobody") == "CRITICAL"


def test_memory_is_ours_alone(run, procs, tmp_path):
    server = Redis(procs).start()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "trap").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for where in ("trap", "open"):
        done = subprocess.run([CHECKS / "check_pm_queue", "--redis", "x", "-p", str(server.port), "--state-dir",
                               tmp_path / where], capture_output=True, text=True)
        assert done.returncode == 3 and "ours alone" in done.stdout
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_sql(run, procs, tmp_path):
    server = mariadb.MariaDB(procs).start()
    server.sql("CREATE DATABASE fees; CREATE TABLE fees.runs (id INT PRIMARY KEY, at DATETIME)")
    server.create_account("watch", "topsecret", "SELECT")
    options = option_file(tmp_path / "my.cnf", "watch", "topsecret")
    at = ["-p", server.port, "-D", "fees", "--credentials", options]
    age = "SELECT TIMESTAMPDIFF(SECOND, MAX(at), NOW()) FROM runs"
    assert run("check_pm_heartbeat", "--sql", age, *at)[0] == "CRITICAL"  # not a row
    server.sql("INSERT INTO fees.runs VALUES (1, NOW() - INTERVAL 40 SECOND)")
    with Watcher("topsecret") as watcher:
        assert run("check_pm_heartbeat", "--sql", age, "-w", 30, *at)[0] == "WARNING"
        assert run("check_pm_result", "--sql", "SELECT COUNT(*) FROM runs", "-c", "1:", *at)[0] == "OK"
        assert run("check_pm_result", "--sql", "SELECT id FROM runs", "--rows", "-c", "2:", *at)[0] == "CRITICAL"
        assert run("check_pm_result", "--sql", "SELECT NULL", "-c", "1", *at)[0] == "CRITICAL"
        assert run("check_pm_result", "--sql", "SELECT 'x'", "-c", "1", *at)[0] == "CRITICAL"
        watcher.wait_look(lambda: run("check_pm_heartbeat", "--sql", age, *at))
    assert watcher.seen == []
    queue = ["check_pm_queue", "--sql", "SELECT COUNT(*), MIN(id) FROM runs", "-w", 0.3, *at]
    assert run(*queue)[0] == "OK"
    time.sleep(0.4)
    assert run(*queue)[0] == "WARNING"
    server.sql("UPDATE fees.runs SET id = 2")
    assert run(*queue)[0] == "OK"
    state, line = run("check_pm_result", "--sql", "SELECT * FROM nothing", *at)
    assert state == "CRITICAL" and "doesn't exist" in line
    option_file(options, "watch", "wrong")
    state, line = run("check_pm_result", "--sql", "SELECT 1", *at)
    assert state == "CRITICAL" and "Access denied" in line


def test_hung_server(run, procs):
    server = Redis(procs).start()
    server.freeze()
    start = time.monotonic()
    state, line = run("check_pm_heartbeat", "--redis", "x", "-p", server.port, "-t", 1)
    server.thaw()
    assert state == "CRITICAL" and "did not answer" in line
    assert time.monotonic() - start < 5


@pytest.fixture
def systemctl(tmp_path):
    """One that says what it is told to, where no systemd runs; the real words of systemd 252."""
    def say(**properties):
        text = "\n".join(f"{k}={v}" for k, v in properties.items())
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (tmp_path / "systemctl").chmod(0o755)
        return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    return say


def test_unit(run, systemctl):
    def look(active, sub, restarts, load="loaded", result="success"):
        env = systemctl(LoadState=load, ActiveState=active, SubState=sub, NRestarts=restarts, Result=result)
        return run("check_pm_unit", "-u", "fees.service", env=env)

    assert look("active", "running", 5)[0] == "OK"
    assert look("active", "running", 6)[0] == "WARNING"
    state, line = look("active", "running", 7)
    assert state == "CRITICAL" and "again and again: 2 times" in line
    assert look("active", "running", 0)[0] == "OK"  # restarted by hand
    assert look("activating", "auto-restart", 0, result="exit-code")[0] == "CRITICAL"
    assert look("activating", "start-pre", 0)[0] == "WARNING"
    assert look("failed", "failed", 0, result="exit-code")[0] == "CRITICAL"
    assert look("inactive", "dead", 0, load="not-found")[0] == "CRITICAL"
