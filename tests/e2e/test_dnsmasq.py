"""dnsmasq dead, restarted, hidden behind a wrong pidfile; its file edited and deleted by hand."""
import os
import re
import sys
import time

import pytest

from conftest import Site, soak
from lib.daemon import settle
from lib.proc import Process, wait_for
from lib.strace import Strace

# Writes down each signal it can get; the pidfile points at it by mistake.
BYSTANDER = """
import signal, sys, time
def note(number, frame):
    print(signal.Signals(number).name, flush=True)
for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(s, note)
print("ready", flush=True)
while True:
    time.sleep(1)
"""


def test_dead_and_started_again(site):
    """The file is written, but `served` is not said until somebody answers."""
    site.dnsmasq.kill()
    node = site.node(5)
    site.hammer.expect("name-000", site.nodes[node])
    site.api.put(site.key("name-000"), node)
    site.names["name-000"] = node
    wait_for("written", lambda: site.daemon.file_lines()["name-000"] == [site.nodes[node]], 5)
    site.daemon.until("it is said", lambda s: s["problems"], 15)
    assert site.daemon.output()["state"] != "served"
    site.dnsmasq.start()
    site.daemon.wait_generation(site.generation(), 20)
    site.hammer.settle("name-000", site.nodes[node])
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check()


def test_restarted(site):
    """By TERM and by KILL, with flips around it."""
    for i in range(soak(50, 3)):
        if i % 2:
            site.dnsmasq.kill()
        else:
            site.dnsmasq.terminate()
        site.dnsmasq.start()
        site.flip("name-001", limit=15)
    site.check()


def test_it_reads_another_file(procs, consul):
    """Alive, signalled, and serving something else: written, never served, and it is said.

    Fails when a signal that was delivered is taken for the proof."""
    other = os.path.join(procs.dir, "another-hosts")
    site = Site(procs, consul, hosts=other)
    site.dnsmasq.start()
    site.daemon.start()
    site.daemon.until("it is said", lambda s: s["problems"], 10)
    assert os.path.exists(other)
    for _ in range(20):
        assert site.daemon.output()["state"] == "written"
        settle(0.1)


def test_restarted_with_an_old_file(site):
    """Somebody starts dnsmasq before the agent has mended the file: noticed by the proof alone."""
    site.flip("name-002")
    site.dnsmasq.kill()
    site.dnsmasq.start()
    site.daemon.wait_state("served")
    site.check()


@pytest.mark.parametrize("content", [
    "bystander", "dead", "0", "1", "-1", "noise", "", "99999999999999999999", "missing", "directory"])
def test_the_pidfile_is_wrong(site, content):
    """Nobody is signalled who is not dnsmasq; the file is written all the same; mended, it is served.

    Fails when the pid is used unchecked: 0 and -1 would signal us, or everybody."""
    bystander = Process(site.procs, "bystander", [sys.executable, "-c", BYSTANDER]).start()
    wait_for("the bystander", lambda: "ready" in bystander.log())
    dead = Process(site.procs, "dead", ["/bin/true"]).start()
    dead.wait()
    # A pid of -1 is everybody on this machine: what would be signalled is written down instead.
    strace = None
    if content != "bystander":
        strace = Strace(site.procs, site.daemon.pid, "kill,tgkill,pidfd_send_signal",
                        "kill,tgkill,pidfd_send_signal:retval=0").start()
    right = open(site.dnsmasq.pidfile).read()
    os.unlink(site.dnsmasq.pidfile)
    if content == "directory":
        os.mkdir(site.dnsmasq.pidfile)
    elif content != "missing":
        with open(site.dnsmasq.pidfile, "w") as f:
            f.write({"bystander": str(bystander.pid), "dead": str(dead.pid)}.get(content, content))
    node = site.node(6)
    site.hammer.expect("name-003", site.nodes[node])
    site.api.put(site.key("name-003"), node)
    site.names["name-003"] = node
    wait_for("written", lambda: site.daemon.file_lines()["name-003"] == [site.nodes[node]], 5)
    site.daemon.wait_problem("pid", 15)
    assert site.daemon.output()["state"] != "served"
    settle(0.5)
    if strace:
        strace.detach()
        sent = [c for c in strace.calls() if not re.search(r", 0[,)]", c[1])]
        assert not sent, "signalled: %s" % sent
    if content == "directory":
        os.rmdir(site.dnsmasq.pidfile)
    with open(site.dnsmasq.pidfile, "w") as f:
        f.write(right)
    site.dnsmasq.wait_answer("name-003", site.nodes[node], 20)
    site.hammer.settle("name-003", site.nodes[node])
    site.daemon.wait_generation(site.generation())
    assert bystander.log() == "ready\n", "signalled: " + bystander.log()
    assert site.dnsmasq.is_alive()
    site.check()


