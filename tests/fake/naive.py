#!/usr/bin/env python3
"""An agent as everybody writes it first: it believes whatever Consul says.

The tests of tests/e2e are run against it once in a while: each test of the fault list must
fail here, or it proves nothing. It reads pointsmand's configuration and serves /v1/status, watches the
names and the nodes, joins them, writes the file and signals the pidfile's process: no guard, no canary,
no second read, no memory of nodes, no proof, no check of names. Only what would harm the machine that
runs the tests is left out: it signals nobody below pid 2.
"""
import base64
import http.server
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request


class Naive:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.names, self.nodes, self.index, self.error = {}, {}, 0, None
        self.load()

    def load(self):
        text = open(self.path).read()

        def value(key, default=None):
            found = re.search(r'^\s*%s = "?([^"\n]*)"?$' % key, text, re.M)
            return found.group(1) if found else default
        self.url, self.root = value("address"), value("root")
        self.prefix = value("names") or self.root + "names/"
        self.hosts, self.pidfile = value("path"), value("pidfile")
        self.http, self.node = value("http"), value("node")
        self.state_dir = value("state-dir")

    def ask(self, path, index):
        mark = "&" if "?" in path else "?"
        request = urllib.request.Request("%s%s%sindex=%d&wait=10s" % (self.url, path, mark, index))
        if os.environ.get("CONSUL_HTTP_TOKEN"):
            request.add_header("X-Consul-Token", os.environ["CONSUL_HTTP_TOKEN"])
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer) or [], int(answer.headers["X-Consul-Index"])
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return [], int(e.headers.get("X-Consul-Index") or 0)
            raise

    def watch(self, path, use):
        index = 0
        while True:
            try:
                entries, index = self.ask(path, index)
                with self.lock:
                    use(entries, index)
                    self.error = None
                    self.render()
            except Exception as e:
                self.error, index = str(e), 0
                time.sleep(0.3)

    def use_names(self, entries, index):
        self.index = index
        self.names = {e["Key"][len(self.prefix):]: base64.b64decode(e["Value"] or "").decode(
            errors="replace") for e in entries if e["Key"].startswith(self.prefix)}

    def use_nodes(self, entries, index):
        self.nodes = {e["Node"]: e["Address"] for e in entries}

    def render(self):
        if not self.index or not self.nodes:
            return
        lines = ["fd70:6d::%x:%x:%x:%x\tgeneration.pointsman.internal" % tuple(
            self.index >> s & 0xffff for s in (48, 32, 16, 0))]
        for name, value in sorted(self.names.items()):
            for node in value.split(","):
                if node in self.nodes:
                    lines.append("%s\t%s.service.consul %s" % (self.nodes[node], name, name))
        text = "\n".join(lines) + "\n"
        if os.path.exists(self.hosts) and open(self.hosts).read() == text:
            return
        with open(self.hosts + ".tmp", "w") as f:
            f.write(text)
        os.chmod(self.hosts + ".tmp", 0o644)
        os.rename(self.hosts + ".tmp", self.hosts)
        if self.pidfile:
            pid = int(open(self.pidfile).read())
            if pid > 1:
                os.kill(pid, signal.SIGHUP)

    def status(self):
        output = {"name": "hosts", "path": self.hosts, "state": "served", "generation": self.index,
                  "digest": "sha256:", "error": None, "last_flip_ms": {}}
        return {"node": self.node, "generation": self.index, "index": self.index,
                "consul": {"up": self.error is None, "error": self.error}, "outputs": [output],
                "names": {"total": len(self.names), "rejected": [], "last_known": []},
                "problems": [{"severity": "critical", "what": self.error}] if self.error else []}

    def serve(self):
        naive = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(naive.status()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        address, port = self.http.split(":")
        http.server.ThreadingHTTPServer((address, int(port)), Page).serve_forever()


def main():
    naive = Naive(sys.argv[sys.argv.index("-c") + 1])
    signal.signal(signal.SIGHUP, lambda *_: naive.load())
    watches = (("/v1/kv/%sn?recurse" % naive.root, naive.use_names),
               ("/v1/catalog/nodes", naive.use_nodes))
    for path, use in watches:
        threading.Thread(target=naive.watch, args=(path, use), daemon=True).start()
    naive.serve()


main()
