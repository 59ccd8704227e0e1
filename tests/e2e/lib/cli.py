"""The operator's command on either KV, with agents that only publish what they are told to."""
import base64
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from .daemon import program, quoted
from .proc import Timeout, free_port

LOCK_DELAY_S = 1.1  # after a session that was ended: src/operate/op_lock.c


def clean_env(env=None):
    base = {k: v for k, v in os.environ.items() if not k.startswith("CONSUL_")}
    base.pop("NO_COLOR", None)
    return dict(base, **(env or {}))


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return "exit %s\n--- stdout\n%s--- stderr\n%s" % (self.code, self.out, self.err)


DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def op_id(wall_ms):
    """As an operation that begins then is named."""
    text = ""
    for _ in range(10):
        text, wall_ms = DIGITS[wall_ms & 31] + text, wall_ms >> 5
    return text


class Desk:
    """A KV, a configuration, and somebody who types."""

    _count = 0
    pair_name = None  # whose operations they are

    def __init__(self, directory, api=None, url=None, agent_http=None, **consul):
        Desk._count += 1
        self.api = api
        self.root = "desk%d/" % Desk._count
        self.dir = os.path.join(directory, "desk-%d" % Desk._count)
        os.makedirs(self.dir)
        self.kv_path = os.path.join(self.dir, "kv.json")
        self.address = url or "file:" + self.kv_path
        self.config_path = os.path.join(self.dir, "pointsman.conf")
        self.agent_http = agent_http or "127.0.0.1:%d" % free_port()
        self.write_config(**consul)

    @property
    def is_file(self):
        return self.api is None

    def write_config(self, extra="", **consul):
        consul = dict({"address": self.address, "root": self.root}, **consul)
        with open(self.config_path, "w") as f:
            f.write("consul {\n%s}\n" % "".join(
                "  %s = %s\n" % (k, quoted(v)) for k, v in consul.items()))
            f.write("agent {\n  node = \"here\"\n  http = \"%s\"\n  state-dir = \"%s\"\n}\n" % (
                self.agent_http, os.path.join(self.dir, "state")))
            f.write(extra)

    # --- the KV --------------------------------------------------------------------------------------

    def _entries(self):
        try:
            with open(self.kv_path) as f:
                return json.load(f)
        except FileNotFoundError:
            return []

    def put(self, key, value):
        value = value.encode() if isinstance(value, str) else value
        if self.api:
            self.api.request("PUT", "/v1/txn", [{"KV": {
                "Verb": "set", "Key": self.root + key, "Value": base64.b64encode(value).decode()}}])
            return
        entries = [e for e in self._entries() if e["key"] != self.root + key]
        entries.append({"key": self.root + key, "flags": 0, "value": base64.b64encode(value).decode()})
        with open(self.kv_path + ".new", "w") as f:
            json.dump(entries, f)
        os.rename(self.kv_path + ".new", self.kv_path)

    def get(self, key):
        """The value as text; None: it is not there."""
        if self.api:
            found = self.api.list(self.root + key)
        else:
            found = {e["key"]: base64.b64decode(e["value"] or "") for e in self._entries()}
        value = found.get(self.root + key)
        return None if value is None else value.decode(errors="replace")

    def index(self):
        """The generation of the names."""
        return self.run("-o", "json", "status").json["index"]

    def seed(self, names=None, nodes=None):
        for node, address in (nodes or {"db1": "10.0.4.11", "db2": "10.0.4.12",
                                        "db3": "10.0.4.13"}).items():
            self.put("nodes/" + node, address)
        for name, value in (names or {"maindb": "db1", "sessions": "db2"}).items():
            self.put("names/" + name, value)
        assert self.run("init").code == 0
        return self

    # --- operations on Consul ------------------------------------------------------------------------

    def history(self):
        """The journals as they stand in the KV, newest first. Not through the command: they are what it is
        judged by."""
        found = [json.loads(text) for text in self.api.list(self.root + "ops/").values()]
        return sorted(found, key=lambda op: op["id"], reverse=True)

    def operation(self, kind=None):
        """The newest one, of that kind; None: there is none."""
        return next((op for op in self.history() if kind in (None, op["kind"])), None)

    def last(self):
        """The newest one, which there is."""
        return self.history()[0]

    def lock_session(self):
        """Who holds the lock of the pair; None: nobody."""
        found = self.api.json("GET", "/v1/kv/%slocks?recurse&consistent" % self.root) \
            if self.get("locks/" + self.pair_name) is not None else []
        return next((e["Session"] for e in found if e.get("Session")), None)

    def forget_lock(self):
        """A dead command's session ends now and not after its time to live."""
        session = self.lock_session()
        if session:
            self.api.request("PUT", "/v1/session/destroy/" + session)
        return session

    def free_lock(self):
        """And the delay is over in which Consul gives the lock of the dead to nobody."""
        if self.forget_lock():
            time.sleep(LOCK_DELAY_S)

    # --- the command ---------------------------------------------------------------------------------

    def argv(self, args):
        return [program("pointsman"), "-c", self.config_path] + [str(a) for a in args]

    def run(self, *args, limit=30.0, env=None, stdin=None):
        done = subprocess.run(self.argv(args), input=stdin or b"", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=clean_env(env), timeout=limit)
        return Result(done.returncode, done.stdout.decode(errors="surrogateescape"),
                      done.stderr.decode(errors="surrogateescape"))

    def start(self, *args, env=None):
        return subprocess.Popen(self.argv(args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=clean_env(env))

    def run_tty(self, *args, typed=None, width=80, env=None, limit=20.0, interrupt_at=None):
        """
        On a terminal. typed: {prompt pattern: text to type, or what is called for it}; interrupt_at: a
        pattern at which Ctrl-C is typed. Standard output and error come mixed, as a person sees them.
        """
        typed = dict(typed or {})
        if interrupt_at:
            typed[interrupt_at] = "\x03"
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(program("pointsman"), self.argv(args),
                      clean_env(dict({"TERM": "xterm"}, **(env or {}))))
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        try:
            return self._converse(pid, fd, typed, limit)
        finally:
            os.close(fd)

    @staticmethod
    def _converse(pid, fd, typed, limit):
        seen, end = b"", time.monotonic() + limit
        while True:
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise Timeout("no end within %.0f s: %r" % (limit, seen))
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            if not data:
                break
            seen += data
            for pattern, text in list(typed.items()):
                if re.search(pattern.encode(), seen):
                    os.write(fd, (text() if callable(text) else text).encode())
                    del typed[pattern]
        status = os.waitpid(pid, 0)[1]
        return Result(os.waitstatus_to_exitcode(status), seen.decode(errors="replace"), "")


class FakeAgent:
    """An agent's record in Consul, held by a session or not. Only for a Desk on Consul."""

    def __init__(self, desk, node, generation=0, is_alive=True, **members):
        self.desk, self.node = desk, node
        self.session = None
        if is_alive:
            self.session = desk.api.json("PUT", "/v1/session/create", {"TTL": "600s"})["ID"]
        self.record = {
            "node": node, "version": "0.1.0", "since": "2026-11-21T22:37:04Z", "index": generation,
            "map": "sha256:" + "ab" * 32, "names": {"total": 2, "rejected": 0, "last_known": 0},
            "guarded": None, "hold": False, "problems": []}
        self.serve(generation, **members)

    def serve(self, generation, error=None, **members):
        self.record["generation"] = generation
        self.record["index"] = max(self.record["index"], generation)
        self.record["outputs"] = [{
            "name": "hosts", "path": "/nowhere/hosts", "state": "written" if error else "served",
            "generation": generation, "served": generation, "digest": "sha256:" + "cd" * 32,
            "since": "2026-11-21T22:37:04Z", "error": error, "owed": False}]
        self.record.update(members)
        self.write()

    def write(self, text=None):
        body = json.dumps(self.record) if text is None else text
        acquire = "?acquire=" + self.session if self.session else ""
        assert self.desk.api.json(
            "PUT", "/v1/kv/%sagents/%s%s" % (self.desk.root, self.node, acquire), body) is True


ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def check_width(text, width=80):
    """No line is wider, the control sequences of the terminal left out; each redrawing is a line."""
    for line in ESCAPE.sub("", text.replace("\r", "\n")).splitlines():
        assert len(line) <= width, "%d columns: %r" % (len(line), line)
