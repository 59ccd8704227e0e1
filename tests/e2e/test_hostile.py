"""Whatever somebody types into the KV: the name stays where it was, the others go on, and it is said."""
import base64
import random
import re

import pytest

from conftest import Site
from lib.daemon import settle

LINE = re.compile(r"(#.*|)$|[0-9a-f.:]+\t[a-z0-9_.-]+( [a-z0-9_.-]+)?$")


def check_lines(site):
    """Nothing that is not a plain line of a hosts file has got into it."""
    with open(site.hosts, "rb") as f:
        data = f.read()
    data.decode("ascii")
    bad = [line for line in data.decode().split("\n") if not LINE.match(line)]
    assert not bad, bad[:3]
    assert b"10.66.6.6" not in data and b"evil" not in data


VALUES = {
    "a node that does not exist": b"db-nowhere",
    "nothing": b"",
    "a space": b" ",
    "512 KB of noise": random.Random(1).randbytes(524288),
    "512 KB of letters": b"a" * 524288,
    "a newline and a second line": b"t1-db1\n10.66.6.6\tevil.service.consul evil",
    "NUL": b"t1-db1\x00evil",
    "only NUL": b"\x00",
    "a path": b"../../etc/passwd",
    "a command": b"$(reboot)",
    "backquotes": b"`reboot`; rm -rf / #",
    "invalid UTF-8": b"\xff\xfe\xc0\xaf",
    "half an address": b"10.0.0",
    "an address and more": b"10.66.6.6 evil",
    "a network": b"10.0.0.0/8",
    "commas": b",,,",
    "JSON": b'{"node":"db1"}',
    "template tags": b"{{#names}}{{{name}}}{{/names}}",
    "a terminal's escape": b"\x1b]0;evil\x07\x1b[2J",
    "a thousand nodes": b",".join(b"t1-db1" for _ in range(1000)),
}


@pytest.fixture(scope="module")
def place(module_procs, consul):
    return Site(module_procs, consul).start(hammer=False)


@pytest.fixture
def site(place):
    place.start_hammer()
    yield place
    place.hammer.stop()


@pytest.mark.parametrize("what", VALUES)
def test_value(site, what):
    """Fails when a value is used unchecked, or when one bad key stops the others."""
    good = site.names["name-000"]
    value = VALUES[what].replace(b"t1-db1", good.encode())
    site.api.put(site.key("name-000"), value)

    def is_rejected(s):
        return [r for r in s["names"]["rejected"] if r["name"] == "name-000"]
    if what == "a thousand nodes":  # one node a thousand times is odd but not wrong: either will do
        settle(1)
    else:
        site.daemon.until("rejected", is_rejected, 5)
        rejected = is_rejected(site.daemon.status())[0]
        assert rejected["kept"] == good and rejected["why"]
        assert len(rejected["value"]) < 2000
        assert all(c.isprintable() for c in rejected["value"] + rejected["why"]), rejected
        site.daemon.wait_problem("name-000")
    site.flip("name-020")  # the others are not held up
    check_lines(site)
    site.check_file()
    site.api.put(site.key("name-000"), good)
    site.daemon.until("mended", lambda s: not s["names"]["rejected"] and not s["problems"], 5)
    site.check()


KEYS = {
    "300 characters": "x" * 300,
    "a label of 64": "x" * 64,
    "254 in all": ".".join(["x" * 50] * 5),
    "a slash": "a/evil",
    "up and away": "../../etc/evil",
    "a newline": "evil\n10.66.6.6\tname-001",
    "NUL": "name-000\x00evil",
    "a space": "evil twin",
    "a tab": "evil\ttwin",
    "a command": "$(reboot)evil",
    "an umlaut": "\u00fcevil",
    "a leading dot": ".evil",
    "a trailing dot": "evil.",
    "two dots": "evil..evil",
    "an escape": "\x1b[2Jevil",
    "a comment": "#evil",
    "a hash": "evil#",
}


def test_keys(site):
    """Through /v1/txn, which takes anything. Fails when a key reaches the file as it is."""
    site.api.txn([("set", site.key(key), site.node(0)) for key in KEYS.values()])
    try:
        site.daemon.until("all are rejected", lambda s: len(s["names"]["rejected"]) == len(KEYS), 5)
        for r in site.daemon.status()["names"]["rejected"]:
            assert all(c.isprintable() for c in r["name"] + r["why"]), r
            assert r["kept"] is None
        site.flip("name-021")
        check_lines(site)
        site.check_file()
    finally:
        site.api.txn([("delete", site.key(key), "") for key in KEYS.values()])
    site.daemon.until("gone", lambda s: not s["names"]["rejected"], 10)
    site.check()


def test_a_key_of_invalid_utf8(site):
    """Distinct keys collapse into the same U+FFFD in Consul's JSON: rejected, whatever they were."""
    body = b'[{"KV":{"Verb":"set","Key":"%s\xff\xfeevil","Value":"%s"}}]' % (
        site.key("").encode(), base64.b64encode(site.node(0).encode()))
    site.api.request("PUT", "/v1/txn", body)
    site.daemon.until("rejected", lambda s: s["names"]["rejected"], 5)
    site.flip("name-022")
    check_lines(site)
    found = [k for k in site.api.list(site.key("")) if "evil" in k]
    site.api.txn([("delete", k, "") for k in found])
    site.daemon.until("gone", lambda s: not s["names"]["rejected"], 10)
    site.check()


def test_two_keys_that_differ_in_case(site):
    """Two keys, one name, two nodes: nobody knows which is meant, so it stays where it was."""
    site.api.put(site.key("NAME-000"), site.node(5))
    site.daemon.until("rejected", lambda s: [
        r for r in s["names"]["rejected"] if r["name"].lower() == "name-000"], 5)
    site.flip("name-023")
    check_lines(site)
    site.check_file()
    site.api.delete(site.key("NAME-000"))
    site.daemon.until("mended", lambda s: not s["names"]["rejected"], 10)
    site.check()


def test_a_folder_key(site):
    """The Consul UI makes `names/` itself a key when somebody creates a folder: harmless."""
    site.api.put(site.key(""), "")
    settle(1)
    site.flip("name-024")
    check_lines(site)
    site.api.txn([("delete", site.key(""), "")])
    site.check()


def test_a_hostile_override(site):
    """nodes/<node> is typed by people as well."""
    node = site.node(1)
    for value in (b"", b"10.66.6.6 evil", b"10.66.6.6\n10.66.6.6 evil", b"\xff\xfe", b"evil", b"\x00"):
        site.api.put(site.root + "nodes/" + node, value)
        site.daemon.wait_problem(node, 5)
        site.flip("name-025")
        check_lines(site)
    site.api.delete(site.root + "nodes/" + node)
    site.daemon.until("no problem is left", lambda s: not s["problems"], 10)
    site.check_file()
    site.check()


def test_a_hostile_value_under_a_restart(site):
    """The last good value survives the agent: it is on its disk, not in its memory."""
    good = site.names["name-001"]
    site.api.put(site.key("name-001"), "db-nowhere")
    site.daemon.until("rejected", lambda s: s["names"]["rejected"], 5)
    site.daemon.kill()
    site.daemon.start()
    site.daemon.until("rejected", lambda s: [
        r for r in s["names"]["rejected"] if r["kept"] == good], 10)
    site.flip("name-026")
    site.check_file()
    site.api.put(site.key("name-001"), good)
    site.daemon.until("mended", lambda s: not s["names"]["rejected"], 5)
    site.check()
