"""pointsman history: what pointsman did to names, and what somebody did without it."""
import json
import os
import re
import time

import pytest

from lib.cli import Desk, check_width, op_id
from lib.proc import wait_for
from lib.vantage import Vantage, seed

PAIR = """
pair "maindb" {
  kind = "daemon"
  nodes = {"db1", "db2"}
  status = {"/bin/true"}
  start = {"/bin/true"}
  stop = {"/bin/true"}
}
"""


def journal(at_ms, **members):
    """As an operation writes it."""
    return dict({
        "id": op_id(at_ms), "kind": "failover", "pair_kind": "mysql", "pair": "maindb",
        "name": "maindb", "from": "db1", "to": "db2", "by": "ola (uid 1004)", "host": "adm-01",
        "plan": "7f3a91c2-4k8d", "session": "", "error": None, "approved_by": None, "pid": 4711,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms // 1000)), "at_ms": at_ms,
        "result": "done", "direction": "forward", "refused_ms": 13.2, "felt_ms": 102.0,
        "facts": {"old-value": "db1"},
        "steps": [
            {"name": "fence", "state": "done", "at_ms": 20.0, "took_ms": 3.0, "note": ""},
            {"name": "catch-up", "state": "done", "at_ms": 23.0, "took_ms": 4.0, "note": "3-3-160812"},
            {"name": "flip", "state": "done", "at_ms": 27.0, "took_ms": 4.0, "note": "generation 8813"},
            {"name": "lift", "state": "done", "at_ms": 31.0, "took_ms": 2.0, "note": ""}]}, **members)


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    desk = Desk(procs.dir) if request.param == "file" else Desk(procs.dir, consul.api, consul.url)
    desk.seed()
    desk.write_config(PAIR)
    return desk


@pytest.fixture
def consul_desk(procs, consul):
    desk = Desk(procs.dir, consul.api, consul.url).seed()
    desk.write_config(PAIR)
    return desk


def history(desk, *args):
    done = desk.run("-o", "json", "history", *args)
    assert done.code == 0, done
    return done.json


def rows(desk):
    """The table of a pipe, cut at its columns."""
    done = desk.run("history")
    assert done.code == 0, done
    check_width(done.out)
    return [re.split(r" {2,}", line[2:]) for line in done.out.splitlines()[1:]]


def put(desk, document):
    desk.put("ops/" + document["id"], json.dumps(document))
    return document["id"]


def test_nothing_was_done_yet(desk):
    assert history(desk) == []
    assert "No operation was ever recorded" in desk.run("history").out


def test_a_set_and_an_unset_are_recorded(desk):
    assert desk.run("set", "chat", "db1").code == 0
    assert desk.run("set", "chat", "db2").code == 0
    assert desk.run("unset", "chat", "--yes").code == 0
    found = history(desk)
    assert [(e["from"], e["to"], e["result"], e["kind"]) for e in found] == [
        ("db2", "", "done", "set"), ("db1", "db2", "done", "set"), ("", "db1", "done", "set")]
    assert all(e["name"] == "chat" and e["pair"] == "" and e["steps"] == [] for e in found)
    assert all(e["refused_ms"] is None and "(uid" in e["by"] for e in found)
    assert all(abs(e["at_ms"] / 1000 - time.time()) < 60 for e in found)
    assert sorted((e["id"] for e in found), reverse=True) == [e["id"] for e in found]
    assert [r[3] for r in rows(desk)] == [
        "set chat db2>(gone)", "set chat db1>db2", "set chat (new)>db1"]
    one = desk.run("history", found[1]["id"].lower())
    assert one.code == 0 and "DONE set chat db1 ==> db2" in one.out, one
    assert history(desk, found[1]["id"]) == found[1]


def test_a_set_that_is_refused_leaves_no_record(desk):
    assert desk.run("set", "maindb", "db77").code == 3
    assert desk.run("set", "maindb", "db2", "--expect", "db9").code == 3
    assert desk.run("set", "maindb", "db1").code == 0  # it is that already
    assert history(desk) == []


