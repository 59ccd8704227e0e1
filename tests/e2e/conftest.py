"""Fixtures: a private directory, processes that all die with the test, a Consul that tests share, and a
site: names in a KV root of its own, nodes, dnsmasq, pointsmand and the hammer."""
import json
import os
import shutil
import time

import pytest

from lib.consul import Consul, consul_binary
from lib.daemon import Pointsmand, program, run_cli
from lib.dnsmasq import Dnsmasq
from lib.fake import FakeConsul
from lib.folder import make_run_folder, remove_run_folder, run_folder
from lib.hammer import Hammer
from lib.proc import Procs

IS_SOAK = os.environ.get("SOAK", "") not in ("", "0")


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: the long form, only with SOAK=1")
    config.addinivalue_line("markers", "harness: tests the harness itself, needs no pointsmand")
    if not hasattr(config, "workerinput"):
        make_run_folder()


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        remove_run_folder()


# They wait long and work little: with --dist loadfile the last file that runs must not be one of them.
FIRST = ("test_jitter", "test_foreign_failover", "test_vantages", "test_proposal", "test_faults_mysql", "test_doctor",
         "test_errant", "test_fake_alone", "test_emergency", "test_emergency_cut", "test_failover_redis")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))
    for item in items:
        if "soak" in item.keywords and not IS_SOAK:
            item.add_marker(pytest.mark.skip(reason="a long run: make soak"))


def pytest_sessionstart(session):
    missing = [name for name, path in (("consul", consul_binary()), ("dnsmasq", shutil.which("dnsmasq")))
               if not path]
    if missing:
        pytest.exit("these tests need real servers, and there is no " + " and no ".join(missing), 2)


def soak(long, short):
    """The long form under SOAK=1, the short one else."""
    return long if IS_SOAK else short


@pytest.fixture(scope="session")
def base_dir():
    """A folder of this worker."""
    path = os.path.join(run_folder(), os.environ.get("PYTEST_XDIST_WORKER", "gw"))
    os.mkdir(path)
    os.chmod(path, 0o755)
    return path


_dir_count = [0]


def make_procs(base_dir, name):
    _dir_count[0] += 1
    path = os.path.join(base_dir, "%03d-%s" % (_dir_count[0], name[:40].replace("/", "-")))
    os.mkdir(path)
    return Procs(path)


def close_procs(procs):
    left = procs.close()
    assert not left, "processes were left over: %s" % left


@pytest.fixture
def procs(base_dir, request):
    p = make_procs(base_dir, request.node.name)
    yield p
    close_procs(p)


@pytest.fixture(scope="module")
def module_procs(base_dir, request):
    p = make_procs(base_dir, request.module.__name__)
    yield p
    close_procs(p)


@pytest.fixture(scope="session")
def consul(base_dir):
    """One server for all tests that do it no harm; each uses a root of its own."""
    p = make_procs(base_dir, "shared-consul")
    yield Consul(p).start()
    close_procs(p)


