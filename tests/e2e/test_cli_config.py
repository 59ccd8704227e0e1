"""pointsman config check: shows what is in force, or all that is wrong; asks nobody."""
import os

import pytest

from lib import SOURCE
from lib.cli import Desk, check_width

OUTPUT = """
output "hosts" {
  template = "%s"
  path = "/var/lib/pointsman/hosts"
  %s
}
agent { template-dir = "%s" }
"""


def desk_with(procs, template="hosts.mustache", members="", templates=os.path.join(SOURCE, "templates")):
    desk = Desk(procs.dir, None, "http://127.0.0.1:1")
    with open(desk.config_path, "w") as f:
        f.write('consul { address = "http://127.0.0.1:1" }\n' + OUTPUT % (template, members, templates))
    return desk


@pytest.mark.parametrize("members", [
    'signal = "HUP" pidfile = "/run/dnsmasq.pid"', 'command = {"/bin/true"}', "", 'prove = "127.0.0.1:53"'])
def test_good(procs, members):
    desk = desk_with(procs, members=members)
    done = desk.run("config", "check")
    assert done.code == 0 and "The configuration is good." in done.out, done
    assert "hosts.mustache" in done.out and "/var/lib/pointsman/hosts" in done.out
    check_width(done.out)
    shown = desk.run("config", "check", "-o", "json")
    assert shown.code == 0 and shown.json["outputs"][0]["name"] == "hosts", shown
    assert shown.json["consul"]["address"] == "http://127.0.0.1:1"


def test_the_environment_wins(procs):
    done = desk_with(procs).run("config", "check", "-o", "json", env={
        "CONSUL_HTTP_ADDR": "10.1.2.3:8500", "CONSUL_HTTP_TOKEN": "secret-of-ours"})
    assert done.code == 0 and done.json["consul"]["address"] == "http://10.1.2.3:8500", done
    assert done.json["consul"]["has_token"] is True and "secret-of-ours" not in done.out


def test_all_problems_at_once(procs):
    desk = desk_with(procs, members='settle-min = "5"\n  colour = "red"\n  mode = "x"')
    done = desk.run("config", "check")
    assert done.code == 2, done
    for word in ("settle-min", "colour", "mode"):
        assert word in done.err, (word, done)
    assert desk.config_path.rsplit("/", 1)[1] + ":" in done.err
    assert desk.run("names").code == 2


@pytest.mark.parametrize("template,word", [
    ("{{#names}}{{adress}}{{/names}}", "adress"), ("{{#names}}", "names"), ("{{>nothing}}", "nothing")])
def test_bad_template(procs, template, word):
    with open(os.path.join(procs.dir, "bad.mustache"), "w") as f:
        f.write("line one\n" + template + "\n")
    done = desk_with(procs, "bad.mustache", templates=procs.dir).run("config", "check")
    assert done.code == 2 and word in done.err and "bad.mustache:2" in done.err, done
    assert "  do   " in done.err


def test_missing_files(procs):
    done = desk_with(procs, "none.mustache").run("config", "check")
    assert done.code == 2 and "none.mustache" in done.err, done
    desk = desk_with(procs)
    os.unlink(desk.config_path)
    done = desk.run("config", "check")
    assert done.code == 2 and desk.config_path in "".join(done.err.split()).replace("\n", ""), done
