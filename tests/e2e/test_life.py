"""The agent's own life: started without Consul, told to reload, ended, watched by systemd."""
import os
import re
import signal
import socket
import time

import pytest

from conftest import Site
from lib.daemon import settle
from lib.fake import FakeConsul
from lib.proc import wait_for


@pytest.mark.parametrize("fault", ["reset", "hang", "status", "nobody listens"])
def test_a_cold_start_without_consul(fake_site, fault):
    """The host was rebooted and Consul is away: the file is there again at once, from our own disk."""
    site = fake_site
    site.flip("name-000")
    site.daemon.wait_generation(site.generation())
    site.daemon.terminate()
    if fault == "nobody listens":
        site.fake.kill()
    else:
        site.fake.spoil("", fault, code=500)
    site.dnsmasq.kill()
    os.unlink(site.hosts)
    began = time.monotonic()
    site.daemon.start()
    wait_for("the file", lambda: os.path.exists(site.hosts), 5, 0.002)
    assert time.monotonic() - began < 2
    site.dnsmasq.start()
    site.check_file()
    site.check_dns()
    site.daemon.wait_state("served", 20)
    site.daemon.until("Consul is said to be away", lambda s: not s["consul"]["up"] and s["problems"], 30)
    if fault == "nobody listens":
        site.fake.start()
    else:
        site.fake.heal(cut=True)
    site.flip("name-001", limit=30)
    site.check()


def test_a_first_start_without_consul(procs, consul):
    """Nothing known, nobody to ask: no file is written (an empty one would erase every name)."""
    fake = FakeConsul(procs, consul)
    site = Site(procs, fake)
    site.dnsmasq.start()
    site.daemon.start()
    settle(2)
    assert not os.path.exists(site.hosts)
    assert site.daemon.status()["problems"] and not site.daemon.status()["consul"]["up"]
    fake.start()
    site.daemon.wait_generation(site.generation(), 20)
    site.check_file()


def test_a_first_start_over_a_file_of_somebody_else(procs, consul):
    """The hosts file that an older tool left is replaced, and kept beside it."""
    site = Site(procs, consul)
    with open(site.hosts, "w") as f:
        f.write("10.1.1.1\tname-000.service.consul name-000\n")
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.wait_generation(site.generation())
    site.check_file()
    site.check_dns()


def test_once_without_consul(fake_site):
    """`--once` cannot do its work: it says so with its exit status, and harms nothing."""
    site = fake_site
    site.daemon.terminate()
    before = open(site.hosts).read()
    site.fake.kill()
    assert site.daemon.run_once("--once", limit=60) != 0
    assert open(site.hosts).read() == before
    site.check()


def test_reload_with_a_good_configuration(site):
    """SIGHUP: another output appears, and the first one never blinks."""
    other = os.path.join(site.procs.dir, "other-hosts")
    site.daemon.config.outputs["other"] = {"template": "hosts.mustache", "path": other}
    site.daemon.write_config()
    site.daemon.signal(signal.SIGHUP)
    wait_for("the other output", lambda: os.path.exists(other), 5)
    site.flip("name-000")
    site.daemon.until("both", lambda s: {o["name"]: o["state"] for o in s["outputs"]} == {
        "hosts": "served", "other": "written"}, 5)
    del site.daemon.config.outputs["other"]
    site.daemon.write_config()
    site.daemon.signal(signal.SIGHUP)
    site.daemon.until("one", lambda s: [o["name"] for o in s["outputs"]] == ["hosts"], 5)
    site.flip("name-001")
    assert os.path.exists(other), "a file outlives its output: somebody may still read it"
    site.check()


@pytest.mark.parametrize("what", ["syntax", "unknown key", "missing template", "missing file", "bad value"])
def test_reload_with_a_bad_configuration(site, what):
    """Refused, said, and the old one stays in force: the same agent goes on, untouched."""
    settle(1.1)  # since is in seconds
    since = site.daemon.status()["since"]
    good = site.daemon.config.text()
    bad = {"syntax": good + "\noutput {{{", "unknown key": good.replace("agent {", "agent {\n  colour = 1"),
           "missing template": good.replace("hosts.mustache", "nowhere.mustache"),
           "bad value": good.replace("mode = 0644", "mode = banana")}.get(what)
    if bad is None:
        os.unlink(site.daemon.config_path)
    else:
        with open(site.daemon.config_path, "w") as f:
            f.write(bad)
    site.daemon.signal(signal.SIGHUP)
    site.daemon.wait_problem("config|reload", 5)
    assert site.daemon.status()["since"] == since
    site.flip("name-002")
    site.daemon.write_config()
    site.daemon.signal(signal.SIGHUP)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 5)
    site.flip("name-003")
    site.check()


def test_many_reloads(site):
    """Each frees what the one before had."""
    site.flip("name-000")
    for _ in range(20):
        site.daemon.signal(signal.SIGHUP)
        settle(0.03)
    site.flip("name-001")
    settle(0.5)
    fds, rss = site.daemon.fds(), site.daemon.status_kb("VmRSS")
    for _ in range(40):
        site.daemon.signal(signal.SIGHUP)
        settle(0.03)
    site.flip("name-002")
    settle(0.5)
    assert site.daemon.fds() <= fds + 1 and site.daemon.status_kb("VmRSS") <= rss + 1024
    site.check()


def test_a_start_with_a_bad_configuration(site):
    """Exit 2, and every error at once: file, line, key, value, what is allowed."""
    site.daemon.terminate()
    text = site.daemon.config.text().replace("mode = 0644", 'mode = 0644\n  settle-min = "soon"')
    text = text.replace("agent {", "agent {\n  colour = \"red\"")
    with open(site.daemon.config_path, "w") as f:
        f.write(text)
    before = len(site.daemon.log())
    assert site.daemon.run_once() == 2
    said = site.daemon.log()[before:]
    for part in (r"pointsman\.conf:\d+", "colour", "settle-min", "soon"):
        assert re.search(part, said), (part, said)
    code, out, err = site.cli("config", "check")
    assert code == 2 and "colour" in out + err and "settle-min" in out + err
    site.check()


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(site, signo):
    """Exit 0, soon; the file stays; nobody is left."""
    began = time.monotonic()
    site.daemon.signal(signo)
    assert site.daemon.wait(5) == 0, site.daemon.log()[-2000:]
    assert time.monotonic() - began < 3
    left = [p for p in site.procs.leftovers() if "pointsmand" in p[1]]
    assert not left, left
    site.check_file()
    site.check()


def test_it_ends_while_consul_hangs(fake_site):
    site = fake_site
    site.fake.spoil("", "hang")
    settle(1)
    site.daemon.signal(signal.SIGTERM)
    assert site.daemon.wait(8) == 0
    site.check()


def test_systemd_is_told(procs, consul):
    """READY=1 once it serves, WATCHDOG=1 in time, STOPPING=1 at the end."""
    path = os.path.join(procs.dir, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(5)
        site = Site(procs, consul, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"})
        site.dnsmasq.start()
        site.daemon.start()

        def hear(what, limit):
            end, heard = time.monotonic() + limit, []
            while time.monotonic() < end:
                heard.append(s.recv(4096).decode())
                if what in heard[-1]:
                    return True
            raise AssertionError("%s was not said: %s" % (what, heard))
        hear("READY=1", 5)
        hear("WATCHDOG=1", 2)
        hear("WATCHDOG=1", 2)
        site.daemon.signal(signal.SIGTERM)
        hear("STOPPING=1", 3)
        assert site.daemon.wait(5) == 0
