"""Real Consul agents on loopback addresses of their own: one server, or three and a client."""
import base64
import http.client
import json
import os
import shutil
import signal
import time
import urllib.parse

from . import SOURCE
from .proc import Process, Timeout, free_port, loopback_net, wait_for

FETCHED = os.path.join(SOURCE, ".cache", "consul", "consul")


class ConsulError(Exception):
    def __init__(self, status, text):
        super().__init__("%d %s" % (status, text))
        self.status = status


def consul_binary():
    """CONSUL, the PATH, or where contrib/get-consul leaves it."""
    for candidate in (os.environ.get("CONSUL"), shutil.which("consul"), FETCHED):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    return None


class Api:
    """Consul's HTTP API over one kept connection. Errors are exceptions."""

    def __init__(self, address, port, token=None, limit=10.0):
        self.address, self.port, self.token, self.limit = address, port, token, limit
        self.conn = None

    def request(self, method, path, body=None, index=False):
        headers = {"X-Consul-Token": self.token} if self.token else {}
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        is_fresh = self.conn is None
        if is_fresh:
            self.conn = http.client.HTTPConnection(self.address, self.port, timeout=self.limit)
        try:
            self.conn.request(method, path, body, headers)
            answer = self.conn.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            # A connection kept over a restart says nothing about the server of now; all that tests
            # write may be written twice.
            if is_fresh:
                raise
            return self.request(method, path, body, index)
        if answer.status >= 400:
            raise ConsulError(answer.status, data.decode(errors="replace")[:200])
        if index:
            return data, int(answer.headers["X-Consul-Index"])
        return data

    def close(self):
        if self.conn is not None:
            self.conn.close()
            self.conn = None

    def json(self, method, path, body=None):
        return json.loads(self.request(method, path, body) or b"null")

    def put(self, key, value):
        assert self.json("PUT", "/v1/kv/" + urllib.parse.quote(key), value) is True

    def get(self, key):
        return self.request("GET", "/v1/kv/%s?raw&consistent" % urllib.parse.quote(key))

    def delete(self, key):
        self.request("DELETE", "/v1/kv/" + urllib.parse.quote(key))

    def delete_tree(self, prefix):
        self.request("DELETE", "/v1/kv/%s?recurse" % urllib.parse.quote(prefix))

    def list(self, prefix):
        """{key: value}, and {} where there is nothing."""
        try:
            entries = self.json("GET", "/v1/kv/%s?recurse&consistent" % urllib.parse.quote(prefix))
        except ConsulError as e:
            if e.status != 404:
                raise
            return {}
        return {e["Key"]: base64.b64decode(e["Value"] or "") for e in entries}

    def index(self, prefix):
        """The index of a prefix: the generation that a file of it has."""
        try:
            return self.request("GET", "/v1/kv/%s?keys&consistent" % urllib.parse.quote(prefix),
                                index=True)[1]
        except ConsulError as e:
            if e.status != 404:
                raise
            return 0

    def txn(self, operations):
        """operations: list of (verb, key, value); at most 64 go into one transaction."""
        for at in range(0, len(operations), 64):
            self.request("PUT", "/v1/txn", [
                {"KV": {"Verb": verb, "Key": key,
                        "Value": base64.b64encode(value.encode() if isinstance(value, str)
                                                  else value).decode()}}
                for verb, key, value in operations[at:at + 64]])

    def put_all(self, pairs):
        self.txn([("set", k, v) for k, v in pairs.items()])

    def register(self, node, address):
        self.request("PUT", "/v1/catalog/register", {"Node": node, "Address": address})

    def deregister(self, node):
        self.request("PUT", "/v1/catalog/deregister", {"Node": node})

    def nodes(self):
        return {n["Node"]: n["Address"] for n in self.json("GET", "/v1/catalog/nodes")}

    def leader(self):
        return self.json("GET", "/v1/status/leader")

    def snapshot(self):
        return self.request("GET", "/v1/snapshot")

    def restore(self, archive):
        self.request("PUT", "/v1/snapshot", archive)


