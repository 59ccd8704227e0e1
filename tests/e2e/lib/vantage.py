"""Agents that run checks, with timing that a test can wait for, and what they say."""
import json
import os

from .daemon import Pointsmand
from .proc import wait_for

# As the defaults, ten times as fast: failing within 3.4 s at the latest (a refused connection sooner).
QUICK = {"interval": "500ms", "fast-interval": "100ms", "timeout": "400ms",
         "failures-before-critical": 5, "window": "1s",
         "success-before-passing": 2, "success-window": "1s"}


class Vantage(Pointsmand):
    """A pointsmand with vantage = yes and no dnsmasq. checks and pairs get the quick timing."""

    def __init__(self, procs, consul_url, root, name="web-1", checks=None, pairs=None, timing=QUICK,
                 **kwargs):
        checks = {title: dict(timing, **members) for title, members in (checks or {}).items()}
        pairs = {title: dict(timing, **members) for title, members in (pairs or {}).items()}
        agent = dict({"vantage": True}, **kwargs.pop("agent", {}))
        super().__init__(procs, consul_url, root, name=name, agent=agent, checks=checks, pairs=pairs,
                         **kwargs)

    def page(self, path):
        code, _, body = self.http(path=path)
        assert code == 200, (code, body[:200])
        return json.loads(body)

    def checks(self):
        return {c["name"]: c for c in self.page("/v1/checks")}

    def check(self, name):
        return self.checks()[name]

    def own(self, name):
        """This vantage's own opinion."""
        for one in self.check(name)["vantages"]:
            if one["vantage"] == self.node:
                return one
        return {"state": None, "class": None}

    def pair(self, name):
        return {p["name"]: p for p in self.page("/v1/pairs")}[name]

    def wait_check(self, name, state, limit=10.0):
        wait_for("%s: %s is %s" % (self.node, name, state),
                 lambda: self.check(name)["known"] and self.check(name)["state"] == state, limit, 0.05)
        return self.check(name)

    def wait_known(self, limit=10.0):
        wait_for("all checks have run", lambda: all(c["known"] for c in self.checks().values()), limit,
                 0.05)
        return self


def seed(api, root, nodes=None, names=None):
    """Nodes as overrides, names, and the canary."""
    keys = {"%snodes/%s" % (root, node): address for node, address in (nodes or {}).items()}
    keys.update({"%snames/%s" % (root, name): value for name, value in (names or {}).items()})
    keys[root + "names/.pointsman"] = '{"cluster":"6f1f5f0a-5b1e-4a55-9a55-000000000001"}'
    api.put_all(keys)


def recording_hook(directory, name="hook"):
    """argv of a hook that keeps each of its inputs as a line, and the function that reads them."""
    path = os.path.join(directory, name + ".json")
    script = os.path.join(directory, name + ".sh")
    with open(script, "w") as f:
        f.write("#!/bin/sh\ncat >>%s\n" % path)
    os.chmod(script, 0o755)

    def calls():
        try:
            with open(path) as f:
                return [json.loads(line) for line in f if line.strip()]
        except OSError:
            return []
    return [script], calls
