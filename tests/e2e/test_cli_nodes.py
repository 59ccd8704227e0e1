"""pointsman nodes: the addresses that names lead to, on Consul and on the embedded store."""
import pytest

from lib.cli import Desk


@pytest.fixture(params=["consul", "file"])
def desk(request, procs, consul):
    if request.param == "consul":
        return Desk(procs.dir, consul.api, consul.url)
    return Desk(procs.dir)


def listed(desk):
    done = desk.run("nodes", "-o", "json")
    assert done.code == 0, done
    return {n["node"]: (n["address"], n["from"], n["names"]) for n in done.json}


def test_an_address_is_given_and_taken(desk):
    assert desk.run("nodes", "db91", "10.9.0.1").code == 0
    assert desk.get("nodes/db91") == "10.9.0.1"
    assert desk.run("set", "maindb", "db91", "--no-wait").code == 0
    done = desk.run("nodes", "DB91", "10.9.0.2")
    assert done.code == 0 and "10.9.0.1 -> 10.9.0.2" in done.out, done
    assert done.out.endswith("back again: pointsman nodes db91 10.9.0.1\n"), done
    assert listed(desk)["db91"] == ("10.9.0.2", "nodes", 1)
    assert desk.run("nodes", "db91", "--remove").code == 0
    assert desk.get("nodes/db91") is None


@pytest.mark.parametrize("args, code, says", [
    (["nodes", "db91", "10.9.0"], 2, "is not an IP address"),
    (["nodes", "../etc", "10.9.0.1"], 2, "../etc"),
    (["nodes", "db91"], 2, "--remove"),
    (["nodes", "nobody", "--remove"], 3, "has no address under nodes/"),
])
def test_a_refusal_changes_nothing(desk, args, code, says):
    before = listed(desk)
    done = desk.run(*args)
    assert done.code == code and says in done.err, done
    assert listed(desk) == before


def test_a_hold_is_not_gone_around(desk):
    """Like set: what all names of a node lead to does not change under a hold."""
    assert desk.run("nodes", "db91", "10.9.0.1").out.endswith("back again: pointsman nodes db91 --remove\n")
    assert desk.run("set", "maindb", "db91", "--no-wait").code == 0
    for held in (["maindb"], []):
        assert desk.run("hold", *held, "--reason", "maintenance").code == 0
        for args in (["db91", "10.9.0.2"], ["db91", "--remove"]):
            done = desk.run("nodes", *args)
            assert done.code == 3 and "maintenance" in done.err, done
        assert desk.get("nodes/db91") == "10.9.0.1"
        assert desk.run("release", *held).code == 0
    assert desk.run("nodes", "db92", "10.9.0.3").code == 0
    assert desk.run("nodes", "db91", "10.9.0.2").code == 0