def test_an_edit_by_hand_of_a_pair_is_shown(desk):
    assert desk.run("set", "maindb", "db2").code == 0
    assert [e["result"] for e in history(desk)] == ["done"]
    desk.put("names/maindb", "db3")
    outside, done = history(desk)
    assert done["result"] == "done" and done["kind"] == "set"
    assert (outside["result"], outside["pair"], outside["name"], outside["to"]) == (
        "outside", "maindb", "maindb", "db3")
    assert outside["id"] is None and outside["at"] is None and outside["from"] is None
    assert outside["by"] is None and outside["steps"] == [] and outside["refused_ms"] is None
    first, second = rows(desk)
    assert first[:2] + first[3:] == ["-", "-", "KV edit maindb ?>db3", "-", "outside"]
    assert second[3] == "set maindb db1>db2"
    # By pointsman again: what it is now is known.
    assert desk.run("set", "maindb", "db1").code == 0
    assert [e["result"] for e in history(desk)] == ["done", "done"]


def test_a_name_that_was_made_once_is_no_edit(desk):
    assert desk.get("names/maindb") == "db1"
    assert history(desk) == []


def test_names_of_no_pair_are_looked_at_once_they_were_moved(desk):
    desk.put("names/sessions", "db3")
    assert history(desk) == []
    assert desk.run("set", "sessions", "db1").code == 0
    desk.put("names/sessions", "db2")
    assert [(e["result"], e["name"], e["pair"]) for e in history(desk)] == [
        ("outside", "sessions", ""), ("done", "sessions", "")]


def test_flips_of_operations_are_no_edits(consul_desk):
    desk = consul_desk
    now_ms = int(time.time() * 1000)
    document = journal(now_ms, result="running")
    put(desk, document)
    desk.put("names/maindb", "db2")
    document["result"] = "done"
    put(desk, document)  # without the fact: all between the first and the last entry is its own
    assert [e["result"] for e in history(desk)] == ["done"]
    index = desk.api.json("GET", "/v1/kv/%snames/maindb" % desk.root)[0]["ModifyIndex"]
    desk.put("names/maindb", "db1")
    document["facts"]["flip-index"] = str(index)
    put(desk, document)  # with it: what came behind the flip is somebody else's
    assert [(e["result"], e["to"]) for e in history(desk)] == [("outside", "db1"), ("done", "db2")]


