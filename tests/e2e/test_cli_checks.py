"""pointsman checks, check, mute and unmute without any agent: what the KV says, and what a hostile KV
says. What vantages really see is in test_checks.py."""
import json
import re

import pytest

from lib.cli import Desk

CHECKS = """
check "api" { type = tcp target = "127.0.0.1:1" interval = "1s" }
pair "maindb" { kind = redis nodes = {"db3", "db4"} }
"""


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    if request.param == "file":
        desk = Desk(procs.dir).seed()
    else:
        desk = Desk(procs.dir, consul.api, consul.url).seed()
    desk.write_config(CHECKS)
    return desk


def rows(desk):
    return {r["name"]: r for r in desk.run("checks", "-o", "json").json}


def test_nobody_has_looked(desk):
    done = desk.run("checks")
    assert done.code == 0 and "unseen" in done.out and "no vantage" in done.out, done
    assert set(rows(desk)) == {"api", "maindb/db3", "maindb/db4"}
    row = rows(desk)["maindb/db3"]
    assert row["state"] is None and row["class"] is None and row["vantages"] == []
    assert row["type"] == "redis" and row["target"] == "db3" and row["bound_ms"] > 12000


def test_an_opinion_without_a_session_is_shown_and_does_not_count(desk):
    desk.put("health/api/web-01", json.dumps({
        "state": "failing", "level": "critical", "class": "refused", "since": "2026-11-23T03:00:00Z",
        "output": "nobody listens", "type": "tcp", "target": "127.0.0.1:1"}))
    done = desk.run("checks")
    assert done.code == 0, done
    row = rows(desk)["api"]
    assert row["vantages"][0]["live"] is False and row["vantages"][0]["class"] == "refused"
    assert row["verdict"] == "no vantage" and row["level"] == "unknown" and row["state"] is None
    done = desk.run("check", "api", "--explain")
    assert done.code == 0 and "nobody can tell" in done.out and "not alive" in done.out, done


def test_check_here_and_as_a_plugin(desk):
    done = desk.run("check", "api")
    assert done.code == 1 and "refused" in done.out, done
    assert desk.run("check", "api", "-o", "json").json["class"] == "refused"
    done = desk.run("check", "api", "--plugin")
    assert done.code == 2 and re.fullmatch(r"api CRITICAL: [^|\n]*\| 'time'=[^\n]*\n", done.out), done
    done = desk.run("check", "nope", "--plugin")
    assert done.code == 3 and done.out.startswith("nope UNKNOWN: "), done
    desk.write_config("check \"api\" { type = tcp }")
    done = desk.run("check", "api", "--plugin")
    assert done.code == 3 and "config check" in done.out, done


def test_what_anybody_wrote_there_breaks_nothing(desk):
    for key, value in {
            "health/api/web-02": b"{", "health/api/web-03": b"\xff\x00\x1b[31m", "health/api": b"x",
            "health/../../x": b"{}", "health/a/b/c/d": b"{}", "health/.vantages/x": b"[]",
            "health/.mutes/api": b'{"until": 7}',
            "health/evil/web-01": json.dumps({
                "state": "failing", "level": "critical", "class": "refused",
                "since": "2026-11-23T03:00:00Z", "output": "\x1b[2J\u202e" + "x" * 400,
                "type": "\x07", "target": "t"}).encode()}.items():
        desk.put(key, value)
    done = desk.run("checks")
    assert done.code == 0, done
    assert "\x1b" not in done.out and "\x07" not in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80
    assert {"api", "maindb/db3", "maindb/db4"} <= set(rows(desk))
    assert rows(desk)["api"]["muted"] is None


def test_mute_and_unmute(desk):
    done = desk.run("mute", "maindb/db3", "--for", "30m", "--why", "disk swap",
                    env={"SUDO_USER": "ola", "SUDO_UID": "1004"})
    assert done.code == 0 and "unmute maindb/db3" in done.out, done
    muted = rows(desk)["maindb/db3"]["muted"]
    assert muted["why"] == "disk swap" and muted["who"] == "ola (uid 1004)"
    assert "muted" in desk.run("checks").out
    assert desk.run("mute", "maindb/db3", "--for", "1h", "--why", "longer").code == 0
    assert rows(desk)["maindb/db3"]["muted"]["why"] == "longer"
    assert desk.run("unmute", "maindb/db3").code == 0
    assert rows(desk)["maindb/db3"]["muted"] is None
    done = desk.run("unmute", "maindb/db3")
    assert done.code == 0 and "not muted" in done.out


def test_a_pair_is_muted_with_its_checks(desk):
    """Fails when nobody can be spared a pair's own trouble, or its checks are not part of it."""
    done = desk.run("mute", "maindb", "--for", "30m", "--why", "move")
    assert done.code == 0 and "unmute maindb" in done.out, done
    muted = {name: row["muted"] for name, row in rows(desk).items()}
    assert muted["maindb/db3"]["why"] == muted["maindb/db4"]["why"] == "move"
    assert muted["api"] is None
    assert desk.run("unmute", "maindb").code == 0
    assert rows(desk)["maindb/db3"]["muted"] is None


def test_a_mute_ends_by_itself(desk):
    desk.put("health/.mutes/api", json.dumps({
        "since": "2026-11-22T00:00:00Z", "until": "2026-11-22T00:30:00Z", "who": "ola", "why": "w"}))
    assert rows(desk)["api"]["muted"] is None
    desk.put("health/.mutes/api", json.dumps({
        "since": "2026-11-22T00:00:00Z", "until": "2126-11-22T00:30:00Z", "who": "ola", "why": "w"}))
    assert rows(desk)["api"]["muted"]["who"] == "ola"


def test_mute_refuses(desk):
    done = desk.run("mute", "maindb/db9", "--for", "1m", "--why", "x")
    assert done.code == 3 and "maindb/db3" in done.err, done
    for words in (["--why", "x"], ["--for", "1m"], ["--for", "500ms", "--why", "x"],
                  ["--for", "169h", "--why", "x"], ["--for", "1m", "--why", "a\nb"],
                  ["--for", "1m", "--why", ""]):
        assert desk.run("mute", "api", *words).code == 2, words
    assert desk.run("mute", "../x", "--for", "1m", "--why", "x").code == 2
    assert rows(desk)["api"]["muted"] is None


def test_check_that_is_not_there(desk):
    done = desk.run("check", "maindb/db5")
    assert done.code == 2 and "pointsman check maindb/db" in done.err, done
