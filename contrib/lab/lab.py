#!/usr/bin/python3
"""A small data centre on loopback, in one folder.

    lab up [--embedded] [--dir DIR]     raise it, show a name, flip it, say how long that took
    lab status | down                   what runs; stop it all and leave nothing behind
    lab dig NAME                        ask every dnsmasq
    lab pointsman ARGUMENT ...          the operator's command, on the lab's configuration
    lab consul ARGUMENT ...             Consul's own command, on the lab's server

One Consul server (or the embedded KV), and three hosts: each an agent with a dnsmasq of its own on
an address of its own. Everything listens on 127.0.87.x with ports that no real Consul or dnsmasq
uses; where another lab has taken that network, the next one is used. What runs is recorded in
lab.json with its start time, so that `down` never ends a stranger that got the same pid.
"""
import argparse
import base64
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
LAB = "./contrib/lab/lab"

HOSTS = ("web-01", "web-02", "web-03")
DOMAIN = "service.consul"
DNS_PORT = 5300
AGENT_PORT = 8753
CONSUL_PORTS = {"http": 18500, "serf_lan": 18301, "server": 18300, "serf_wan": -1, "dns": -1,
                "grpc": -1}

NODES = {"db3": "10.0.4.13", "db4": "10.0.4.14", "db9": "10.0.4.19", "db10": "10.0.4.20",
         "red1": "10.0.5.11", "red2": "10.0.5.12"}
NAMES = {"maindb": "db3", "sessions": "red1", "shard-001": "db9", "shard-002": "db9",
         "shard-003": "db10"}
# The demonstration flips this name between these two, whichever it is on.
FLIP_NAME, FLIP_NODES = "maindb", ("db3", "db4")

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


# --- processes ------------------------------------------------------------------------------------

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


# --- DNS ------------------------------------------------------------------------------------------

def dns_question(name):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    return struct.pack(">HHHHHH", random.getrandbits(16), 0x100, 1, 0, 0, 0) + labels + \
        b"\0" + struct.pack(">HH", 1, 1)


