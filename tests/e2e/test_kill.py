"""SIGKILL at every system call of a render: the file is the old one or the new one, never anything else,
and the next start mends what was owed."""
import os
import re

import pytest

from conftest import Site, soak
from lib.daemon import parse_hosts
from lib.proc import Timeout, wait_for
from lib.strace import Strace


def flip_to(site, name):
    nodes = sorted(site.nodes)
    return nodes[(nodes.index(site.names[name]) + 1) % len(nodes)]


def calls_of_a_render(site):
    """Every system call from a flip's arrival to its publication: (name, the how-many-eth of its kind)."""
    strace = Strace(site.procs, site.daemon.pid).start()
    site.flip("name-000")
    site.daemon.wait_generation(site.generation())
    # Published as well: that is the end of a render.
    key, generation = site.root + "agents/" + site.daemon.node, site.generation()
    wait_for("published", lambda: b'"generation":%d' % generation in re.sub(
        rb"\s", b"", site.api.list(key).get(key, b"")), 5)
    strace.detach()
    seen, points = {}, []
    for name, _ in strace.calls():
        if name in ("restart_syscall", "exit_group"):
            continue
        seen[name] = seen.get(name, 0) + 1
        points.append((name, seen[name]))
    return points


def kill_at(site, call, nth):
    """One flip with a deadly nth call; then the next start. Returns whether it was killed there."""
    name, node = "name-001", flip_to(site, "name-001")
    old, new = open(site.hosts).read(), None
    site.hammer.expect(name, site.nodes[node])
    strace = Strace(site.procs, site.daemon.pid, call,
                    "%s:signal=KILL:when=%d" % (call, nth), name="kill").start()
    site.api.put(site.key(name), node)
    site.names[name] = node
    new = {n: [a] for n, a in site.expected().items()}
    try:
        site.daemon.wait_generation(site.generation(), limit=2)
    except (Timeout, AssertionError):
        pass
    try:
        wait_for("killed", lambda: not site.daemon.is_alive(), 1.0)
    except Timeout:
        pass
    was_killed = not site.daemon.is_alive()
    strace.kill()
    with open(site.hosts) as f:
        text = f.read()
    assert text == old or parse_hosts(text) == new, "neither the old nor the new file after %s #%d" % (
        call, nth)
    assert text.endswith("\n")
    if was_killed:
        site.daemon.start()
    site.dnsmasq.wait_answer(name, site.nodes[node], 10)
    site.hammer.settle(name, site.nodes[node])
    site.daemon.wait_generation(site.generation())
    assert not [f for f in os.listdir(site.hosts_dir) if f.endswith(".tmp")], "a temporary file stays"
    site.check_file()
    return was_killed


def spread(points, count):
    """count of them, evenly, and each that touches a file."""
    if len(points) <= count:
        return points
    files = [p for p in points if p[0] in (
        "openat", "write", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat",
        "fchmod", "unlink", "unlinkat", "kill", "pidfd_send_signal")]
    count = min(count, len(files))
    return [files[i * (len(files) - 1) // max(1, count - 1)] for i in range(count)]


def test_killed_at_every_system_call(site):
    """Fails when the file is written in place, when the state is written after the rename instead of
    before it, or when the owed signal is forgotten by the next start."""
    points = calls_of_a_render(site)
    assert len(points) > 20, points
    chosen = points if soak(True, False) else spread(points, 14)
    missed = []
    for call, nth in chosen:
        if not kill_at(site, call, nth):
            missed.append((call, nth))
    print("%d calls in a render, killed at %d; not reached: %s" % (
        len(points), len(chosen) - len(missed), missed))
    # The order of epoll_wait and friends is not the same each time; most must have been deadly.
    assert len(missed) <= len(chosen) // 3, missed
    site.check()


@pytest.mark.parametrize("is_proven", [True, False])
def test_killed_while_the_signal_is_owed(procs, consul, is_proven):
    """Killed between the rename and dnsmasq's HUP: the next start signals, though the file is already
    what it would write. Also where no proof is asked for, which would notice by itself."""
    site = Site(procs, consul, output={} if is_proven else {"prove": ""}).start()
    node = flip_to(site, "name-002")
    strace = Strace(site.procs, site.daemon.pid, "kill,pidfd_send_signal,tgkill",
                    "kill,pidfd_send_signal:signal=KILL:when=1", name="kill").start()
    site.hammer.expect("name-002", site.nodes[node])
    site.api.put(site.key("name-002"), node)
    site.names["name-002"] = node
    wait_for("killed", lambda: not site.daemon.is_alive(), 5)
    strace.kill()
    site.check_file()
    site.daemon.start()
    site.dnsmasq.wait_answer("name-002", site.nodes[node], 5)
    site.hammer.settle("name-002", site.nodes[node])
    site.daemon.wait_generation(site.generation())
    site.check()


def test_killed_again_and_again(site):
    """At no particular moment, under a stream of flips."""
    for i in range(soak(200, 6)):
        name = "name-%03d" % (i % 40)
        node = flip_to(site, name)
        site.hammer.expect(name, site.nodes[node])
        site.api.put(site.key(name), node)
        site.names[name] = node
        wait_for("a moment", lambda: True, 1)
        if i % 2:
            import time
            time.sleep((i % 7) * 0.002)
        site.daemon.kill()
        site.daemon.start()
        site.dnsmasq.wait_answer(name, site.nodes[node], 10)
        site.hammer.settle(name, site.nodes[node])
    site.check_file()
    site.check()


@pytest.mark.parametrize("damage", ["nothing", "empty", "noise", "missing", "half"])
def test_a_damaged_state_directory(procs, consul, damage):
    """The state is ours and written whole, but disks are disks: a start over noise says so, believes
    Consul, and never the noise. With Consul away the file that is there is left alone."""
    site = Site(procs, consul).start()
    site.daemon.terminate()
    for f in os.listdir(site.daemon.state_dir):
        path = os.path.join(site.daemon.state_dir, f)
        if not os.path.isfile(path) or damage == "nothing":
            continue
        if damage == "missing":
            os.unlink(path)
            continue
        data = open(path, "rb").read()
        with open(path, "wb") as out:
            out.write({"empty": b"", "noise": bytes(range(256)) * 9, "half": data[:len(data) // 2]}[damage])
    site.daemon.start()
    site.daemon.wait_state("served")
    site.flip("name-003")
    site.check_file()
    site.check()
