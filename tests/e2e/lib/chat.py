"""A pair of daemons, moved by their own start, stop and status commands: a program that runs where a file of the
node's name lies. No server takes time to start."""
import os
import stat
import threading
import time

from .cli import Desk
from .daemon import Pointsmand
from .proc import wait_for

SLOW_S = 2  # shorter than command-timeout

# An init script that may be told to fail, to hang, to take its time, whatever signal comes, or to come up without
# doing its work; each call is noted.
SCRIPT = """#!/bin/sh
# chat VERB NODE ADDRESS
cd "$(dirname "$0")" || exit 9
echo "$1 $2" >>calls
test -f "$2.$1-hangs" && sleep 60
test -f "$2.$1-slow" && { trap '' TERM HUP; sleep %d; }
test -f "$2.$1-fails" && { echo "no such luck"; exit 1; }
case $1 in
status)	if test -f "$2.runs"; then echo "chat runs at $3"; exit 0; fi
	echo "chat is inactive"; exit 3 ;;
start)	test -f "$2.broken" || : >"$2.runs" ;;
stop)	rm -f "$2.runs" ;;
esac
""" % SLOW_S


class Chat(Desk):
    """A pair "chat" of c1 (active) and c2."""

    pair_name = "chat"

    def __init__(self, procs, consul, extra="", blocks=""):
        """extra: more members of the pair; blocks: more of the configuration."""
        super().__init__(procs.dir, consul.api, consul.url)
        self.procs = procs
        self.script = os.path.join(self.dir, "chat")
        with open(self.script, "w") as f:
            f.write(SCRIPT)
        os.chmod(self.script, os.stat(self.script).st_mode | stat.S_IXUSR)
        commands = " ".join('%s = {"%s", "%s", "{node}", "{address}"}' % (verb, self.script, verb)
                            for verb in ("status", "start", "stop"))
        self.write_config('pair "chat" { kind = daemon nodes = {"c1", "c2"} timeout = "2s" '
                          'command-timeout = "3s" %s %s }\n%s' % (commands, extra, blocks))
        self.put_file("c1.runs")
        self.seed(names={"chat": "c1"}, nodes={"c1": "127.0.0.1", "c2": "127.0.0.2"})
        self.agent = Pointsmand(procs, consul.url, self.root, name="web-1").start()
        wait_for("a pair that can fail over, and an agent that serves",
                 lambda: self.run("failover", "chat", "--dry-run").code == 0, 20, 0.05)

    def put_file(self, name):
        with open(os.path.join(self.dir, name), "w"):
            pass

    def remove_file(self, name):
        os.remove(os.path.join(self.dir, name))

    def running(self):
        return [node for node in ("c1", "c2") if os.path.exists(os.path.join(self.dir, node + ".runs"))]

    def calls(self):
        """Those that change something, in their order."""
        with open(os.path.join(self.dir, "calls")) as f:
            return [line.strip() for line in f if not line.startswith("status")]

    def plan(self, *args):
        done = self.run("-o", "json", "failover", "chat", "--dry-run", *args)
        assert done.code == 0, done
        return done.json["plan"]

    def argv_failover(self, *args):
        return ["failover", "chat", "--plan", self.plan(*args), "--yes", *args]

    def failover(self, *args):
        return self.run(*self.argv_failover(*args), limit=60)

    def check(self, node):
        """It runs there and nowhere else, and the name says so."""
        assert (self.running(), self.get("names/chat")) == ([node], node)

    def standby(self):
        return "c2" if self.get("names/chat") == "c1" else "c1"

    def watch(self):
        return BothWatch(self.dir).start()


class BothWatch:
    """Looks a thousand times a second whether it runs on both."""

    def __init__(self, folder):
        self.files = [os.path.join(folder, node + ".runs") for node in ("c1", "c2")]
        self.is_over, self.count, self.both = False, 0, []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def _run(self):
        a, b = self.files
        while not self.is_over:
            # One after the other: the first ran before and behind the moment in which the second did.
            if os.path.exists(a) and os.path.exists(b) and os.path.exists(a):
                self.both.append(time.monotonic())
            self.count += 1
            time.sleep(0.001)

    def stop(self):
        self.is_over = True
        self.thread.join(5)
        return self