def test_an_edit_that_a_vantage_saw(procs, consul):
    root = "seen/"
    seed(consul.api, root, nodes={"db1": "10.0.0.1", "db2": "10.0.0.2"},
         names={"maindb": "db1", "chat": "db1", "sessions": "db1"})
    vantage = Vantage(procs, consul.url, root, name="web-1").start()
    plain = Vantage(procs, consul.url, root, name="web-2", agent={"vantage": False}).start()

    def record(agent):
        return json.loads(consul.api.get(root + "agents/" + agent.node))
    wait_for("both publish", lambda: all(
        consul.api.list(root + "agents/" + a.node) for a in (vantage, plain)), 10)
    desk = Desk(procs.dir, consul.api, consul.url)
    desk.root, desk.config_path = root, vantage.config_path
    assert desk.run("set", "chat", "db2").code == 0
    consul.api.put(root + "names/maindb", "db2")
    consul.api.put(root + "names/new", "db2")
    wait_for("all are seen", lambda: len(record(vantage).get("changes", [])) == 3, 10, 0.05)
    assert "changes" not in record(plain)
    found = [e for e in history(desk) if e["result"] == "outside"]
    assert sorted((e["name"], e["from"], e["to"]) for e in found) == [
        ("maindb", "db1", "db2"), ("new", "", "db2")]
    for e in found:
        assert e["index"] == consul.api.json(
            "GET", "/v1/kv/%snames/%s" % (root, e["name"]))[0]["ModifyIndex"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", e["at"])
    assert [e["name"] for e in history(desk) if e["result"] == "done"] == ["chat"]
    # A deletion by pointsman, and one by hand.
    assert desk.run("unset", "chat", "--yes").code == 0
    consul.api.delete(root + "names/new")
    wait_for("both are seen", lambda: len(record(vantage)["changes"]) == 5, 15, 0.05)
    found = [(e["name"], e["from"], e["to"]) for e in history(desk) if e["result"] == "outside"]
    assert ("new", "db2", "") in found and "chat" not in [name for name, _, _ in found]
    # It keeps eight.
    for i in range(12):
        node = "db%d" % (2 - i % 2)
        consul.api.put(root + "names/sessions", node)
        wait_for("it is seen", lambda: record(vantage)["changes"][-1]["new"] == node, 10, 0.02)
    assert len(record(vantage)["changes"]) == 8


def test_running_and_interrupted(consul_desk):
    desk = consul_desk
    session = desk.api.json("PUT", "/v1/session/create", {"TTL": "600s"})["ID"]
    now_ms = int(time.time() * 1000)
    steps = journal(0)["steps"]
    steps[1].update(state="begun", took_ms=None)
    for step in steps[2:]:
        step.update(state="waiting", at_ms=None, took_ms=None)
    document = journal(now_ms, result="running", session=session, steps=steps, refused_ms=None)
    name = put(desk, document)
    assert desk.api.json("PUT", "/v1/kv/%slocks/maindb?acquire=%s" % (desk.root, session), "{}")
    assert [e["result"] for e in history(desk)] == ["running"]
    assert rows(desk)[0][-1] == "running @2"
    assert "RUNNING maindb db1 ==> db2" in desk.run("history", name).out
    assert "operation: failover of maindb\n" in desk.run("status").out
    desk.api.json("PUT", "/v1/session/destroy/" + session)
    assert [e["result"] for e in history(desk)] == ["interrupted"]
    assert history(desk, name)["result"] == "interrupted"
    status, problems = desk.run("status"), desk.run("-o", "json", "status").json["problems"]
    assert status.code == 1 and "operation: failover of maindb, halfway\n" in status.out, status
    assert "pointsman history " + name in status.out
    assert ["pointsman history " + name] == [p["do"] for p in problems if name in p["what"]], problems
    text = desk.run("history").out
    assert re.search(r"failover maindb \S+ +- +interrupted$", text, re.M), text
    assert "pointsman resume %s" % name in text and "pointsman rollback %s" % name in text
    text = desk.run("history", name).out
    assert "INTERRUPTED maindb db1 ==> db2" in text and "pointsman resume %s" % name in text
    check_width(text)
    # Behind the point of no return there is only forward, and on the way back only back.
    steps[3]["state"] = "begun"
    put(desk, document)
    text = desk.run("history").out
    assert "pointsman resume" in text and "rollback" not in text
    steps[3]["state"] = "waiting"
    put(desk, dict(document, direction="back"))
    text = desk.run("history").out
    assert "pointsman rollback" in text and "resume" not in text


def test_one_operation_step_by_step(consul_desk):
    name = put(consul_desk, journal(1795302724123, approved_by="kim (uid 1005)"))
    done = consul_desk.run("history", name)
    assert done.code == 0, done
    check_width(done.out)
    for word in ("DONE maindb db1 ==> db2   by ola (uid 1004)   op 01M80634GV",
                 "begun 2026-11-21T23:12:04Z   on adm-01 pid 4711   plan 7f3a91c2-4k8d",
                 "approved by kim (uid 1005)", "refused 13 ms   felt 0.10 s", "writes lost 0",
                 "4 lift", "3-3-160812", "Back again:"):
        assert word in done.out, done
    assert rows(consul_desk)[0] == [
        "01M80634GV", "2026-11-21 23:12", "ola", "failover maindb db1>db2", "13 ms", "done"]


def test_what_cannot_be_read_is_one_line(consul_desk):
    desk = consul_desk
    good = put(desk, journal(1795302724123))
    desk.put("ops/01M80634GW", "{\"id\": 1}")
    desk.put("ops/zzz\x1b[2J", b"\xff\x00")
    desk.put("ops/01M80634GX", json.dumps(journal(1795302724123)))  # says that it is another
    wild = journal(1795302800000, by="\x1b]0;x\x07ola\nkim", error="a\nb\x9b31m" * 50,
                   **{"from": "d" * 300, "to": "\u202e"})
    wild["steps"][0]["note"] = "\x1b[31m" * 20
    put(desk, wild)
    found = history(desk)
    assert sorted(e["result"] for e in found) == ["done", "done"] + 3 * ["unreadable"]
    for args in (["history"], ["history", wild["id"]], ["history", "01M80634GW"]):
        done = desk.run(*args)
        assert done.code == (1 if args[-1] == "01M80634GW" else 0), done
        for text in (done.out, done.err):
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u202e]", text), done
    for line in desk.run("history", wild["id"]).out.splitlines():
        # A word that is longer than the line stays whole.
        assert len(line) <= 80 or max(map(len, line.split())) > 60, line
    check_width(desk.run_tty("history").out)
    check_width(desk.run("history").out)
    assert desk.run("history", good).code == 0


