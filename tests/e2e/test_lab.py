"""The README's first command: the lab comes up, shows a flip, and leaves nothing behind."""
import os
import re
import subprocess
import sys

import pytest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LAB = os.path.join(TOP, "contrib", "lab", "lab.py")


def lab(procs, *args, check=True):
    """Runs it with the mark of the test, so that what it would leave behind is found."""
    env = dict(os.environ, POINTSMAN_E2E=procs.mark)
    run = subprocess.run([sys.executable, "-B", LAB, *args], env=env, capture_output=True, text=True,
                         timeout=60, check=False)
    assert not check or run.returncode == 0, run.stdout + run.stderr
    return run


@pytest.fixture(params=["consul", "embedded"])
def raised(request, procs):
    """(procs, --dir and its value, the output of `up`)"""
    folder = ["--dir", os.path.join(procs.dir, "lab")]
    try:
        up = lab(procs, "up", *folder, *(["--embedded"] if request.param == "embedded" else []))
        yield procs, folder, up.stdout
    finally:
        lab(procs, "down", *folder)
    assert not os.path.exists(folder[1])
    assert not procs.leftovers()


def addresses(text):
    return re.findall(r"^(10\.[0-9.]+)$", text, re.M)


def test_up_flips_a_name_each_time(raised):
    procs, folder, text = raised
    assert addresses(text) == ["10.0.4.13", "10.0.4.14"], text
    assert re.search(r"^All 3 dnsmasq answered 10\.0\.4\.14", text, re.M), text
    again = lab(procs, "up", *folder).stdout
    assert addresses(again) == ["10.0.4.14", "10.0.4.13"], again
    status = lab(procs, "status", *folder).stdout
    assert "DEAD" not in status and status.count("agent") == 3
    assert "10.0.5.11" in lab(procs, *folder, "dig", "sessions").stdout


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
    env = dict(os.environ, POINTSMAN_E2E=procs.mark, POINTSMAN_BUILD="/nonexistent")
    run = subprocess.run([sys.executable, "-B", LAB, "up", "--embedded", "--dir", folder], env=env,
                         capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1 and "/nonexistent/pointsmand is not built" in run.stderr
    assert not os.path.exists(folder) and not procs.leftovers()
