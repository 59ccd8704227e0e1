"""Real Redis servers: one, a master with its replica, and Sentinels that watch them.

They are asked over a socket of our own with the few lines of RESP below: the client under test is not
used to prepare its own test."""
import glob
import os
import shutil
import socket

from .proc import Process, free_port, wait_for


class RedisError(Exception):
    """An error that the server answered with: "NOAUTH Authentication required."."""


class Client:
    """One kept connection; commands wait for their reply."""

    def __init__(self, address, port, limit=5.0):
        self.socket = socket.create_connection((address, port), limit)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *args):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in args]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def call(self, *args):
        self.send(*args)
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed by Redis")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self.file.read(int(rest) + 2)[:-2].decode(errors="replace")
        assert kind == b"*", line
        return None if int(rest) < 0 else [self.reply() for _ in range(int(rest))]


class Redis(Process):
    """A server in a directory of its own. of: the server that it replicates. config: more lines for
    its configuration, {"maxclients": 10}."""

    def __init__(self, procs, name="redis", address="127.0.0.1", port=None, of=None, password=None,
                 config=None):
        self.address, self.port = address, port or free_port(address)
        self.password, self.of = password, of
        self.data = os.path.join(procs.dir, name + "-data")
        os.makedirs(self.data, exist_ok=True)
        self.conf = os.path.join(procs.dir, name + ".conf")
        lines = {"bind": address, "port": self.port, "dir": self.data, "save": '""',
                 "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 1,
                 "protected-mode": "no"}
        if of is not None:
            lines["replicaof"] = "%s %d" % (of.address, of.port)
            if of.password:
                lines["masterauth"] = of.password
        if password:
            lines["requirepass"] = password
        lines.update(config or {})
        self.write_config(lines)
        super().__init__(procs, name, [shutil.which("redis-server") or "/usr/bin/redis-server",
                                       glob.escape(self.conf)])  # it takes it for a pattern

    def write_config(self, lines):
        with open(self.conf, "w") as f:
            for key, value in lines.items():
                # A key that may come more than once: {"user": ["a …", "b …"]}.
                for v in value if isinstance(value, list) else [value]:
                    f.write("%s %s\n" % (key, v))

    def client(self, limit=5.0):
        c = Client(self.address, self.port, limit)
        if self.password:
            c.call("AUTH", self.password)
        return c

    def call(self, *args, limit=5.0):
        """One command over a connection of its own."""
        c = self.client(limit)
        try:
            return c.call(*args)
        finally:
            c.close()

    def info(self, section="all"):
        pairs = (line.split(":", 1) for line in self.call("INFO", section).split("\r\n")
                 if ":" in line)
        return dict(pairs)

    def start(self, limit=10.0):
        """Starts and waits until it answers. limit 0: does not wait."""
        super().start()
        if limit:
            wait_for("redis %s answering" % self.name, self._answers, limit, 0.02)
        return self

    def _answers(self):
        assert self.is_alive(), "redis ended:\n" + self.log()[-2000:]
        try:
            return self.call("PING") == "PONG"
        except (OSError, RedisError):
            return False

    def is_linked(self):
        """A replica whose link to its master is up."""
        return self.info("replication").get("master_link_status") == "up"

    def wait_linked(self, limit=20.0):
        """And sent what is written: that begins up to a second after both call the link up, when the master has
        reaped the child that made the copy and heard of the replica again."""
        wait_for("redis %s linked to its master" % self.name, self.is_linked, limit, 0.02)
        if self.of is not None:
            self.wait_fed(self.of, limit)
        return self

    def wait_fed(self, master, limit=20.0):
        """Until what is written there is here."""
        assert master.call("SET", "fed", "yes") == "OK"
        wait_for("redis %s sent what is written" % self.name, lambda: self.call("GET", "fed") == "yes", limit, 0.01)
        master.call("DEL", "fed")


class Sentinel(Redis):
    """Watches one master under a name. When enough of them agree that it is down they promote a
    replica, unless there is none or its config has {"replica-priority": 0}. script: what it runs
    after that."""

    def __init__(self, procs, master, name="sentinel", master_name="mymaster", quorum=2,
                 down_ms=1000, address="127.0.0.1", port=None, script=None):
        self.master_name = master_name
        self.quorum = quorum
        watched = ["monitor %s %s %d %d" % (master_name, master.address, master.port, quorum),
                   "down-after-milliseconds %s %d" % (master_name, down_ms),
                   # One attempt is all that a test sees.
                   "failover-timeout %s 600000" % master_name]
        if master.password:
            watched.append("auth-pass %s %s" % (master_name, master.password))
        if script:
            watched.append("client-reconfig-script %s %s" % (master_name, script))
        super().__init__(procs, name, address, port, config={"sentinel": watched})
        self.argv.append("--sentinel")

    def write_config(self, lines):
        # What a Sentinel does not know ends it.
        super().write_config({k: v for k, v in lines.items()
                              if k in ("bind", "port", "dir", "protected-mode", "sentinel")})

    def master(self):
        """What it says of the master: {"flags": "master,o_down", "ip": …, "quorum": …}."""
        reply = self.call("SENTINEL", "master", self.master_name)
        return dict(zip(reply[::2], reply[1::2]))

    def flags(self):
        return set(self.master()["flags"].split(","))

    def pending_scripts(self):
        """What it is still to run, or to run again: [{"argv": […], "flags": "scheduled", …}]."""
        return [dict(zip(job[::2], job[1::2])) for job in self.call("SENTINEL", "pending-scripts")]


class RedisPair:
    """A master and its replica, linked when start() returns."""

    def __init__(self, procs, name="redis", addresses=("127.0.0.1", "127.0.0.1"), ports=(None, None),
                 password=None, config=None):
        self.master = Redis(procs, name + "1", addresses[0], ports[0], password=password,
                            config=config)
        self.replica = Redis(procs, name + "2", addresses[1], ports[1], of=self.master,
                             password=password, config=config)

    def start(self):
        self.master.start()
        self.replica.start()
        self.replica.wait_linked()
        return self


def sentinel_trio(procs, master, **options):
    """Three Sentinels that have found each other."""
    trio = [Sentinel(procs, master, "sentinel%d" % (i + 1), **options) for i in range(3)]
    for s in trio:
        s.start()
    wait_for("three sentinels that know each other",
             lambda: all(s.master()["num-other-sentinels"] == "2" for s in trio), 30)
    return trio