class Consul(Process):
    """One agent: a server, or a client that joins servers."""

    def __init__(self, procs, name="consul", address=None, servers=None, is_server=True,
                 bootstrap=1, acl=False, raft_multiplier=1, extra=None):
        self.address = address or loopback_net() + "1"
        self.port = free_port(self.address)
        self.data = os.path.join(procs.dir, name + "-data")
        self.token = "5a4c1ae6-7ef4-4d0a-9c0b-000000000001" if acl else None
        config = {
            "server": is_server, "datacenter": "dc1", "node_name": name, "data_dir": self.data,
            "bind_addr": self.address, "client_addr": self.address,
            "ports": {"http": self.port, "dns": -1, "grpc": -1, "serf_wan": -1},
            "performance": {"raft_multiplier": raft_multiplier},
            "disable_update_check": True, "log_level": "warn",
            # Default: 200 connections from one address; a fleet of test agents has one address.
            "limits": {"http_max_conns_per_client": 5000},
        }
        if is_server:
            config["bootstrap_expect"] = bootstrap
        if servers:
            config["retry_join"] = servers
            config["retry_interval"] = "1s"
        if acl:
            config["acl"] = {"enabled": True, "default_policy": "deny",
                             "tokens": {"master": self.token, "agent": self.token}}
        config.update(extra or {})
        path = os.path.join(procs.dir, name + ".json")
        with open(path, "w") as f:
            json.dump(config, f)
        super().__init__(procs, name, [consul_binary(), "agent", "-config-file", path],
                         env={"GOMAXPROCS": "2"})
        self.api = Api(self.address, self.port, self.token)

    @property
    def url(self):
        return "http://%s:%d" % (self.address, self.port)

    def start(self, limit=30.0):
        """Starts and waits until it can be written to. limit 0: does not wait."""
        super().start()
        if limit:
            self.wait_writable(limit)
        return self

    def wait_writable(self, limit=30.0):
        def try_write():
            if not self.is_alive():
                raise AssertionError("consul ended:\n" + self.log()[-2000:])
            try:
                self.api.put("e2e/ready", str(time.monotonic_ns()))
                return True
            except (OSError, ConsulError, http.client.HTTPException):
                return False
        wait_for("consul %s writable" % self.name, try_write, limit, 0.02)

    def wipe(self):
        """Ends it and removes all it knew; start() then begins from nothing."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def ensure(self):
        """Up and writable again, whatever a test that failed has left."""
        if self.is_alive():
            self.thaw()
            self.wait_writable()
        else:
            self.api.close()
            self.start()

    def restart(self, signo=signal.SIGTERM):
        if signo == signal.SIGKILL:
            self.kill()
        else:
            self.terminate(20)
        self.api.close()
        self.start()


class Cluster:
    """Three servers, and a client agent to which pointsmand talks, as on every host in production."""

    def __init__(self, procs, raft_multiplier=1, with_client=True):
        net = loopback_net()
        addresses = [net + str(i) for i in (1, 2, 3)]
        self.servers = [Consul(procs, "server%d" % (i + 1), a, addresses, bootstrap=3,
                               raft_multiplier=raft_multiplier)
                        for i, a in enumerate(addresses)]
        self.client = Consul(procs, "client", net + "4", addresses, is_server=False) \
            if with_client else self.servers[0]

    def start(self):
        for s in self.servers:
            s.start(limit=0)
        if self.client not in self.servers:
            self.client.start(limit=0)
        self.wait_writable()
        return self

    def wait_writable(self, limit=60.0):
        self.client.wait_writable(limit)

    def keep_dead_servers(self):
        """One that was gone for some seconds stays a voter. Autopilot would throw it out, and let it vote again
        only 10 s after its return: two that die in turn by then are two of three, and nobody can be elected."""
        settings = self.api.json("GET", "/v1/operator/autopilot/configuration")
        settings["CleanupDeadServers"] = False
        self.api.request("PUT", "/v1/operator/autopilot/configuration", settings)

    @property
    def api(self):
        return self.client.api

    @property
    def url(self):
        return self.client.url

    def ensure(self):
        for agent in {*self.servers, self.client}:
            if agent.is_alive():
                agent.thaw()
            else:
                agent.api.close()
                agent.start(limit=0)
        self.wait_writable()

    def leader(self):
        """The server that leads, None when none does."""
        for s in self.servers:
            try:
                address = s.api.leader().split(":")[0]
            except (OSError, ConsulError, http.client.HTTPException):
                continue
            for t in self.servers:
                if t.address == address:
                    return t
        return None


__all__ = ["Api", "Cluster", "Consul", "ConsulError", "Timeout", "consul_binary"]