def dns_ask(server, name, limit_s=0.5):
    """The first A record, or None. A query of our own, because starting dig takes 10 ms."""
    question = dns_question(name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(limit_s)
        s.connect((server, DNS_PORT))
        s.send(question)
        answer = s.recv(512)
    if answer[:2] != question[:2] or struct.unpack(">H", answer[6:8])[0] == 0:
        return None
    # dnsmasq answers a host entry with one record behind the question: pointer, type, class, TTL,
    # length, and then the four bytes.
    record = answer[len(question):]
    return socket.inet_ntoa(record[12:16]) if record[2:4] == b"\0\1" else None


# --- the lab --------------------------------------------------------------------------------------

class Lab:
    """One folder and what runs in it."""

    def __init__(self, folder):
        self.dir = os.path.abspath(folder)
        self.state = {"embedded": False, "network": None, "processes": []}
        self.is_up = os.path.exists(self.path("lab.json"))
        if self.is_up:
            with open(self.path("lab.json"), encoding="utf-8") as f:
                self.state = json.load(f)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def save(self):
        with open(self.path("lab.json"), "w", encoding="utf-8") as f:
            json.dump(self.state, f, indent=2)

    def write(self, text, *parts):
        os.makedirs(os.path.dirname(self.path(*parts)), exist_ok=True)
        with open(self.path(*parts), "w", encoding="utf-8") as f:
            f.write(text)

    def address(self, index):
        return f"{self.state['network']}.{index + 1}"

    @property
    def consul_address(self):
        return f"{self.state['network']}.10:{CONSUL_PORTS['http']}"

    @property
    def store(self):
        return f"file:{self.path('kv.json')}" if self.state["embedded"] \
            else f"http://{self.consul_address}"

    def start(self, name, argv, log):
        with open(self.path(log), "ab") as out:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                     start_new_session=True, cwd=self.dir, env=self.environment())
        self.state["processes"].append(
            {"name": name, "pid": child.pid, "started": start_time(child.pid), "log": log})
        self.save()
        return child

    def take_network(self):
        """The first 127.0.N of which every address we want is free."""
        wanted = [(i + 1, port) for i in range(len(HOSTS)) for port in (DNS_PORT, AGENT_PORT)]
        wanted.append((10, CONSUL_PORTS["http"]))
        for n in range(87, 255):
            network = f"127.0.{n}"
            try:
                for host, port in wanted:
                    with socket.socket() as s:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        s.bind((f"{network}.{host}", port))
                self.state["network"] = network
                return
            except OSError:
                continue
        raise LabError("no free network among 127.0.87.x to 127.0.254.x")

    # --- the store

    def consul_get(self, path):
        with urllib.request.urlopen(f"http://{self.consul_address}{path}", timeout=2) as r:
            return json.load(r)

    def consul_put(self, path, body):
        request = urllib.request.Request(f"http://{self.consul_address}{path}", method="PUT",
                                         data=body.encode())
        with urllib.request.urlopen(request, timeout=5) as r:
            return r.read()

    def start_consul(self):
        address = f"{self.state['network']}.10"
        self.write(json.dumps({
            "node_name": "consul-1", "datacenter": "lab", "server": True, "bootstrap_expect": 1,
            "bind_addr": address, "client_addr": address, "ports": CONSUL_PORTS,
            "data_dir": self.path("consul", "data"), "disable_update_check": True, "ui": True,
            # One server needs no patience for elections: this is Consul's own advice for production.
            "performance": {"raft_multiplier": 1},
        }, indent=2), "consul", "consul.json")
        self.start("consul", [consul_binary(), "agent", "-config-file",
                              self.path("consul", "consul.json")], "consul/log")
        wait_for("Consul has a leader", lambda: self.consul_get("/v1/status/leader"))
        for node, where in NODES.items():
            self.consul_put("/v1/catalog/register", json.dumps({"Node": node, "Address": where}))
        for name, node in NAMES.items():
            self.consul_put(f"/v1/kv/pointsman/names/{name}", node)

    def start_embedded(self):
        """The file of the embedded KV is what `consul kv export` prints."""
        entries = {f"pointsman/nodes/{node}": where for node, where in NODES.items()}
        entries.update({f"pointsman/names/{name}": node for name, node in NAMES.items()})
        self.write(json.dumps([{"key": key, "flags": 0,
                                "value": base64.b64encode(value.encode()).decode()}
                               for key, value in sorted(entries.items())], indent=2), "kv.json")

    # --- the hosts

    def start_host(self, index):
        host, address = HOSTS[index], self.address(index)
        self.write(DNSMASQ_CONF.format(dir=self.path(host), address=address, port=DNS_PORT,
                                       domain=DOMAIN, user=user_name()), host, "dnsmasq.conf")
        self.write(POINTSMAN_CONF.format(store=self.store, host=host, dir=self.path(host),
                                         address=address, http=AGENT_PORT, dns=DNS_PORT,
                                         domain=DOMAIN, templates=os.path.join(TOP, "templates")),
                   host, "pointsman.conf")
        self.start(f"{host} dnsmasq", ["dnsmasq", "--keep-in-foreground", "-C",
                                       self.path(host, "dnsmasq.conf")], f"{host}/dnsmasq.log")
        self.start(f"{host} agent", [program("pointsmand"), "-c",
                                     self.path(host, "pointsman.conf")], f"{host}/pointsmand.log")

    def up(self, embedded):
        self.state["embedded"] = embedded
        self.take_network()
        os.makedirs(self.dir, exist_ok=True)
        self.save()
        if embedded:
            self.start_embedded()
        else:
            self.start_consul()
        for index in range(len(HOSTS)):
            self.write("", HOSTS[index], "pointsmand.log")
        self.start_host(0)
        subprocess.run(self.pointsman("init"), check=True, stdout=subprocess.DEVNULL,
                       env=self.environment())
        for index in range(1, len(HOSTS)):
            self.start_host(index)
        wait_for("every dnsmasq answers", lambda: set(self.ask(FLIP_NAME)) <= set(NODES.values()))

    def down(self):
        """In the reverse order of their start; TERM, and after five seconds KILL."""
        for process in reversed(self.state["processes"]):
            if is_running(process):
                os.kill(process["pid"], signal.SIGTERM)
        end = time.monotonic() + 5
        for process in self.state["processes"]:
            while is_running(process):
                if time.monotonic() > end:
                    os.kill(process["pid"], signal.SIGKILL)
                    end = time.monotonic() + 5
                time.sleep(0.02)
        # Only what the lab made: --dir may have named a folder that holds other things.
        for name in ("consul", *HOSTS):
            shutil.rmtree(self.path(name), ignore_errors=True)
        for name in os.listdir(self.dir):
            if name == "lab.json" or name.startswith("kv.json"):
                os.unlink(self.path(name))
        try:
            os.rmdir(self.dir)
        except OSError:
            pass

    # --- its commands

    def pointsman(self, *arguments):
        return [program("pointsman"), "-c", self.path(HOSTS[0], "pointsman.conf"), *arguments]

    def ask(self, name):
        return [dns_ask(self.address(i), f"{name}.{DOMAIN}") for i in range(len(HOSTS))]

    def flip_command(self, node):
        if self.state["embedded"]:
            return ["pointsman", "set", FLIP_NAME, node], self.pointsman("set", FLIP_NAME, node)
        put = ["consul", "kv", "put", f"pointsman/names/{FLIP_NAME}", node]
        return put, [consul_binary(), *put[1:]]

    def environment(self):
        """Ours without what points Consul's tools, and pointsman, at somebody's real Consul."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("CONSUL_")}
        if not self.state["embedded"]:
            env["CONSUL_HTTP_ADDR"] = self.consul_address
        return env

    def flip(self):
        """Flips the name; (shown command, new address, seconds it ran, seconds until all answered)."""
        old = self.ask(FLIP_NAME)[0]
        node = next(n for n in FLIP_NODES if NODES[n] != old)
        shown, argv = self.flip_command(node)
        begin = time.monotonic()
        child = subprocess.Popen(argv, env=self.environment(), stdout=subprocess.DEVNULL)
        ran = answered = None
        while ran is None or answered is None:
            if answered is None and all(a == NODES[node] for a in self.ask(FLIP_NAME)):
                answered = time.monotonic() - begin
            if ran is None and child.poll() is not None:
                ran = time.monotonic() - begin
            if child.returncode or time.monotonic() > begin + START_LIMIT_S:
                child.kill()
                raise LabError(f"{' '.join(shown)}: exit {child.wait()}, "
                               f"dnsmasq says {self.ask(FLIP_NAME)}")
            time.sleep(0.0005)
        return " ".join(shown), NODES[node], ran, answered

    def agent_ms(self):
        """What the first agent says of its last flip: from Consul's answer to dnsmasq's."""
        with urllib.request.urlopen(f"http://{self.address(0)}:{AGENT_PORT}/v1/status",
                                    timeout=2) as r:
            return json.load(r)["outputs"][0]["last_flip_ms"]["served"]


DNSMASQ_CONF = """\
port={port}
listen-address={address}
bind-interfaces
no-resolv
no-hosts
addn-hosts={dir}/hosts
local=/{domain}/
local=/pointsman.internal/
pid-file={dir}/dnsmasq.pid
user={user}
"""

POINTSMAN_CONF = """\
consul {{
	address = "{store}"
}}
agent {{
	node = "{host}"
	state-dir = "{dir}/state"
	http = "{address}:{http}"
	domain = "{domain}"
	template-dir = "{templates}"
}}
output "hosts" {{
	template = "hosts.mustache"
	path = "{dir}/hosts"
	signal = "HUP"
	pidfile = "{dir}/dnsmasq.pid"
	prove = "{address}:{dns}"
}}
"""


def user_name():
    """dnsmasq started by root becomes somebody else, who may not read the lab's folder."""
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()


