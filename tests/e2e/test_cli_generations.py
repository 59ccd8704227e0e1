"""pointsman diff, history --output and watch-hook, on what a real agent wrote."""
import json
import os
import re
import subprocess

import pytest

from conftest import Site
from lib.cli import clean_env
from lib.daemon import program
from lib.proc import wait_for


@pytest.fixture
def site(procs, consul):
    return Site(procs, consul, names=5).start(hammer=False)


def test_history_and_diff(site):
    first = site.generation()
    old = site.nodes[site.names["name-000"]]
    site.flip("name-000", site.node(4))
    new = site.nodes[site.node(4)]
    second = site.generation()
    code, out, err = site.cli("history", "--output", "hosts", "-o", "json")
    assert code == 0, (out, err)
    rows = json.loads(out)
    assert [r["generation"] for r in rows] == [second, first]
    assert (rows[0]["added"], rows[0]["removed"]) == (1, 1)
    assert rows[0]["first"].startswith("+" + new)
    code, out, err = site.cli("history", "--output")
    assert code == 0 and re.search(r"hosts +\S+Z +%d +\+1 -1 +\+%s" % (second, re.escape(new)), out), out
    code, out, err = site.cli("diff", first)
    assert code == 1, (out, err)
    lines = out.splitlines()
    assert lines[:2] == ["--- hosts %d" % first, "+++ hosts now"]
    assert [l for l in lines if "name-000" in l] == [
        "-%s  name-000.service.consul name-000" % old, "+%s  name-000.service.consul name-000" % new]
    code, out, err = site.cli("diff", first, first)
    assert code == 0 and "the same" in out, (out, err)
    code, out, err = site.cli("diff", 1)
    assert code == 3 and "not kept" in err, (out, err)
    assert site.cli("diff", "x")[0] == 2
    assert site.cli("diff", first, "--output", "nope")[0] == 2
    assert site.cli("history", "--output", "nope")[0] == 2
    assert site.cli("history")[0] == 0


def test_diff_against_the_kv(site):
    code, out, err = site.cli("diff")
    assert code == 0, (out, err)
    assert site.cli("hold", "--reason", "test")[0] == 0
    old = site.nodes[site.names["name-001"]]
    site.api.put(site.key("name-001"), site.node(7))
    code, out, err = site.cli("diff")
    assert code == 1, (out, err)
    assert out.splitlines()[2:] == ["-%s  name-001" % old, "+%s  name-001" % site.nodes[site.node(7)]]
    code, out, err = site.cli("diff", "-o", "json")
    assert code == 1 and json.loads(out)["same"] is False
    site.daemon.kill()
    assert site.cli("diff")[0] == 7


# --- watch-hook ----------------------------------------------------------------------------------------


def hook(site, text, index, *args):
    env = clean_env({"CONSUL_INDEX": str(index)} if index is not None else {})
    done = subprocess.run([program("pointsman"), "-c", site.daemon.config_path, "watch-hook", *args],
                          input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                          timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def hook_site(procs, consul):
    """dnsmasq and a configuration, but no agent."""
    site = Site(procs, consul, names=5)
    site.dnsmasq.start()
    return site


def keys(site):
    return site.api.request("GET", "/v1/kv/%snames/?recurse" % site.root)


def test_watch_hook(hook_site):
    site = hook_site
    code, out, err = hook(site, keys(site), site.generation())
    assert code == 0 and out == "hosts: served generation %d\n" % site.generation(), (out, err)
    site.check_dns()
    site.check_file()
    site.api.put(site.key("name-002"), site.node(7))
    site.names["name-002"] = site.node(7)
    code, out, err = hook(site, keys(site), site.generation(), "-o", "json")
    assert code == 0 and json.loads(out)["ok"] is True, (out, err)
    site.check_dns()


def test_watch_hook_believes_no_short_list(hook_site):
    site = hook_site
    assert hook(site, keys(site), site.generation())[0] == 0
    short = json.dumps(json.loads(keys(site))[:2]).encode()
    for text in (short, b"[]", b"null"):
        assert hook(site, text, 10 ** 6)[0] == 0
        site.check_file()


def test_watch_hook_bad_input(hook_site):
    site = hook_site
    assert hook(site, keys(site), site.generation())[0] == 0
    for text, index in ((b"", 5), (b"{", 5), (b"[{}]", 5), (b"\x00", 5), (b'[{"Key":"other/x"}]', 5),
                        (b"[" * 100000, 5), (keys(site), None), (keys(site), "x"), (keys(site), "-1"),
                        (b'[{"Key":"%snames/a","Value":"!"}]' % site.root.encode(), 5)):
        code, out, err = hook(site, text, index)
        assert code == 2 and "consul watch" in err, (text[:40], out, err)
        site.check_file()


def test_watch_hook_beside_a_daemon(hook_site):
    """What cannot be rendered is said, and Consul is not blamed for it."""
    site = hook_site
    site.daemon.start()
    try:
        for args in ((), ("-o", "json")):
            code, out, err = hook(site, keys(site), site.generation(), *args)
            assert code == 2 and "is in use" in out + err and "Consul" not in out + err, (code, out, err)
    finally:
        site.daemon.terminate()


def test_under_consul_watch(hook_site, consul):
    site = hook_site
    from lib.consul import consul_binary
    from lib.proc import Process
    watch = Process(site.procs, "consul-watch", [
        consul_binary(), "watch", "-http-addr=" + consul.url, "-type=keyprefix",
        "-prefix=%snames/" % site.root, program("pointsman"), "-c", site.daemon.config_path,
        "watch-hook"], env=clean_env())
    watch.start()
    wait_for("the first file", lambda: os.path.exists(site.hosts))
    wait_for("all names", lambda: site.dnsmasq.address_of("name-000") == site.nodes[site.node(0)])
    site.flip("name-000", site.node(6))
    assert watch.is_alive()
