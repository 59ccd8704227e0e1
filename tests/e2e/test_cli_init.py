"""pointsman init: makes the canary once, and finds out which rights are missing without using them."""
import json
import re

import pytest

from conftest import make_procs, close_procs
from lib.cli import Desk
from lib.consul import Consul


@pytest.mark.parametrize("store", ["consul", "file"])
def test_init_is_idempotent(procs, consul, store):
    desk = Desk(procs.dir, consul.api, consul.url) if store == "consul" else Desk(procs.dir)
    first = desk.run("init")
    assert first.code == 0 and "written, cluster" in first.out and "Next:" in first.out, first
    canary = json.loads(desk.get("names/.pointsman"))
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", canary["cluster"])
    again = desk.run("init", "-o", "json")
    assert again.code == 0 and again.json["created"] is False, again
    assert again.json["cluster"] == canary["cluster"]
    assert json.loads(desk.get("names/.pointsman")) == canary
    assert desk.get("agents/.probe") is None and desk.get("hold") is None


@pytest.fixture(scope="module")
def acl_consul(base_dir):
    procs = make_procs(base_dir, "acl-consul")
    yield Consul(procs, acl=True).start()
    close_procs(procs)


RULES = {
    "names": 'key_prefix "%(root)snames/" { policy = "write" }',
    "nodes": 'key_prefix "%(root)snodes/" { policy = "read" }',
    "hold": 'key_prefix "%(root)shold" { policy = "write" }',
    "agents": 'key_prefix "%(root)sagents/" { policy = "write" }',
    "catalog": 'node_prefix "" { policy = "read" }',
    "session": 'session_prefix "" { policy = "write" }',
}


def desk_with(procs, consul, *rules):
    desk = Desk(procs.dir, consul.api, consul.url)
    policy = consul.api.json("PUT", "/v1/acl/policy", {
        "Name": "desk-%s" % desk.root.strip("/"),
        "Rules": "\n".join(RULES[r] % {"root": desk.root} for r in rules)})
    token = consul.api.json("PUT", "/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]})
    desk.token = token["SecretID"]
    return desk


def init(desk):
    return desk.run("init", "-o", "json", env={"CONSUL_HTTP_TOKEN": desk.token})


def test_enough_rights(procs, acl_consul):
    done = init(desk_with(procs, acl_consul, *RULES))
    assert done.code == 0, done
    assert all(c["ok"] for c in done.json["checks"])


@pytest.mark.parametrize("missing,name", [
    ("hold", "hold"), ("agents", "agents"), ("catalog", "nodes"), ("session", "session")])
def test_a_right_is_missing(procs, acl_consul, missing, name):
    done = init(desk_with(procs, acl_consul, *(r for r in RULES if r != missing)))
    assert done.code == 1, done
    assert [c["name"] for c in done.json["checks"] if not c["ok"]] == [name], done


def test_names_may_not_be_written(procs, acl_consul):
    done = init(desk_with(procs, acl_consul, *(r for r in RULES if r != "names")))
    assert done.code == 3 and done.json["error"]["code"] == "refused", done


def test_token_is_unknown(procs, acl_consul):
    desk = desk_with(procs, acl_consul)
    desk.token = "00000000-0000-0000-0000-000000000000"
    done = init(desk)
    assert done.code == 3, done
    assert desk.token not in done.out + done.err