def program(name):
    path = os.path.join(os.environ.get("POINTSMAN_BUILD") or os.path.join(TOP, "build"), name)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is not built")
    return path


def consul_binary(asks_only=False):
    """The path of a consul; None (or an error) when there is none."""
    get = subprocess.run([os.path.join(TOP, "contrib", "get-consul"), "--offline"],
                         capture_output=True, text=True, check=False)
    if get.returncode == 0:
        return get.stdout.strip()
    if asks_only:
        return None
    raise LabError(get.stderr.strip())


# --- commands -------------------------------------------------------------------------------------

def show(lab):
    address = lab.address(0)
    dig = ["dig", "+short", f"@{address}", "-p", str(DNS_PORT), f"{FLIP_NAME}.{DOMAIN}"]
    print("\n$", " ".join(dig))
    print(subprocess.run(dig, capture_output=True, text=True, check=True).stdout.strip())
    command, where, ran, answered = lab.flip()
    print("$", command)
    print("$", " ".join(dig))
    print(subprocess.run(dig, capture_output=True, text=True, check=True).stdout.strip())
    print(f"\nAll {len(HOSTS)} dnsmasq answered {where} {answered * 1000:.0f} ms after Enter",
          f"(the command ran {ran * 1000:.0f} ms).\n"
          f"From the KV's answer to dnsmasq's, {HOSTS[0]} needed {lab.agent_ms():.1f} ms.")
    print("\nLook around:")
    for what in ("dig maindb", "pointsman status", "pointsman names", "pointsman agents",
                 "consul kv put pointsman/names/shard-001 db10", "pointsman set sessions red2",
                 "down"):
        if not (lab.state["embedded"] and what.startswith("consul")):
            print(f"  {LAB} {what}")
    print(f"  curl http://{address}:{AGENT_PORT}/v1/status")
    folder = os.path.relpath(lab.path(HOSTS[0]))
    print(f"  ls {lab.path(HOSTS[0]) if folder.startswith('..') else folder}")


