"""One lab: its folder, its network, its store, its hosts and its servers."""
import base64
import functools
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import time
import urllib.request

import processes
from processes import START_LIMIT_S, LabError, is_running, wait_for
from servers import ADDRESSES, MYSQL_PORT, REDIS_PORT, TOP, Servers

HOSTS = ("web-01", "web-02", "web-03")
DOMAIN = "service.consul"
DNS_PORT = 5300
AGENT_PORT = 8753
CONSUL_PORTS = {"http": 18500, "serf_lan": 18301, "server": 18300, "serf_wan": -1, "dns": -1,
                "grpc": -1}

# In the lab's folder, beside the folders.
OWN_FILES = ("lab.json", "operator-pairs.conf", "operator.conf", "pairs.conf")

# Nodes that are names only, beside those of servers.ADDRESSES that run.
NODES = {"db9": "10.0.4.19", "db10": "10.0.4.20"}
NAMES = {"maindb": "db3", "sessions": "red1", "shard-001": "db9", "shard-002": "db9",
         "shard-003": "db10"}
# The demonstration flips this name between these two, whichever it is on.
FLIP_NAME, FLIP_NODES = "shard-001", ("db9", "db10")


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


def only_one():
    """To be held: a network that looks free is taken only when every server listens in it. The name
    is of the same scope as the addresses, and goes with its process."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def is_ours():
        s.bind("\0pointsman-lab-up")
        return True
    wait_for("no other lab is on its way up", is_ours, limit_s=60)
    return s


class Lab:
    """One folder and what runs in it."""

    def __init__(self, folder):
        self.dir = os.path.abspath(folder)
        self.state = {"embedded": False, "network": None, "processes": []}
        self._servers = None
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
    def nodes(self):
        """Every node and its address."""
        return dict(NODES, **{name: f"{self.state['network']}.{last}"
                              for name, last in ADDRESSES.items()})

    @property
    def servers(self):
        if self._servers is None:
            self._servers = Servers(self)
        return self._servers

    @property
    def consul_address(self):
        return f"{self.state['network']}.10:{CONSUL_PORTS['http']}"

    @property
    def store(self):
        return f"file:{self.path('kv.json')}" if self.state["embedded"] \
            else f"http://{self.consul_address}"

    def start(self, name, argv, log, what=""):
        """A process of the lab, in the place of an earlier one of that name."""
        child, record = processes.start(name, argv, log, self.dir, self.environment())
        self.state["processes"] = [p for p in self.state["processes"] if p["name"] != name]
        self.state["processes"].append(dict(record, what=what))
        self.save()
        return child

    def take_network(self):
        """The first 127.0.N of which every address we want is free."""
        wanted = [(i + 1, port) for i in range(len(HOSTS)) for port in (DNS_PORT, AGENT_PORT)]
        wanted.append((10, CONSUL_PORTS["http"]))
        wanted += [(last, MYSQL_PORT if name.startswith("db") else REDIS_PORT)
                   for name, last in ADDRESSES.items()]
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
            # One server needs no patience for elections: Consul's own advice for production.
            "performance": {"raft_multiplier": 1},
        }, indent=2), "consul", "consul.json")
        self.start("consul", [consul_binary(), "agent", "-config-file",
                              self.path("consul", "consul.json")], "consul/log",
                   what=self.consul_address)

    def fill_consul(self):
        wait_for("Consul has a leader", lambda: self.consul_get("/v1/status/leader"))
        for node, where in self.nodes.items():
            self.consul_put("/v1/catalog/register", json.dumps({"Node": node, "Address": where}))
        for name, node in NAMES.items():
            self.consul_put(f"/v1/kv/pointsman/names/{name}", node)

    def write_embedded(self):
        """The file of the embedded KV is what `consul kv export` prints."""
        entries = {f"pointsman/nodes/{node}": where for node, where in self.nodes.items()}
        entries.update({f"pointsman/names/{name}": node for name, node in NAMES.items()})
        self.write(json.dumps([{"key": key, "flags": 0,
                                "value": base64.b64encode(value.encode()).decode()}
                               for key, value in sorted(entries.items())], indent=2), "kv.json")

    # --- the hosts

    def pointsman_conf(self, index, pairs):
        host, address = HOSTS[index], self.address(index)
        return POINTSMAN_CONF.format(store=self.store, host=host, dir=self.path(host),
                                     address=address, http=AGENT_PORT, dns=DNS_PORT, domain=DOMAIN,
                                     pairs=self.path(pairs),
                                     templates=os.path.join(TOP, "templates"))

    def start_host(self, index):
        host, address = HOSTS[index], self.address(index)
        self.write(DNSMASQ_CONF.format(dir=self.path(host), address=address, port=DNS_PORT,
                                       domain=DOMAIN, user=user_name()), host, "dnsmasq.conf")
        self.write(self.pointsman_conf(index, "pairs.conf"), host, "pointsman.conf")
        self.start(f"{host} dnsmasq", ["dnsmasq", "--keep-in-foreground", "-C",
                                       self.path(host, "dnsmasq.conf")], f"{host}/dnsmasq.log",
                   what=f"{address}:{DNS_PORT}")
        self.start(f"{host} agent", [program("pointsmand"), "-c",
                                     self.path(host, "pointsman.conf")], f"{host}/pointsmand.log",
                   what=f"http://{address}:{AGENT_PORT}/v1/checks")

    def up(self, embedded):
        with only_one():
            self.raise_all(embedded)

    def raise_all(self, embedded):
        self.state["embedded"] = embedded
        self.take_network()
        os.makedirs(self.dir, exist_ok=True)
        self.save()
        # Consul takes its time to elect itself; meanwhile the servers start, side by side, and become
        # pairs. They are that before anybody looks at them.
        if not embedded:
            self.start_consul()
        self.servers.begin()
        for index in range(len(HOSTS)):
            self.write("", HOSTS[index], "pointsmand.log")
        self.servers.finish()
        if embedded:
            self.write_embedded()
        else:
            self.fill_consul()
        # Agents look, and may no more than that; who operates has an account that may.
        self.write(self.servers.pairs_conf("pointsman"), "pairs.conf")
        self.write(self.servers.pairs_conf("operator"), "operator-pairs.conf")
        self.write(self.pointsman_conf(0, "operator-pairs.conf"), "operator.conf")
        self.start_host(0)
        subprocess.run(self.pointsman("init"), check=True, stdout=subprocess.DEVNULL,
                       env=self.environment())
        for index in range(1, len(HOSTS)):
            self.start_host(index)
        wait_for("every dnsmasq answers",
                 lambda: set(self.ask(FLIP_NAME)) <= set(self.nodes.values()))

    def down(self):
        processes.end_all(self.state["processes"])
        # Only what the lab made: --dir may have named a folder that holds other things.
        for name in ("consul", "servers", "writer", *HOSTS):
            shutil.rmtree(self.path(name), ignore_errors=True)
        for name in os.listdir(self.dir):
            if name in OWN_FILES or name.startswith("kv.json"):
                os.unlink(self.path(name))
        try:
            os.rmdir(self.dir)
        except OSError:
            pass

    # --- what runs

    def process(self, name):
        for process in self.state["processes"]:
            if process["name"] == name:
                return process
        raise LabError(f"nothing is called {name}; `status` shows what is")

    def active(self, pair):
        """The node that the name of a pair points at, as the agents see it."""
        shown = subprocess.run(self.pointsman("-o", "json", "names", pair), check=True,
                               capture_output=True, text=True, env=self.environment())
        found = json.loads(shown.stdout)
        return found[0]["node"] if isinstance(found, list) else found["node"]

    def page(self, path, host=0):
        with urllib.request.urlopen(f"http://{self.address(host)}:{AGENT_PORT}{path}",
                                    timeout=2) as r:
            return json.load(r)

    def checks_pass(self):
        """Every vantage says so of every server, and the command hears all of them."""
        checks = self.page("/v1/checks")
        return len(checks) == len(ADDRESSES) and all(
            c["state"] == "passing" and c["class"] == "ok" and len(c["vantages"]) == len(HOSTS)
            for c in checks)

    # --- its commands

    def pointsman(self, *arguments):
        return [program("pointsman"), "-c", self.path("operator.conf"), *arguments]

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
        """(the command as shown, the new address, seconds it ran, seconds until all answered)"""
        old = self.ask(FLIP_NAME)[0]
        node = next(n for n in FLIP_NODES if self.nodes[n] != old)
        shown, argv = self.flip_command(node)
        begin = time.monotonic()
        child = subprocess.Popen(argv, env=self.environment(), stdout=subprocess.DEVNULL)
        ran = answered = None
        while ran is None or answered is None:
            if answered is None and all(a == self.nodes[node] for a in self.ask(FLIP_NAME)):
                answered = time.monotonic() - begin
            if ran is None and child.poll() is not None:
                ran = time.monotonic() - begin
            if child.returncode or time.monotonic() > begin + START_LIMIT_S:
                child.kill()
                raise LabError(f"{' '.join(shown)}: exit {child.wait()}, "
                               f"dnsmasq says {self.ask(FLIP_NAME)}")
            time.sleep(0.0005)
        return " ".join(shown), self.nodes[node], ran, answered

    def agent_ms(self):
        """What the first agent says of its last flip: from Consul's answer to dnsmasq's."""
        return self.page("/v1/status")["outputs"][0]["last_flip_ms"]["served"]


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
include("{pairs}")
consul {{
	address = "{store}"
}}
agent {{
	node = "{host}"
	state-dir = "{dir}/state"
	http = "{address}:{http}"
	domain = "{domain}"
	vantage = yes
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


@functools.lru_cache
def user_name():
    """dnsmasq started by root becomes somebody else, who may not read the lab's folder."""
    return subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()


def program(name):
    path = os.path.join(os.environ.get("POINTSMAN_BUILD") or os.path.join(TOP, "build"), name)
    if not os.access(path, os.X_OK):
        raise LabError(f"{path} is not built")
    return path


@functools.lru_cache
def get_consul():
    return subprocess.run([os.path.join(TOP, "contrib", "get-consul"), "--offline"],
                          capture_output=True, text=True, check=False)


def consul_binary(asks_only=False):
    """The path of a consul; None (or an error) when there is none."""
    get = get_consul()
    if get.returncode == 0:
        return get.stdout.strip()
    if asks_only:
        return None
    raise LabError(get.stderr.strip())
