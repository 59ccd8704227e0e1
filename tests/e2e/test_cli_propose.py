"""pointsman propose: what another tool has decided becomes a proposal, once an incident, and moves nothing.
Without any agent; what vantages make of it is in test_proposal.py."""
import json

import pytest

from lib.cli import Desk, check_width
from lib.proc import free_port

PAIRS = """
pair "maindb" { kind = redis nodes = {"db3", "db4"} }
pair "chat" { kind = redis nodes = {"db3", "db4"} name = "eu.chat" }
"""
NODES = {"db3": "10.0.4.13", "db4": "10.0.4.14", "db9": "10.0.4.19"}


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    nodes, names = NODES, {"maindb": "db3", "eu.chat": "10.0.4.13", "other": "db9"}
    if request.param == "file":
        desk = Desk(procs.dir).seed(names, nodes)
    else:
        desk = Desk(procs.dir, consul.api, consul.url).seed(names, nodes)
    desk.write_config(PAIRS)
    return desk


def proposal(desk, pair="maindb"):
    text = desk.get("proposals/" + pair)
    return None if text is None else json.loads(text)


def propose(desk, *args):
    return desk.run("propose", "maindb", "--to", "db4", "--why", "db3 is gone", "--by", "sentinel", *args)


def test_once_an_incident(desk):
    """Fails when a second call changes what the first has written, or anything moves."""
    done = propose(desk)
    assert done.code == 0 and "nothing moves by itself" in done.out, done
    assert "what to type: pointsman failover maindb\n" in done.out
    check_width(done.out)
    first = proposal(desk)
    assert first["active"] == "db3" and first["standby"] == "db4" and first["what"] == "db3 is gone"
    assert first["proposed_by"] == "sentinel" and first["origin"] == "tool" and first["kind"] == "redis"
    done = propose(desk, "--promoted")
    assert done.code == 0 and "is proposed already, by sentinel since" in done.out, done
    assert "it stays" in done.out
    assert proposal(desk) == first and desk.get("names/maindb") == "db3"
    json_out = propose(desk, "-o", "json").json
    assert json_out["state"] == "standing" and json_out["command"] == "pointsman failover maindb"


def test_status_and_pairs_show_it(desk):
    assert propose(desk, "--promoted").code == 0
    for command in ("status", "pairs"):
        done = desk.run(command)
        assert "a failover from db3 to db4 is proposed by sentinel" in " ".join(done.out.split()), done
        assert "pointsman set maindb db4 --expect db3" in done.out
        assert "db3 is gone" in " ".join(done.out.split())
    assert desk.run("pairs").code == 1
    row = {p["name"]: p for p in desk.run("pairs", "-o", "json").json}
    assert row["maindb"]["proposal"]["proposed_by"] == "sentinel" and row["chat"]["proposal"] is None


def test_the_flip_that_is_left_can_be_typed(desk):
    """With a name that is not the pair's, and a value that is an address."""
    done = desk.run("propose", "chat", "--to", "db4", "--why", "x", "--promoted", "-o", "json")
    assert done.code == 0, done
    out = done.json
    assert out["state"] == "proposed" and out["name"] == "eu.chat" and out["from"] == "db3"
    assert out["command"] == "pointsman set eu.chat db4 --expect 10.0.4.13"
    assert "uid" in out["by"]
    done = desk.run(*out["command"].split()[1:], "--no-wait")
    assert done.code == 0 and desk.get("names/eu.chat") == "db4", done
    # It leads there now: a late call proposes nothing.
    done = desk.run("propose", "chat", "--to", "db4", "--why", "x")
    assert done.code == 0 and "leads to db4 already: nothing to propose" in done.out, done


def test_a_dead_active_by_the_vantages(desk):
    """With the verdict of the vantages the command is the emergency; not without a session."""
    assert propose(desk, "--dry-run").out.count("--emergency") == 0
    assert proposal(desk) is None
    if desk.is_file:
        return
    say(desk, "failing", "critical", "refused")
    done = propose(desk)
    assert done.code == 0 and "pointsman failover maindb --emergency" in done.out, done
    assert proposal(desk)["verdict"].startswith("2 of 2")


def say(desk, state, level, klass):
    """Two live vantages say that of db3."""
    session = desk.api.json("PUT", "/v1/session/create", {"TTL": "600s"})["ID"]
    for vantage in ("web-1", "web-2"):
        document = json.dumps({
            "state": state, "level": level, "class": klass, "type": "redis",
            "since": "2026-11-23T03:00:00Z", "output": "so", "target": "10.0.4.13:6379"})
        desk.api.delete("%shealth/maindb/db3/%s" % (desk.root, vantage))
        assert desk.api.json("PUT", "/v1/kv/%shealth/maindb/db3/%s?acquire=%s" % (
            desk.root, vantage, session), document) is True


