"""pointsmand and pointsman as they were built, with a configuration written for one test."""
import http.client
import json
import os
import re
import subprocess
import time

from . import SOURCE
from .proc import Process, Timeout, free_port, wait_for


def build_dir():
    return os.path.abspath(os.environ.get("POINTSMAN_BUILD") or os.path.join(SOURCE, "build"))


def program(name):
    return os.path.join(build_dir(), name)


def quoted(value):
    """As libconfuse reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(quoted(v) for v in value) + "}"
    if isinstance(value, int):
        return str(value)
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


class Config:
    """consul and agent are the blocks' members; the others map a title to such members."""

    def __init__(self, consul, agent, outputs, hooks=None, checks=None, pairs=None):
        self.consul, self.agent, self.outputs, self.hooks = consul, agent, outputs, hooks or {}
        self.checks, self.pairs = checks or {}, pairs or {}

    def text(self):
        blocks = [("consul", None, self.consul), ("agent", None, self.agent)]
        blocks += [("output", title, members) for title, members in self.outputs.items()]
        for kind, titled in (("check", self.checks), ("pair", self.pairs), ("hook", self.hooks)):
            blocks += [(kind, title, members) for title, members in titled.items()]
        lines = []
        for kind, title, members in blocks:
            lines.append("%s%s {" % (kind, ' "%s"' % title if title else ""))
            for key, value in members.items():
                if key == "mode":
                    lines.append("  mode = %04o" % value)
                else:
                    lines.append("  %s = %s" % (key, quoted(value)))
            lines.append("}")
        return "\n".join(lines) + "\n"


