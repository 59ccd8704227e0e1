"""The README's first command: the lab comes up, shows a flip, and leaves nothing behind."""
import json
import os
import re
import subprocess
import sys

import pytest

from lib.consul import consul_binary
from lib.folder import VARIABLE
from lib.proc import wait_for

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LAB = os.path.join(TOP, "contrib", "lab", "lab.py")


def lab(procs, *args, check=True):
    """Runs it with the mark of the test, so that what it would leave behind is found; and with the
    Consul of the tests, which need not be the one that is fetched."""
    env = dict(os.environ, POINTSMAN_E2E=procs.mark,
               PATH=os.path.dirname(consul_binary()) + ":" + os.environ["PATH"])
    env.pop(VARIABLE, None)  # it finds its own places, as for everybody
    run = subprocess.run([sys.executable, "-B", LAB, *args], env=env, capture_output=True, text=True,
                         timeout=90, check=False)
    assert not check or run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.fixture(scope="module", params=["consul", pytest.param("embedded", marks=pytest.mark.soak)])
def raised(request, module_procs):
    """One lab of each kind, whose tests leave it well: (procs, --dir and its value, what `up` said)"""
    procs = module_procs
    folder = ["--dir", os.path.join(procs.dir, "lab")]
    try:
        up = lab(procs, "up", *folder, *(["--embedded"] if request.param == "embedded" else []))
        assert ("store http" in up.stdout) == (request.param == "consul"), up.stdout
        yield procs, folder, up.stdout
    finally:
        lab(procs, "down", *folder)
    assert not os.path.exists(folder[1])
    assert not procs.leftovers()


def addresses(text):
    return re.findall(r"^(10\.[0-9.]+)$", text, re.M)


def checks(procs, folder):
    """{name: (state, class)} as the operator's command says."""
    found = json.loads(lab(procs, *folder, "pointsman", "-o", "json", "checks", check=False).stdout)
    return {c["name"]: (c["state"], c["class"]) for c in found}


ALL_WELL = {name: ("passing", "ok") for name in ("maindb/db3", "maindb/db4", "sessions/red1",
                                                 "sessions/red2")}


def active(procs, folder):
    """The server that the name of the pair points at, and the other one."""
    found = json.loads(lab(procs, *folder, "pointsman", "-o", "json", "names", "maindb").stdout)
    node = (found[0] if isinstance(found, list) else found)["node"]
    return node, {"db3": "db4", "db4": "db3"}[node]


def check_failover(text, old, new):
    """One was done, and while the back end wrote: it noticed, and lost nothing."""
    assert f"DONE maindb {old} ==> {new}" in text, text
    assert re.search(r"^at .*:13306 > .*:13306  writes refused [0-9.]+ m?s$", text, re.M), text
    assert "acknowledged writes lost: 0\n" in text and "the tables are equal" in text, text


def test_up_flips_a_name_each_time(raised):
    procs, folder, text = raised
    assert addresses(text) == ["10.0.4.19", "10.0.4.20"], text
    assert re.search(r"^All 3 dnsmasq answered 10\.0\.4\.20", text, re.M), text
    check_failover(text, "db3", "db4")
    assert checks(procs, folder) == ALL_WELL, text
    again = lab(procs, "up", *folder).stdout
    assert addresses(again) == ["10.0.4.20", "10.0.4.19"], again
    check_failover(again, "db4", "db3")
    status = lab(procs, "status", *folder).stdout
    assert "DEAD" not in status and status.count(" agent ") == 3
    assert [len(re.findall(kind, status)) for kind in ("MariaDB 127", "Redis 127")] == [2, 2]
    assert re.search(r"127\.0\.\d+\.21", lab(procs, *folder, "dig", "sessions").stdout)
    assert max(len(line) for line in status.splitlines()[1:]) <= 80
    # Nothing in it stands in the way of a failover, and the operator's account may look at all of it.
    doctor = lab(procs, *folder, "pointsman", "doctor", check=False)
    assert doctor.returncode == 0, doctor.stdout
    # What a client writes through the name is on both.
    report = lab(procs, *folder, "writer", "1").stdout
    assert "acknowledged writes lost: 0\n" in report and "the tables are equal" in report
    assert "through maindb.service.consul" in report


def test_a_dead_master_is_a_proposal_and_nothing_moves(raised):
    procs, folder, _ = raised
    # `up` has failed over, there and maybe back.
    dead, other = active(procs, folder)
    lab(procs, *folder, "kill", dead)
    assert lab(procs, "status", *folder, check=False).returncode == 1
    wait_for("the vantages saying that it is down",
             lambda: checks(procs, folder)["maindb/" + dead] == ("failing", "refused"), 60, 0.2)
    said = wait_for("a proposal", lambda: (lambda text: text if "is proposed" in text else None)(
        lab(procs, *folder, "pointsman", "pairs", check=False).stdout), 30, 0.2)
    assert f"a failover from {dead} to {other} is proposed" in re.sub(r"\s+", " ", said)
    assert lab(procs, *folder, "dig", "maindb").stdout.count({"db3": ".13\n", "db4": ".14\n"}[dead]) == 3
    assert active(procs, folder) == (dead, other)
    assert checks(procs, folder)["sessions/red1"] == ("passing", "ok")
    # It comes back as a master that died must; the rest is a person's decision.
    said = lab(procs, *folder, "start", dead).stdout
    asked = lab(procs, *folder, "shell", dead, "SELECT @@read_only").stdout
    assert re.search(r"^\| +1 \|$", asked, re.M), asked
    assert "Slave_IO_Running: No" in lab(procs, *folder, "shell", dead, "SHOW SLAVE STATUS\\G").stdout
    for statement in re.findall(rf'shell {dead} "(.*)"', said):
        lab(procs, *folder, "shell", dead, statement)
    wait_for("all is well again", lambda: checks(procs, folder) == ALL_WELL, 60, 0.2)


@pytest.mark.parametrize("raised", ["consul"], indirect=True)
def test_a_second_lab_takes_another_network(raised):
    procs, _, text = raised
    other = ["--dir", os.path.join(procs.dir, "other")]
    second = lab(procs, "up", "--embedded", *other).stdout
    try:
        assert re.search(r"@127\.0\.(\d+)\.1", text)[1] != re.search(r"@127\.0\.(\d+)\.1", second)[1]
    finally:
        lab(procs, "down", *other)
    assert not os.path.exists(other[1])


def test_down_where_nothing_is_up(procs):
    run = lab(procs, "down", "--dir", os.path.join(procs.dir, "nothing"))
    assert run.stdout.startswith("No lab in ")


def test_what_fails_is_told_and_taken_down(procs):
    """A program that is not there: the logs are shown, and nothing of the lab stays."""
    folder = os.path.join(procs.dir, "lab")
    env = dict(os.environ, POINTSMAN_E2E=procs.mark, POINTSMAN_BUILD=procs.dir)
    run = subprocess.run([sys.executable, "-B", LAB, "up", "--embedded", "--dir", folder], env=env,
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1 and procs.dir + "/pointsmand is not built" in run.stderr
    assert "db3: runs" in run.stderr
    assert not os.path.exists(folder) and not procs.leftovers()
