"""The disk is full, read-only, or fails: the old file stays, it is said, and it is mended by itself."""
import os
import subprocess

import pytest

from conftest import Site, soak
from lib.daemon import file_generation, settle
from lib.strace import Strace

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs: needs root")


class Tmpfs:
    """A small disk of our own."""

    def __init__(self, procs, path, size="128k"):
        self.path = path
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=" + size, "tmpfs", path], check=True)
        procs.at_close(lambda: subprocess.run(["umount", "-l", path], check=True))

    def fill(self):
        with open(os.path.join(self.path, "filler"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.path, "filler"))

    def remount(self, how):
        subprocess.run(["mount", "-o", "remount," + how, self.path], check=True)


@pytest.fixture
def disk_site(procs, consul):
    """Its hosts directory is a small disk."""
    site = Site(procs, consul)
    site.disk = Tmpfs(procs, site.hosts_dir)
    return site.start()


def flip_in_vain(site, name, node=None):
    """A flip that cannot be written: the old or, once mended, the new address."""
    node = node or site.node((int(site.names[name][-1]) + 1) % 8)
    site.hammer.expect(name, site.nodes[node])
    site.api.put(site.key(name), node)
    site.names[name] = node
    return node


def mended(site, name):
    site.dnsmasq.wait_answer(name, site.expected()[name], 20)
    site.hammer.settle(name, site.expected()[name])
    site.daemon.until("no problem is left", lambda s: not s["problems"], 15)
    site.check_file()


def no_temps(directory):
    """No temporary file is left behind (a backup begins with a dot too, but does not end in .tmp)."""
    left = [f for f in os.listdir(directory) if f.endswith(".tmp")]
    assert not left, left


@needs_root
def test_the_disk_is_full(disk_site):
    """Fails when the file is written in place, or a short write is not noticed, or it is not tried again."""
    site = disk_site
    for _ in range(soak(20, 1)):
        site.disk.fill()
        before = open(site.hosts, "rb").read()
        flip_in_vain(site, "name-000")
        site.daemon.wait_state("failed", 10)
        site.daemon.wait_problem("space|ENOSPC|full")
        settle(1)
        assert open(site.hosts, "rb").read() == before
        site.disk.free()
        mended(site, "name-000")
        no_temps(site.hosts_dir)
    site.check()


@needs_root
def test_the_disk_of_the_state_is_full(procs, consul):
    """What we cannot remember is a problem; what is served stays served, and mends itself."""
    site = Site(procs, consul)
    disk = Tmpfs(procs, site.daemon.state_dir, "256k")
    site.start()
    disk.fill()
    flip_in_vain(site, "name-000")
    site.daemon.until("it is said", lambda s: s["problems"], 10)
    settle(1)
    disk.free()
    mended(site, "name-000")
    site.daemon.kill()
    site.daemon.start()
    site.daemon.wait_state("served")
    site.check_file()
    site.check()


@needs_root
def test_the_directory_is_read_only(disk_site):
    site = disk_site
    site.disk.remount("ro")
    flip_in_vain(site, "name-001")
    site.daemon.wait_state("failed", 10)
    site.daemon.wait_problem("read-only|EROFS|denied")
    settle(1)
    site.disk.remount("rw")
    mended(site, "name-001")
    site.check()


@pytest.mark.parametrize("call, error", [
    ("fsync,fdatasync", "EIO"), ("rename,renameat,renameat2", "EIO"),
    ("rename,renameat,renameat2", "EXDEV"), ("link,linkat", "EIO"), ("fchmod", "EPERM")])
def test_a_call_fails(site, call, error):
    """The kernel says no: it is said, and the file is the old one, whole; once it says yes again, it is
    the new one. Fails when a result is not looked at."""
    before = open(site.hosts, "rb").read()
    strace = Strace(site.procs, site.daemon.pid, call, "%s:error=%s" % (call, error)).start()
    node = flip_in_vain(site, "name-002")
    site.daemon.until("it is said", lambda s: s["problems"], 10)
    settle(0.5)
    assert open(site.hosts, "rb").read() == before
    strace.detach()
    assert strace.calls(), "it was never called"
    assert site.names["name-002"] == node
    mended(site, "name-002")
    no_temps(site.hosts_dir)
    site.check()


def test_links_are_not_allowed(site):
    """A file system without hard links, or somebody else's file: the old generation is copied."""
    strace = Strace(site.procs, site.daemon.pid, "link,linkat", "link,linkat:error=EPERM").start()
    before = open(site.hosts, "rb").read()
    site.flip("name-002")
    site.daemon.wait_generation(site.generation())
    strace.detach()
    kept = [f for f in os.listdir(site.hosts_dir) if f.startswith(".hosts.")]
    assert [open(os.path.join(site.hosts_dir, f), "rb").read() for f in kept] == [before]
    site.check()


def test_no_descriptor_is_left(site):
    """Nothing can be opened: neither the temporary file nor the pidfile."""
    strace = Strace(site.procs, site.daemon.pid, "openat", "openat:error=ENFILE").start()
    before = open(site.hosts, "rb").read()
    flip_in_vain(site, "name-003")
    site.daemon.until("it is said", lambda s: s["problems"], 10)
    assert open(site.hosts, "rb").read() == before
    strace.detach()
    mended(site, "name-003")
    no_temps(site.hosts_dir)
    site.check()


def test_the_file_keeps_its_mode_and_its_history(site):
    """0644 whatever the umask is, and at most `backups` old generations beside it."""
    for _ in range(13):
        site.flip("name-004")
        site.daemon.wait_generation(site.generation())
    assert os.stat(site.hosts).st_mode & 0o7777 == 0o644
    backups = [f for f in os.listdir(site.hosts_dir) if f.startswith(".hosts.")]
    assert len(backups) == 10, backups
    assert file_generation(site.hosts) == site.generation()
    site.check()
