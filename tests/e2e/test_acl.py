"""ACLs: what a token may not read is left out without a word, and must not be taken for deleted."""
import json

import pytest

from conftest import Site, soak
from lib.consul import Consul
from lib.daemon import settle

PAUSE = soak(60, 1)  # when it is said, two consistent reads 2 s apart have been made already


@pytest.fixture(scope="module")
def server(module_procs):
    return Consul(module_procs, "guarded", acl=True).start()


class AclSite(Site):
    """A site whose agent has a token of its own, with a policy that the test rewrites."""

    def __init__(self, procs, server):
        self.secret = "5a4c1ae6-7ef4-4d0a-9c0b-%012d" % (Site._count + 1000)
        self.policy = None
        super().__init__(procs, server, token=self.secret, agent={"max-silence": "1s"})
        self.policy = server.api.json("PUT", "/v1/acl/policy", {
            "Name": "agent-%d" % self.id, "Rules": self.rules()})["ID"]
        self.make_token()

    def make_token(self):
        self.accessor = self.api.json("PUT", "/v1/acl/token", {
            "SecretID": self.secret, "Policies": [{"ID": self.policy}]})["AccessorID"]

    def rules(self, names="", nodes="", others=True):
        """What an agent needs; names and nodes are the prefixes it may read, None for nothing."""
        rules = 'agent_prefix "" { policy = "read" }\nsession_prefix "" { policy = "write" }\n'
        if others:
            rules += 'key_prefix "%s" { policy = "write" }\n' % self.root
        if names != "":
            rules += 'key_prefix "%snames/" { policy = "deny" }\n' % self.root
            for prefix in names or []:
                rules += 'key_prefix "%snames/%s" { policy = "read" }\n' % (self.root, prefix)
        if nodes is not None:
            rules += 'node_prefix "%s" { policy = "read" }\n' % nodes
        return rules

    def allow(self, **which):
        self.api.request("PUT", "/v1/acl/policy/" + self.policy, {
            "Name": "agent-%d" % self.id, "Rules": self.rules(**which)})


@pytest.fixture
def site(procs, server):
    return AclSite(procs, server).start()


def test_the_token_is_deleted(site):
    """403 for everything. The same secret, made again, brings it back."""
    site.api.request("DELETE", "/v1/acl/token/" + site.accessor)
    site.daemon.wait_problem("403|denied|token|ACL", 15)
    settle(PAUSE)
    site.make_token()
    site.flip("name-000", limit=20)
    site.check()


# title: the rights left
RIGHTS = {
    "none at all": dict(names=None, nodes=None, others=False),
    "no names": dict(names=None),
    "a quarter of the names": dict(names=["name-00"]),
    "all names but the canary": dict(names=["name-"]),
    "the canary and half of the names": dict(names=[".pointsman", "name-00", "name-01"]),
    "the canary alone": dict(names=[".pointsman"]),
}


@pytest.mark.parametrize("rights", RIGHTS)
def test_rights_are_withdrawn(site, rights):
    """Fails when a shorter list is believed because it came twice, with 200, from a healthy leader."""
    site.allow(**RIGHTS[rights])
    site.daemon.until("it is said", lambda s: s["problems"], 20)
    settle(PAUSE)
    site.allow()
    site.flip("name-001", limit=20)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 20)
    site.check()


@pytest.mark.parametrize("nodes", [None, "no-such-"])
def test_the_nodes_are_hidden(site, nodes):
    """`catalog/nodes` answers 200 with []: every node keeps its last known address."""
    site.allow(nodes=nodes)
    site.daemon.until("all are last known", lambda s: len(s["names"]["last_known"]) == len(site.names), 20)
    settle(PAUSE)
    # A flip between nodes that were known goes on travelling.
    site.flip("name-002", limit=10)
    site.allow()
    site.daemon.until("none is last known", lambda s: not s["names"]["last_known"], 20)
    site.flip("name-003", limit=10)
    site.check()


def test_a_start_without_rights(procs, server):
    """An agent that may read nothing serves what is on its disk, and says what is wrong."""
    site = AclSite(procs, server).start()
    site.daemon.terminate()
    site.allow(names=None, nodes=None)
    site.daemon.start()
    site.daemon.until("it is said", lambda s: s["problems"], 15)
    settle(PAUSE)
    site.check_file()
    site.allow()
    site.flip("name-004", limit=20)
    site.check()


def test_the_token_is_never_shown(site):
    """Not in the log (which is at its most talkative here), not on a page, not in the KV."""
    site.api.request("DELETE", "/v1/acl/token/" + site.accessor)
    site.daemon.until("it is said", lambda s: s["problems"], 15)
    places = {"log": site.daemon.log(), "status": json.dumps(site.daemon.status()),
              "metrics": site.daemon.http(path="/metrics")[2].decode(),
              "argv": open("/proc/%d/cmdline" % site.daemon.pid).read()}
    for place, text in places.items():
        assert site.secret not in text, place
