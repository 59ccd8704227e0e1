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


def test_bad_credentials(procs):
    """They may be mended at any time, so nothing is refused. On a host that runs no checks they need
    not be there."""
    desk = desk_with(procs)
    path = os.path.join(procs.dir, "watch.cnf")
    with open(desk.config_path, "a") as f:
        f.write('check "it" { type = "mysql" target = "db3" credentials = "%s" }\n'
                'pair "maindb" { kind = "mysql" nodes = {"db3", "db4"} credentials = "%s" }\n'
                % (path, path))
    assert "The configuration is good." in desk.run("config", "check").out
    with open(desk.config_path) as f:
        text = f.read()
    with open(desk.config_path, "w") as f:
        f.write(text.replace("agent {", "agent { vantage = yes"))

    def warnings():
        done = desk.run("config", "check", "-o", "json")
        assert done.code == 0, done
        return done.json["warnings"]

    missing = warnings()
    assert len(missing) == 2 and all("No such file" in w for w in missing), missing
    assert 'check "it"' in missing[0] and 'pair "maindb"' in missing[1]
    with open(path, "w") as f:
        f.write("[pointsman]\nuser = watch\npassword = topsecret\n")
    os.chmod(path, 0o644)
    assert all("everybody may read it" in w for w in warnings()) and "topsecret" not in str(warnings())
    shown = desk.run("config", "check").out
    assert "! " in shown and "The configuration is good." not in shown
    os.chmod(path, 0o600)
    assert warnings() == []


def test_operations(procs):
    """What operations of a pair are bound to is shown; nothing is, of a pair that asks for nothing."""
    desk = desk_with(procs)
    with open(desk.config_path, "a") as f:
        f.write('pair "plain" { kind = "redis" nodes = {"r1", "r2"} }\n'
                'pair "maindb" {\n kind = "redis"\n nodes = {"db3", "db4"}\n approvals = 1\n'
                ' maintenance-window = {"Mon-Fri 09:00-17:00", "sat 22:00-02:00"}\n'
                ' fence-command = {"/etc/pointsman/fence", "{node}"}\n'
                ' pre-hook = {"/etc/pointsman/hooks/quiet", "maindb"}\n hook-timeout = "2s"\n}\n'
                'hook "chat" { on = {"op-begin", "op-done"} command = {"/etc/chat"} }\n')
    done = desk.run("config", "check")
    assert done.code == 0 and "The configuration is good." in done.out, done
    check_width(done.out)
    shown = done.out.split("pair           maindb", 1)
    for line in ("  approvals    1: another person approves\n  planned      Mon-Fri 09:00-17:00\n"
                 "               Sat 22:00-02:00\n", "  fence        /etc/pointsman/fence\n",
                 "  pre-hook     /etc/pointsman/hooks/quiet\n"):
        assert line in shown[1] and line not in shown[0], (line, done.out)
    assert "post-hook" not in done.out
    plain, maindb = desk.run("config", "check", "-o", "json").json["pairs"]
    assert (plain["approvals"], plain["maintenance_window"], plain["fence_command"]) == (0, [], [])
    assert (plain["hook_timeout_ms"], plain["command_timeout_ms"]) == (10000, 30000)
    assert maindb["approvals"] == 1 and maindb["hook_timeout_ms"] == 2000
    assert maindb["maintenance_window"] == ["Mon-Fri 09:00-17:00", "Sat 22:00-02:00"]
    assert maindb["fence_command"] == ["/etc/pointsman/fence", "{node}"]
    assert maindb["pre_hook"] == ["/etc/pointsman/hooks/quiet", "maindb"]
    with open(desk.config_path, "a+") as f:
        f.seek(0)
        line = len(f.readlines()) + 4
        f.write('pair "third" {\n kind = "redis"\n nodes = {"x", "y"}\n'
                ' maintenance-window = {"Mon-Fri 9-17"}\n}\n')
    refused = desk.run("config", "check")
    said = "".join(refused.err.split())
    assert refused.code == 2, refused
    assert f':{line}:maintenance-window="Mon-Fri9-17":allowedisoneto16' in said, refused


def test_missing_files(procs):
    done = desk_with(procs, "none.mustache").run("config", "check")
    assert done.code == 2 and "none.mustache" in done.err, done
    desk = desk_with(procs)
    os.unlink(desk.config_path)
    done = desk.run("config", "check")
    assert done.code == 2 and desk.config_path in "".join(done.err.split()).replace("\n", ""), done
