"""The harness is only worth something if it notices: each test here breaks a promise on purpose, with
no pointsmand in sight, and expects the hammer to say so."""
import os
import time

import pytest

from lib.dnsmasq import Dnsmasq
from lib.hammer import Hammer
from lib.proc import Process, Procs, wait_for

pytestmark = pytest.mark.harness

NAMES = {"n%02d" % i: "10.9.0.%d" % (i + 1) for i in range(20)}


def write_hosts(path, names):
    with open(path + ".tmp", "w") as f:
        for name, address in names.items():
            f.write("%s\t%s.service.consul %s\n" % (address, name, name))
    os.chmod(path + ".tmp", 0o644)
    os.rename(path + ".tmp", path)


@pytest.fixture
def dnsmasq(procs):
    path = os.path.join(procs.dir, "hosts")
    write_hosts(path, NAMES)
    d = Dnsmasq(procs, path).start()
    d.reload = lambda: d.signal(1)
    return d


def test_it_is_content_when_all_is_well(procs, dnsmasq):
    hammer = Hammer(procs, dnsmasq, NAMES)
    time.sleep(1.5)
    report = hammer.check()
    assert set(report.by_name) == set(NAMES)


@pytest.mark.parametrize("names, seen", [
    ({}, "NXDOMAIN"),
    (dict(NAMES, n03="10.9.9.9"), "10.9.9.9"),
    ({k: v for k, v in NAMES.items() if k != "n03"}, "NXDOMAIN"),
])
def test_it_sees_a_file_that_lies_for_a_moment(procs, dnsmasq, names, seen):
    hammer = Hammer(procs, dnsmasq, NAMES)
    time.sleep(0.3)
    write_hosts(dnsmasq.hosts, names)
    dnsmasq.reload()
    time.sleep(0.15)
    write_hosts(dnsmasq.hosts, NAMES)
    dnsmasq.reload()
    time.sleep(0.3)
    report = hammer.stop()
    assert seen in {answer for _, _, answer in report.bad}
    with pytest.raises(AssertionError):
        hammer.check()


def test_a_flip_is_right_before_and_after_but_not_back(procs, dnsmasq):
    hammer = Hammer(procs, dnsmasq, NAMES)
    for address in ("10.9.1.1", "10.9.1.2"):
        hammer.expect("n05", address)
        write_hosts(dnsmasq.hosts, dict(NAMES, n05=address))
        dnsmasq.reload()
        dnsmasq.wait_answer("n05", address)
        hammer.settle("n05", address)
        time.sleep(0.3)
    assert not hammer.stop().bad

    hammer = Hammer(procs, dnsmasq, dict(NAMES, n05="10.9.1.2"))
    write_hosts(dnsmasq.hosts, NAMES)
    dnsmasq.reload()
    time.sleep(0.3)
    assert {(n, a) for _, n, a in hammer.stop().bad} >= {("n05", NAMES["n05"])}


def test_silence_counts_unless_dnsmasq_was_down(procs, dnsmasq):
    hammer = Hammer(procs, dnsmasq, NAMES)
    time.sleep(0.2)
    dnsmasq.kill()
    time.sleep(0.3)
    dnsmasq.start()
    time.sleep(0.2)
    assert not hammer.stop().bad

    hammer = Hammer(procs, dnsmasq, NAMES)
    time.sleep(0.1)
    dnsmasq.freeze()
    time.sleep(2.3)
    dnsmasq.thaw()
    assert "TIMEOUT" in {answer for _, _, answer in hammer.stop().bad}


def test_leftovers_are_found_and_ended(base_dir):
    procs = Procs(os.path.join(base_dir, "leftovers"))
    os.mkdir(procs.dir)
    parent = Process(procs, "parent", ["/bin/sh", "-c", "setsid sleep 4711 & wait"]).start()
    # Only as "sleep" is it in a group of its own; before that the kill below would take it along.
    wait_for("the grandchild", lambda: any(left[1].startswith("sleep") for left in procs.leftovers()))
    parent.kill()
    left = procs.close()
    assert len(left) == 1 and "sleep 4711" in left[0][1]
    assert not procs.leftovers()


def test_consul_answers_and_survives(procs):
    from lib.consul import Consul
    consul = Consul(procs).start()
    consul.api.put("a/b", "c")
    consul.api.register("db1", "10.1.1.1")
    assert consul.api.nodes()["db1"] == "10.1.1.1"
    archive = consul.api.snapshot()
    consul.restart()
    assert consul.api.get("a/b") == b"c"
    consul.wipe()
    consul.start()
    assert consul.api.list("a/") == {}
    consul.api.restore(archive)
    assert consul.api.list("a/") == {"a/b": b"c"}