def command_up(lab, options):
    embedded = options.embedded
    if lab.is_up:
        if not all(is_running(p) for p in lab.state["processes"]):
            raise LabError(f"it is half up in {lab.dir}; `{LAB} down` first")
        if embedded != lab.state["embedded"] and embedded:
            raise LabError(f"it runs on Consul in {lab.dir}; `{LAB} down` first")
    else:
        if not embedded and consul_binary(asks_only=True) is None:
            print("No Consul to be had: using the embedded KV.")
            embedded = True
        try:
            lab.up(embedded)
        except BaseException:
            for process in lab.state["processes"]:
                print(f"{process['name']}: {'runs' if is_running(process) else 'has ended'}\n"
                      f"{tail(lab.path(process['log']))}", end="", file=sys.stderr)
            lab.down()
            raise
    status(lab)
    show(lab)


def status(lab):
    print(f"pointsman lab in {lab.dir}, store {lab.store}")
    for process in lab.state["processes"]:
        print(f"  {'runs' if is_running(process) else 'DEAD'}  {process['pid']:>7}  {process['name']}")


def command_status(lab, _options):
    status(lab)
    return 0 if all(is_running(p) for p in lab.state["processes"]) else 1


def command_down(lab, _options):
    lab.down()
    print(f"The lab in {lab.dir} is gone.")


def command_dig(lab, options):
    for name in options.arguments:
        for host, answer in zip(HOSTS, lab.ask(name)):
            print(f"{host}  {name}  {answer or 'no such name'}")


def command_pointsman(lab, options):
    return subprocess.run(lab.pointsman(*options.arguments), env=lab.environment(),
                          check=False).returncode


def command_consul(lab, options):
    if lab.state["embedded"]:
        raise LabError("this lab runs on the embedded KV")
    return subprocess.run([consul_binary(), *options.arguments], env=lab.environment(),
                          check=False).returncode


COMMANDS = {"up": command_up, "status": command_status, "down": command_down, "dig": command_dig,
            "pointsman": command_pointsman, "consul": command_consul}
# Everything behind these is theirs, options included.
TAKES_REST = ("dig", "pointsman", "consul")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    own, rest = sys.argv[1:], []
    for i, word in enumerate(own):
        if word in TAKES_REST:
            own, rest = own[:i + 1], own[i + 1:]
            break
    parser = argparse.ArgumentParser(prog="lab", usage=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--dir", default=os.path.join(TOP, "build", "lab"))
    options = parser.parse_args(own)
    options.arguments = rest
    lab = Lab(options.dir)
    try:
        if not lab.is_up and options.command != "up":
            print(f"No lab in {lab.dir}.")
            return 0 if options.command == "down" else 1
        return COMMANDS[options.command](lab, options) or 0
    except LabError as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