class Pointsmand(Process):
    """One agent with a hosts file read by one dnsmasq (which may be None: then nothing is proven)."""

    def __init__(self, procs, consul_url, root, dnsmasq=None, hosts=None, name="agent", token=None,
                 agent=None, consul=None, output=None, hooks=None, checks=None, pairs=None,
                 wrapper=(), env=None):
        self.root, self.dnsmasq, self.node = root, dnsmasq, name
        self.home = os.path.join(procs.dir, name + "-home")
        os.makedirs(self.home, exist_ok=True)
        self.state_dir = os.path.join(self.home, "state")
        self.hosts = str(hosts or (dnsmasq.hosts if dnsmasq else os.path.join(self.home, "hosts")))
        self.http_port = free_port()
        self.config_path = os.path.join(self.home, "pointsman.conf")
        hosts_output = {"template": "hosts.mustache", "path": self.hosts, "mode": 0o644}
        if dnsmasq:
            hosts_output.update(signal="HUP", pidfile=dnsmasq.pidfile, prove=dnsmasq.resolver)
        hosts_output.update(output or {})
        self.config = Config(
            dict({"address": consul_url, "root": root}, **(consul or {})),
            dict({"node": name, "state-dir": self.state_dir, "http": "127.0.0.1:%d" % self.http_port,
                  "template-dir": os.path.join(SOURCE, "templates"), "log-level": "debug"},
                 **(agent or {})),
            {"hosts": hosts_output}, hooks, checks, pairs)
        self.write_config()
        clean = {k: "" for k in os.environ if k.startswith("CONSUL_")}
        if token:
            clean["CONSUL_HTTP_TOKEN"] = token
        super().__init__(procs, name, list(wrapper) + [program("pointsmand"), "-c", self.config_path],
                         env=dict(clean, **(env or {})))
        for key in clean:
            if not clean[key]:
                self.env.pop(key, None)
        procs.at_close(self.judge)

    def write_config(self):
        with open(self.config_path, "w") as f:
            f.write(self.config.text())

    def judge(self):
        """Whatever a test was about: it ends cleanly, and no sanitizer has spoken."""
        if self.is_alive():
            self.thaw()
            assert self.terminate() == 0, self.log()[-2000:]
        found = re.findall(r"^.*(?:ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:).*$",
                           self.log(), re.M)
        assert not found, "%s: %s" % (self.name, found[:3])

    def start(self, limit=10.0):
        """Starts it and waits until its HTTP endpoint answers. limit 0: does not wait."""
        super().start()
        if limit:
            wait_for("pointsmand answers", lambda: self.try_status() or not self.is_alive(), limit)
            assert self.is_alive(), "pointsmand ended:\n" + self.log()[-4000:]
        return self

    def run_once(self, *args, limit=20.0):
        """pointsmand with further arguments, to its end. Returns its exit status."""
        process = Process(self.procs, self.name, self.argv + list(args), env=self.env)
        process.start()
        return process.wait(limit)

    # --- what it says ----------------------------------------------------------------------------

    def http(self, method="GET", path="/v1/status", headers=None, limit=2.0):
        """status, headers, body."""
        conn = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=limit)
        try:
            conn.request(method, path, headers=headers or {})
            answer = conn.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            conn.close()

    def status(self):
        code, _, body = self.http()
        assert code == 200, (code, body[:200])
        return json.loads(body)

    def try_status(self):
        try:
            return self.status()
        except (OSError, http.client.HTTPException):
            return None

    def output(self, name="hosts"):
        for output in self.status()["outputs"]:
            if output["name"] == name:
                return output
        raise AssertionError("no output %s" % name)

    def problems(self):
        return self.status()["problems"]

    def problem_text(self):
        return json.dumps(self.problems())

    def metric(self, name):
        """The value of the first sample that begins with name; None: there is none."""
        text = self.http(path="/metrics")[2].decode()
        found = re.search(r"^%s\S* (\S+)$" % re.escape(name), text, re.M)
        return float(found.group(1)) if found else None

    # --- waiting ---------------------------------------------------------------------------------

    def until(self, what, condition, limit=10.0):
        """condition(status) is true; a wait in vain shows the status and the end of the log."""
        last = [None]

        def check():
            if not self.is_alive():
                raise AssertionError("pointsmand ended while waiting for %s:\n%s" % (
                    what, self.log()[-3000:]))
            last[0] = self.try_status()
            return last[0] and condition(last[0])
        try:
            wait_for(what, check, limit, 0.01)
        except Timeout as e:
            raise Timeout("%s\nstatus: %s\nlog:\n%s" % (
                e, json.dumps(last[0], indent=1), self.log()[-3000:])) from None

    def wait_state(self, state, limit=10.0, output="hosts"):
        self.until("%s is %s" % (output, state), lambda s: any(
            o["name"] == output and o["state"] == state for o in s["outputs"]), limit)

    def wait_generation(self, generation, limit=10.0, state=None):
        """All outputs stand at this generation or a later one, served where that is proven."""
        is_proven = any(o.get("prove") for o in self.config.outputs.values())
        state = state or ("served" if is_proven else "written")
        self.until("generation %d %s" % (generation, state), lambda s: all(
            o["generation"] >= generation and o["state"] == state for o in s["outputs"]), limit)

    def wait_problem(self, pattern, limit=10.0):
        self.until("a problem that says %r" % pattern, lambda s: re.search(
            pattern, json.dumps(s["problems"]), re.I), limit)

    def file_lines(self):
        """{name: sorted addresses} as the hosts file has it, the proof left out."""
        with open(self.hosts) as f:
            return parse_hosts(f.read())


def parse_hosts(text):
    names = {}
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) < 2 or words[1] == "generation.pointsman.internal":
            continue
        names.setdefault(words[-1], []).append(words[0])
    return {name: sorted(addresses) for name, addresses in names.items()}


def file_generation(path):
    """The generation that a hosts file says it is; 0: none."""
    import ipaddress
    try:
        with open(path) as f:
            found = re.search(r"^(\S+)\s+generation\.pointsman\.internal", f.read(), re.M)
    except FileNotFoundError:
        return 0
    return int(ipaddress.IPv6Address(found.group(1))) & (2 ** 64 - 1) if found else 0


def run_cli(config_path, *args, limit=20.0, env=None):
    """pointsman with these arguments. Returns (exit status, standard output, standard error)."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CONSUL_")}
    done = subprocess.run([program("pointsman"), "-c", config_path] + [str(a) for a in args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(clean, **(env or {})), timeout=limit)
    return (done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"))


def settle(seconds):
    """A pause in which something must NOT happen; waiting for something to happen is wait_for()."""
    time.sleep(seconds)