class Site:
    """What every test needs: names on nodes, dnsmasq, an agent, and the hammer on all of it."""

    _count = 0

    def __init__(self, procs, server, names=40, nodes=8, canary=True, **daemon_args):
        """server: a Consul or a Cluster; with names=0 the KV is left alone."""
        Site._count += 1
        self.procs, self.server, self.api = procs, server, server.api
        self.id = Site._count
        self.root = "t%d/" % self.id
        self.hosts_dir = os.path.join(procs.dir, "hosts-%d" % self.id)
        os.mkdir(self.hosts_dir)
        os.chmod(self.hosts_dir, 0o755)
        self.hosts = os.path.join(self.hosts_dir, "hosts")
        self.nodes = {"t%d-db%d" % (self.id, i): "10.%d.0.%d" % (self.id % 250, i + 1)
                      for i in range(nodes)}
        self.names = {"name-%03d" % i: self.node(i % nodes) for i in range(names)}
        self.dnsmasq = Dnsmasq(procs, self.hosts, name="dnsmasq-%d" % self.id)
        daemon_args.setdefault("name", "agent-%d" % self.id)
        self.daemon = Pointsmand(procs, server.url, self.root, self.dnsmasq, **daemon_args)
        self.hammer = None
        self.has_canary = canary
        if names:
            self.seed()

    def node(self, i):
        return "t%d-db%d" % (self.id, i)

    def key(self, name):
        return "%snames/%s" % (self.root, name)

    def seed(self):
        """Everything into Consul as it should be."""
        for node, address in self.nodes.items():
            self.api.register(node, address)
        pairs = {self.key(name): node for name, node in self.names.items()}
        if self.has_canary:
            pairs[self.key(".pointsman")] = \
                '{"cluster":"6f1f5f0a-5b1e-4a55-9a55-00000000%04d"}' % self.id
        self.api.put_all(pairs)

    def expected(self):
        """{name: address} as dnsmasq should answer."""
        return {name: self.nodes[node] for name, node in self.names.items()}

    def generation(self):
        return self.api.index(self.root + "n")

    def document(self):
        """What the agent has published of itself, which comes a moment after it is so; {}: nothing yet."""
        key = "%sagents/%s" % (self.root, self.daemon.node)
        return json.loads(self.api.list(key).get(key, b"{}"))

    def start(self, hammer=True):
        self.dnsmasq.start()
        self.daemon.start()
        self.daemon.wait_generation(self.generation())
        if hammer:
            self.start_hammer()
        return self

    def start_hammer(self, **kwargs):
        hammer = self.hammer = Hammer(self.procs, self.dnsmasq, self.expected(), **kwargs)

        def last_word():  # of a test that failed elsewhere: was a promise broken as well?
            if hammer.report is None:
                print("hammer:", hammer.stop(), sorted({b[1:] for b in hammer.report.bad})[:5])
        self.procs.at_close(last_word)

    def flip(self, name, node=None, limit=10.0):
        """Moves a name and waits until dnsmasq answers with its new address and nothing else may."""
        if node is None:
            nodes = sorted(self.nodes)
            node = nodes[(nodes.index(self.names[name]) + 1) % len(nodes)]
        address = self.nodes[node]
        if self.hammer:
            self.hammer.expect(name, address)
        began = time.monotonic()
        self.api.put(self.key(name), node)
        self.dnsmasq.wait_answer(name, address, limit)
        took = time.monotonic() - began
        self.names[name] = node
        if self.hammer:
            self.hammer.settle(name, address)
        return took

    def check_file(self):
        """The hosts file says exactly what was expected."""
        assert self.daemon.file_lines() == {n: [a] for n, a in self.expected().items()}

    def check_dns(self):
        wrong = {n: self.dnsmasq.address_of(n) for n, a in self.expected().items()
                 if self.dnsmasq.address_of(n) != a}
        assert not wrong, wrong

    def cli(self, *args, **kwargs):
        return run_cli(self.daemon.config_path, *args, **kwargs)

    def check(self):
        """The end of every fault test: no bad answer, and what is served is what should be."""
        report = self.hammer.check()
        self.check_dns()
        return report


@pytest.fixture
def site(procs, consul):
    """A site on the shared Consul, started and under the hammer."""
    return Site(procs, consul).start()


@pytest.fixture
def fake_site(procs, consul):
    """The same, and site.fake between the agent and Consul."""
    fake = FakeConsul(procs, consul).start()
    site = Site(procs, fake, agent={"max-silence": "3s"})
    site.fake = fake
    return site.start()


@pytest.fixture(scope="session", autouse=True)
def built(request):
    """A test of pointsmand without pointsmand is a failure, and not thirty different ones."""
    items = request.session.items
    if all("harness" in i.keywords for i in items):
        return
    for name in ("pointsmand", "pointsman"):
        if not os.access(program(name), os.X_OK):
            pytest.exit("%s is not built (POINTSMAN_BUILD)" % program(name), 2)
