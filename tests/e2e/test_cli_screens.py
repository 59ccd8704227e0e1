"""What reaches a terminal: 80 columns, colour only where it is wanted, and nothing that others wrote
into the KV as a control sequence. And every command is in the manual and in the shells' completion."""
import os
import re
import subprocess

import pytest

from lib import SOURCE
from lib.cli import Desk, FakeAgent, check_width, clean_env
from lib.daemon import build_dir

LOOKING = [["status"], ["status", "--all"], ["names"], ["names", "maindb"], ["agents"], ["drift"],
           ["drift", "--agent", "web-01"], ["diff"], ["init"], ["help"], ["version"], ["config", "check"],
           ["history"], ["history", "--output"], ["set", "maindb", "db77"], ["accept", "1234"], ["release"]]
EVIL = "e\x1b[2J\x07\r\nx\x9b31m"


@pytest.fixture
def desk(procs, consul):
    return Desk(procs.dir, consul.api, consul.url).seed()


def make_long(desk):
    long_name = "n" * 63 + "." + "m" * 63
    desk.seed(names={long_name: "db1,db2,db3,10.0.0.1,fd00:1111:2222:3333:4444:5555:6666:7777"})
    FakeAgent(desk, "web-01", desk.index() - 1, problems=[
        {"severity": "critical", "what": "w" * 30 + " long" * 30, "why": "y", "do": "d"}])
    FakeAgent(desk, "h" * 60, 1, is_alive=False)


@pytest.mark.parametrize("width", [80, 60, 132])
def test_width(desk, width):
    make_long(desk)
    for args in LOOKING:
        done = desk.run_tty(*args, width=width)
        for line in re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", done.out).splitlines():
            # A word that is longer than the line stays whole: it could not be copied in two.
            if max(map(len, line.split()), default=0) < min(width, 80) - 24:
                check_width(line, min(width, 80))


def test_colour_only_where_it_is_wanted(desk):
    FakeAgent(desk, "web-01", 1, is_alive=False)
    assert "\x1b[" in desk.run_tty("status").out
    assert "\x1b[" in desk.run_tty("agents").out
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        for args in (["status"], ["agents"], ["drift"]):
            assert "\x1b" not in desk.run_tty(*args, env=env).out, (env, args)
    assert "\x1b[" in desk.run_tty("status", env={"NO_COLOR": ""}).out
    for args in LOOKING:
        done = desk.run(*args)
        assert "\x1b" not in done.out + done.err and "\t" not in done.out, (args, done)


def test_nothing_foreign_is_shown_raw(procs, consul):
    desk = Desk(procs.dir, consul.api, consul.url).seed()
    desk.put("names/" + "bad", EVIL)
    desk.put("names/" + EVIL, "db1")
    desk.put("nodes/" + EVIL, "10.0.0.1")
    desk.put("nodes/db9", EVIL)
    desk.put("hold/maindb", EVIL)
    FakeAgent(desk, "web-01", desk.index(), problems=[EVIL, {"what": EVIL}], version=EVIL, since=EVIL,
              map=EVIL, guarded={"digest": EVIL, "why": EVIL, "removed": [EVIL], "moved": [{
                  "name": EVIL, "from": EVIL, "to": EVIL, "addresses": [EVIL]}]})
    FakeAgent(desk, "web-02", 1, error=EVIL)
    consul.api.register("node " + EVIL, "10.0.0.9 " + EVIL)
    try:
        for args in LOOKING + [["names", "bad"], ["set", "sessions", EVIL], ["set", EVIL, "db1"],
                               ["drift", "--agent", "web-02"], ["hold", "maindb", "--reason", "x"],
                               ["frobnicate" + EVIL], ["set", "maindb", "db2"], ["accept", EVIL],
                               ["completion", "--", "set", ""], ["completion", "--", "accept", ""]]:
            for form in ([], ["-o", "json"]):
                done = desk.run(*(form + args))
                text = done.out + done.err
                assert not re.search("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", text), (args, done)
    finally:
        consul.api.deregister("node " + EVIL)


def test_a_full_disk_is_a_failure(desk):
    with open("/dev/full", "w") as full:
        done = subprocess.run(desk.argv(["names"]), stdout=full, stderr=subprocess.PIPE, env=clean_env())
    assert done.returncode == 1 and b"cannot write" in done.stderr


def test_a_closed_pipe_is_no_news(desk):
    done = subprocess.run(["bash", "-c", "set -o pipefail; %s | true" % " ".join(
        desk.argv(["help"]))], stderr=subprocess.PIPE, env=clean_env())
    assert done.stderr == b""


# --- the manual and the completion ---------------------------------------------------------------------


def commands(desk):
    return desk.run("help", "-o", "json").json


def test_help_of_every_command(desk):
    for command in commands(desk):
        text = desk.run("help", *command["name"].split())
        assert text.code == 0 and text.out.startswith("pointsman " + command["name"])
        check_width(text.out)
        assert desk.run(*command["name"].split(), "--help").out == text.out
        for option in command["options"]:
            assert "--" + option["name"] in text.out
        assert len(command["help"]) <= 60, command
    check_width(desk.run("help").out)


def test_manual_has_every_command_and_option(desk):
    with open(os.path.join(SOURCE, "man", "pointsman.1")) as f:
        page = f.read()
    entries = re.split(r"^(?=\.It |\.Sh |\.Ss )", page, flags=re.M)
    for command in commands(desk):
        entry = "".join(e for e in entries
                        if re.match(r"\.It (?:Xo )?Cm %s\b" % command["name"], e))
        assert entry, "%s is not in the manual" % command["name"]
        for option in command["options"]:
            assert re.search(r"(?:Fl|\|) -%s\b" % option["name"], entry), (command["name"], option)
    for code in range(8):
        assert re.search(r"^\.It %d$" % code, page, re.M)


def complete(desk, *words):
    """What bash offers after these words, the last one begun."""
    script = os.path.join(SOURCE, "contrib", "completion", "pointsman.bash")
    done = subprocess.run(["bash", "-c", (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pointsman; '
        'printf "%s\\n" "${COMPREPLY[@]}"'), "bash", script, "pointsman", "-c", desk.config_path] +
        list(words), stdout=subprocess.PIPE, check=True,
        env=clean_env({"PATH": build_dir() + ":" + os.environ["PATH"]}))
    return set(done.stdout.decode().split())


def test_completion(desk):
    all_commands = commands(desk)
    assert complete(desk, "") == {c["name"].split()[0] for c in all_commands}
    assert complete(desk, "re") == {"rejoin", "release", "render", "resume"}
    assert complete(desk, "config", "") == {"check"}
    for command in all_commands:
        offered = complete(desk, *command["name"].split(), "--")
        assert offered == {"--" + o["name"] for o in command["options"]} | {"--help"}, command
    assert complete(desk, "set", "m") == {"maindb"}
    assert complete(desk, "set", "maindb", "db") >= {"db1", "db2", "db3"}
    assert complete(desk, "set", "--timeout", "5s", "maindb", "db1") == {"db1"}
    assert complete(desk, "names", "maindb", "") == set()
    assert complete(desk, "help", "unse") == {"unset"}


def test_completion_is_silent_without_a_kv(desk):
    desk.write_config(address="http://127.0.0.1:1")
    assert complete(desk, "set", "") == set()
