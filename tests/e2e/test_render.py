"""pointsman render: a template, a JSON document, and what is said when one of them is wrong. The language
itself is the matter of the unit tests."""
import json
import os
import subprocess

import pytest

from lib.daemon import run_cli, program

TEMPLATES = os.path.join(os.path.dirname(__file__), "..", "..", "templates")
NO_CONFIG = "/nonexistent/pointsman.conf"  # render reads none

DATA = {
    "generation": 8813, "node": "web-03", "domain": "service.consul", "proof": "fd70:6d::226d",
    "names": [{"name": "maindb", "fqdn": "maindb.service.consul", "node": "db3", "address": "10.0.4.13",
               "env": "MAINDB", "addresses": [
                   {"address": "10.0.4.13", "node": "db3", "ipv6": False, "last_known": False},
                   {"address": "fd00::14", "node": "db4", "ipv6": True, "last_known": False}]}],
    "nodes": [],
}


@pytest.fixture
def render(procs):
    """render(template text or path, data, option, ...), in a directory of its own."""
    def run(template, data, *options, partials={}):
        files = {"t.mustache": template, "data.json": data if isinstance(data, str) else json.dumps(data)}
        files.update({name + ".mustache": text for name, text in partials.items()})
        for name, text in files.items():
            with open(os.path.join(procs.dir, name), "w") as f:
                f.write(text)
        return run_cli(NO_CONFIG, "render", "--template", os.path.join(procs.dir, "t.mustache"),
                       "--data", os.path.join(procs.dir, "data.json"), *options)
    return run


def shipped(name):
    with open(os.path.join(TEMPLATES, name)) as f:
        return f.read()


def test_the_hosts_template(render):
    status, out, err = render(shipped("hosts.mustache"), DATA, "--strict")
    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if not line.startswith("#")] == [
        "fd70:6d::226d\tgeneration.pointsman.internal",
        "10.0.4.13\tmaindb.service.consul maindb",
        "fd00::14\tmaindb.service.consul maindb"]


def test_the_json_template(render):
    status, out, err = render(shipped("names.json.mustache"), DATA, "--strict", "--escape", "json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    assert document["generation"] == 8813
    assert document["names"][0]["addresses"] == DATA["names"][0]["addresses"]


def test_nothing_of_a_value_is_run_by_the_shell(render, procs):
    foreign = "$(touch %s/run) `touch %s/run` ' \" \\ ; touch %s/run\n#" % ((procs.dir,) * 3)
    status, out, _ = render("printf %s {{x}}", {"x": foreign}, "--escape", "shell")
    assert status == 0
    assert subprocess.run(["sh", "-euc", out], capture_output=True, text=True).stdout == foreign
    assert not os.path.exists(os.path.join(procs.dir, "run"))


def test_what_is_missing_is_nothing_unless_strict(render):
    assert render("[{{x}}{{>none}}]", {})[:2] == (0, "[]")
    status, out, err = render("a\n[{{adress}}]", {"address": 1}, "--strict")
    assert (status, out) == (2, "")
    assert "t.mustache:2: {{adress}} is not in the data; known here: address" in " ".join(err.split())
    status, out, err = render("[{{>none}}]", {}, "--strict")
    assert (status, out) == (2, "")
    assert "none.mustache: No such file or directory" in " ".join(err.split())


def test_partials_lie_beside_the_template(render):
    assert render("  {{>p}}\n", {"x": 1}, partials={"p": "{{x}}\n{{x}}\n"})[:2] == (0, "  1\n  1\n")
    status, out, err = render("{{>../../etc/passwd}}", {})
    assert (status, out) == (2, "")
    assert "a partial is a file beside the template" in " ".join(err.split())


@pytest.mark.parametrize("template, data, options, said", [
    ("{{#a}}", {}, (), "t.mustache:1: section a is never closed"),
    ("{{>p}}", {}, (), "more than 64 sections and partials in each other"),
    ("x", "{\"a\":", (), "line 1"),
    ("x", {}, ("--escape", "xml"), "--escape is none, html, json or shell, not xml"),
    ("x", {}, ("--data", "/nonexistent"), "No such file or directory"),
    ("x", {}, ("--template", "/nonexistent"), "No such file or directory"),
])
def test_a_mistake_is_told(render, template, data, options, said):
    status, out, err = render(template, data, *options, partials={"p": "{{>p}}"})
    assert (status, out) == (2, "")
    assert said in " ".join(err.split())


def test_both_files_are_needed():
    for args in ([], ["--template", "/dev/null"], ["--data", "/dev/null"]):
        status, out, err = run_cli(NO_CONFIG, "render", *args)
        assert (status, out) == (2, "")
        assert "both --template FILE and --data FILE are needed" in " ".join(err.split())


def test_as_json(render):
    status, out, _ = render("a\n{{x}}", {"x": "\u20ac"}, "-o", "json", "--escape", "html")
    assert (status, json.loads(out)) == (0, {"escape": "html", "text": "a\n\u20ac"})


def test_a_full_disk_is_a_failure(render, procs):
    render("x", {})  # the files
    with open("/dev/full", "w") as full:
        done = subprocess.run([program("pointsman"), "render", "--template", procs.dir + "/t.mustache",
                               "--data", procs.dir + "/data.json"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