def test_an_emergency_does_not_believe_a_proposal(procs, consul):
    """That an active is dead is said by the vantages of now, not by what stands below proposals/. Fails
    when a tool's word, or three vantages that see it well, are taken for a confirmed death."""
    desk = Desk(procs.dir, consul.api, consul.url).seed(
        {"maindb": "db3"}, {"db3": "127.0.0.1", "db4": "127.0.0.2"})
    desk.write_config('pair "maindb" { kind = mysql nodes = {"db3", "db4"} port = %d\n'
                      'credentials = "/nowhere" }\n' % free_port())

    def dead():
        done = desk.run("failover", "maindb", "--emergency", "--dry-run", "-o", "json")
        assert done.code == 3, done
        return {f["name"]: f for f in done.json["preflight"]}["dead"]

    desk.put("proposals/maindb", json.dumps({
        "origin": "tool", "active": "db3", "standby": "db4", "confirmed": True, "verdict": "gone"}))
    assert not dead()["ok"] and "nobody has confirmed that db3 is dead" in dead()["fact"]
    say(desk, "passing", "ok", "ok")
    assert not dead()["ok"] and "it is well, say 2 of 2" in dead()["fact"], dead()
    say(desk, "failing", "critical", "refused")
    assert dead()["ok"] and "2 of 2" in dead()["fact"], dead()

    def told():
        return [p for p in desk.run("-o", "json", "status").json["problems"] if "maindb/db3" in p["what"]]
    # A problem wherever one looks, and none once somebody knows of it.
    assert len(told()) == 1
    assert desk.run("mute", "maindb", "--for", "1h", "--why", "known").code == 0
    assert told() == [] and "muted until" in desk.run("status").out


def test_withdraw(desk):
    done = desk.run("propose", "maindb", "--withdraw")
    assert done.code == 0 and "nothing is proposed for maindb" in done.out, done
    assert propose(desk).code == 0
    done = desk.run("propose", "maindb", "--withdraw")
    assert done.code == 0 and "is withdrawn" in done.out and proposal(desk) is None, done
    # Whatever stands there goes.
    desk.put("proposals/maindb", "[1")
    done = propose(desk)
    assert done.code == 0 and "it stays" in done.out and desk.get("proposals/maindb") == "[1", done
    assert desk.run("propose", "maindb", "--withdraw").code == 0 and proposal(desk) is None


@pytest.mark.parametrize("args,code,words", [
    (["nope", "--to", "db4", "--why", "x"], 2, "there is no pair nope"),
    (["maindb", "--why", "x"], 2, "--to is needed"),
    (["maindb", "--to", "db4"], 2, "--why is needed"),
    (["maindb", "--to", "db4", "--why", ""], 2, "--why is needed"),
    (["maindb", "--to", "db4", "--why", "a\nb"], 2, "one line"),
    (["maindb", "--to", "db4", "--why", "\x1b[31m"], 2, "one line"),
    (["maindb", "--to", "db4", "--why", "x" * 201], 2, "at most 200"),
    (["maindb", "--to", "db4; reboot", "--why", "x"], 2, "the node"),
    (["maindb", "--to", "db4", "--why", "x", "--by", "a b"], 2, "the tool"),
    (["maindb", "--to", "db4", "--why", "x", "--by", "a" * 33], 2, "one word"),
    (["maindb", "--to", "db9", "--why", "x"], 3, "no server of the pair"),
    (["maindb", "--to", "db4", "--why", "x", "--from", "db9"], 3, "leads to db3, not to db9"),
    (["maindb", "--withdraw", "--why", "x"], 2, "goes with no --why"),
])
def test_refused(desk, args, code, words):
    done = desk.run("propose", *args)
    assert done.code == code and words in " ".join(done.err.split()), done
    assert proposal(desk) is None and desk.get("names/maindb") == "db3"


def test_a_name_that_leads_elsewhere(desk):
    desk.put("names/maindb", "db9")
    done = propose(desk)
    assert done.code == 3 and "leads to neither server" in " ".join(done.err.split()), done
    desk.put("names/maindb", "db3,db4")
    assert propose(desk).code == 3 and proposal(desk) is None


def test_what_somebody_wrote_there_is_no_command(desk):
    """Fails when a person is shown a command that nobody made."""
    for command in ("reboot", "pointsman set other db9 --expect db3", "pointsman failover chat"):
        desk.put("proposals/maindb", json.dumps({
            "origin": "tool", "active": "db3", "standby": "db4", "expect": "db3",
            "command": command, "what": "\x1b[31mred", "proposed_by": "x\ny"}))
        for screen in ("status", "pairs"):
            done = desk.run(screen)
            assert "is proposed" in done.out and command not in done.out, done
            assert "\x1b" not in done.out
        assert command not in propose(desk).out