def test_many_are_not_too_many(consul_desk):
    desk = consul_desk
    documents = [journal(1795302724000 + i) for i in range(230)]
    desk.api.put_all({desk.root + "ops/" + d["id"]: json.dumps(d) for d in documents})
    found = history(desk)
    assert [e["id"] for e in found] == [d["id"] for d in documents[:29:-1]]
    text = desk.run("history").out
    assert "The newest 200 of 230." in text
    assert desk.run("history", documents[0]["id"]).code == 0
    # Nobody can say who made a name what it is when that is older than what is looked at.
    assert all(e["result"] == "done" for e in found)


def test_old_drills_are_deleted_and_nothing_else(desk):
    """By whoever has done something, here a set. Fails when nobody does, and when what is halfway is counted."""
    at = 1795302724000
    drills = [put(desk, journal(at + i, kind="rehearse")) for i in range(14)]
    drills[1:1] = [put(desk, journal(at + 20, kind="rehearse", result="running"))]
    others = [put(desk, journal(at + 30 + i, kind="rehearse", pair="other", name="other")) for i in range(3)]
    kept = [put(desk, journal(at + 40, result="failed")), put(desk, journal(at + 41))]
    desk.put("ops/zzz", "no journal")
    assert len(history(desk)) == 15 + 3 + 2 + 1, "history deletes nothing"
    assert desk.run("set", "chat", "db1").code == 0
    left = {e["id"] for e in history(desk) if e["kind"] != "set"}
    newest = sorted(drills)[-10:]
    assert left == set(newest + others + kept + ["zzz"]), left ^ set(newest + others + kept)


def test_one_that_is_halfway_is_seen_behind_many_others(consul_desk):
    """Fails when only the newest journals of all pairs and names are looked at: a drill a week of each pair, or a
    script that sets names, would hide it."""
    desk, at = consul_desk, 1795302724000
    halfway = put(desk, journal(at, result="failed"))
    felt = put(desk, journal(at + 1, kind="rehearse"))
    younger = [journal(at + 100 + i, kind="set", pair="", pair_kind="", name="chat", steps=[]) for i in range(300)]
    desk.api.put_all({desk.root + "ops/" + d["id"]: json.dumps(d) for d in younger})
    plan = desk.run("-o", "json", "failover", "maindb", "--dry-run")
    found = {rule["name"]: rule for rule in plan.json["preflight"]}
    assert plan.code == 3 and not found["operation"]["ok"] and halfway in found["operation"]["fact"], plan
    assert "never" not in found["rehearsal"]["fact"], (felt, found["rehearsal"])
    assert len(history(desk)) == 201 and history(desk)[-1]["id"] == halfway
    assert "pointsman resume " + halfway in desk.run("history").out


def test_what_is_asked_for_wrongly(desk):
    """An operation that is not there, by whichever command: as a pair or a check that is not there."""
    for command in (["history"], ["resume", "--yes"], ["rollback", "--yes"], ["approve"]):
        assert desk.run(*command, "nonsense").code == 2, command
        missing = desk.run(*command, "01M80634GV")
        assert missing.code == 2 and "there is no operation 01M80634GV" in missing.err, (command, missing)
        assert "  do   all that there are: pointsman history" in missing.err, missing
        assert desk.run("-o", "json", *command, "01M80634GV").json["error"]["code"] == "usage", command


def test_without_consul(consul_desk):
    done = consul_desk.run("history", env={"CONSUL_HTTP_ADDR": "http://127.0.0.1:1"})
    assert done.code == 7, done
    assert os.path.exists(consul_desk.config_path)