EDITS = {
    "a line added": lambda text: text + "10.66.6.6\tevil.service.consul evil\n",
    "a name moved": lambda text: text.replace("\tname-000.", "\tname-000-moved."),
    "emptied": lambda text: "",
    "cut in half": lambda text: text[:len(text) // 2],
}


@pytest.mark.parametrize("how", EDITS)
@pytest.mark.parametrize("in_place", [True, False])
def test_the_file_is_edited(site, how, in_place):
    """Put right at once, and said. dnsmasq had not read it yet, and never does."""
    good = open(site.hosts).read()
    log_before = len(site.daemon.log())
    target = site.hosts if in_place else site.hosts + ".theirs"
    with open(target, "w") as f:
        f.write(EDITS[how](good))
    if not in_place:
        os.chmod(target, 0o644)
        os.rename(target, site.hosts)
    wait_for("put right", lambda: open(site.hosts).read() == good, 5)
    site.daemon.wait_state("served")
    wait_for("said in the log", lambda: "drift" in site.daemon.log()[log_before:].lower() or
             "edited" in site.daemon.log()[log_before:].lower(), 3)
    site.flip("name-004")
    site.check_file()
    site.check()


def test_the_file_is_deleted(site):
    for _ in range(soak(50, 3)):
        good = open(site.hosts).read()
        os.unlink(site.hosts)
        wait_for("there again", lambda: os.path.exists(site.hosts) and open(site.hosts).read() == good, 5)
        # dnsmasq was told and reads it now; whoever deletes it in this very moment is too fast for us.
        site.daemon.wait_state("served")
        settle(0.2)
    site.flip("name-005")
    site.check_file()
    site.check()


def test_the_file_loses_its_mode(site):
    """0600 is a file that dnsmasq cannot read: at the next HUP every name would be gone."""
    os.chmod(site.hosts, 0o600)
    wait_for("put right", lambda: os.stat(site.hosts).st_mode & 0o777 == 0o644, 5)
    site.flip("name-006")
    site.check()


def test_the_file_is_deleted_while_the_agent_is_away(site):
    site.daemon.terminate()
    os.unlink(site.hosts)
    site.daemon.start()
    wait_for("there again", lambda: os.path.exists(site.hosts), 5)
    site.check_file()
    site.daemon.wait_state("served")
    site.check()


def test_the_file_is_edited_again_and_again(site):
    """A second program that insists: we win, without burning the CPU over it."""
    good = open(site.hosts).read()
    cpu, began = site.daemon.cpu_seconds(), time.monotonic()
    while time.monotonic() < began + soak(20, 2):
        with open(site.hosts, "a") as f:
            f.write("10.66.6.6 evil\n")
        time.sleep(0.01)
    assert site.daemon.cpu_seconds() - cpu < 0.5 * (time.monotonic() - began)
    wait_for("put right", lambda: open(site.hosts).read() == good, 10)
    site.check()


def test_the_directory_disappears(site):
    """And comes back empty, as after a mount that was forgotten."""
    import shutil
    shutil.move(site.hosts_dir, site.hosts_dir + ".away")
    settle(1)
    assert site.daemon.is_alive()
    os.mkdir(site.hosts_dir)
    os.chmod(site.hosts_dir, 0o755)
    wait_for("there again", lambda: os.path.exists(site.hosts), 20)
    site.flip("name-007", limit=20)
    site.check_file()
    site.check()
