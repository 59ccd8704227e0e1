"""When the KV cannot be used: each kind of error has its exit code, and says what to do about it."""
import os

import pytest

from lib.cli import Desk
from lib.fake import FakeConsul


def check(done, code, *words):
    assert done.code == code, done
    for word in words + ("  why  ", "  do   "):
        assert word in done.err, (word, done)


@pytest.fixture
def desk(procs):
    return Desk(procs.dir).seed()


def test_damaged_file(desk):
    with open(desk.kv_path, "w") as f:
        f.write('[{"key": "x", ]')
    check(desk.run("names"), 7, "line 1", "damaged")
    check(desk.run("set", "maindb", "db2"), 7, "damaged")
    with open(desk.kv_path) as f:
        assert f.read() == '[{"key": "x", ]'


def test_file_is_a_directory(desk):
    os.unlink(desk.kv_path)
    os.mkdir(desk.kv_path)
    check(desk.run("names"), 7, "consul.address")


def test_directory_is_missing(procs):
    desk = Desk(procs.dir)
    desk.write_config(address="file:" + desk.dir + "/no/kv.json")
    assert desk.run("names").code == 0
    check(desk.run("set", "maindb", "10.0.0.1"), 7, "make its directory")


def test_edited_by_hand(desk):
    desk.put("names/maindb", "db2")
    assert desk.run("names", "maindb", "-o", "json").json["value"] == "db2"
    assert desk.run("set", "maindb", "db3", "--expect", "db2").code == 0


@pytest.mark.parametrize("fault,code,word", [
    ({"kind": "status", "code": 500, "body": "No cluster leader"}, 7, "leader"),
    ({"kind": "status", "code": 429, "body": ""}, 7, "refuses work"),
    ({"kind": "status", "code": 403, "body": "ACL not found"}, 3, "token"),
    ({"kind": "garbage"}, 7, "does not speak like Consul"),
    ({"kind": "body", "text": "<html>"}, 7, "does not speak like Consul"),
    ({"kind": "reset"}, 7, "systemctl status consul"),
    ({"kind": "truncate", "share": 0.5}, 7, ""),
    ({"kind": "base64"}, 7, "does not speak like Consul"),
    ({"kind": "huge", "size": 40000000}, 7, "cannot be a list of names")], ids=lambda v: str(
        v.get("code", v["kind"])) if isinstance(v, dict) else "")
def test_consul_lies(procs, consul, fault, code, word):
    with FakeConsul(procs, consul) as fake:
        desk = Desk(procs.dir, consul.api, fake.url).seed()
        fake.spoil("^GET /v1/kv", **fault)
        check(desk.run("names"), code, word)
        check(desk.run("set", "maindb", "db2"), code, word)
        assert desk.get("names/maindb") == "db1"
