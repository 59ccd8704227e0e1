"""The agent's HTTP endpoint: read-only, only for those who call it by its name, within limits."""
import json
import re
import socket

import pytest

from conftest import Site
from lib.proc import wait_for


@pytest.fixture(scope="module")
def place(module_procs, consul):
    return Site(module_procs, consul).start(hammer=False)


@pytest.fixture
def site(place):
    place.start_hammer()
    yield place
    place.hammer.stop()


def raw(site, data, limit=3.0):
    """What comes back for these bytes, until it is closed."""
    with socket.create_connection(("127.0.0.1", site.daemon.http_port), timeout=limit) as s:
        got = b""
        try:
            s.sendall(data)
            while True:
                part = s.recv(65536)
                if not part:
                    return got
                got += part
        except (socket.timeout, ConnectionError):
            return got


def test_what_it_serves(site):
    for path, kind in (("/v1/status", "application/json"), ("/v1/names", "application/json"),
                       ("/metrics", "text/plain"), ("/healthz", "")):
        code, headers, body = site.daemon.http(path=path)
        assert code == 200 and body, path
        assert headers["Content-Type"].startswith(kind), (path, headers)
    names = json.loads(site.daemon.http(path="/v1/names")[2])
    assert "name-000" in json.dumps(names)
    assert site.daemon.http(path="/nothing")[0] == 404
    code, _, body = site.daemon.http("HEAD", "/v1/status")
    assert code == 200 and body == b""
    site.check()


def test_the_command_says_the_same(site):
    # It looks into the KV as well, where the agent's record comes a moment after what is served.
    wait_for("all is well", lambda: site.cli("status")[0] == 0, 10, 0.1)
    code, out, err = site.cli("status", "-o", "json")
    assert code == 0, (out, err)
    ours, theirs = json.loads(out), site.daemon.status()
    assert ours["generation"] == theirs["generation"] and ours["names"] == theirs["names"]
    site.check()


def test_metrics(site):
    """Prometheus' text, every sample with a type, and the names of the contract."""
    site.flip("name-000")
    site.daemon.wait_generation(site.generation())
    text = site.daemon.http(path="/metrics")[2].decode()
    for name in ("generation", "output_generation", "output_state", "output_renders_total",
                 "output_last_render_timestamp_seconds", "flip_to_served_seconds_bucket", "names",
                 "names_rejected", "names_last_known", "consul_up", "build_info"):
        assert re.search(r"^pointsman_%s[ {]" % name, text, re.M), name
    assert site.daemon.metric("pointsman_generation") == site.generation()
    assert re.search(r"^pointsman_names %d$" % len(site.names), text, re.M)
    assert site.daemon.metric("pointsman_consul_up") == 1
    typed = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    for line in text.splitlines():
        if line and not line.startswith("#"):
            sample = re.match(r"[a-z_]+", line).group(0)
            base = re.sub(r"_(bucket|sum|count)$", "", sample)
            assert sample in typed or base in typed, line
            float(line.rsplit(" ", 1)[1])
    site.check()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_only_get_and_head(site, method):
    answer = raw(site, b"%s /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % (
        method.encode()))
    assert re.match(rb"HTTP/1\.[01] (400|403|405|501) ", answer) or answer == b"", answer[:100]
    site.check()


@pytest.mark.parametrize("host, is_known", [
    ("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("evil.example.org", False),
    ("127.0.0.1.evil.example.org", False), ("localhost.evil.example.org", False), ("", False),
    ("name-000.service.consul", False), ("127.0.0.1@evil.example.org", False)])
def test_host_values(site, host, is_known):
    """A page elsewhere must not read us through a name that it makes point at us."""
    for suffix in ("", ":%d" % site.daemon.http_port):
        answer = raw(site, b"GET /v1/status HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (
            (host + suffix if host else "").encode()))
        ok = answer.startswith(b"HTTP/1.1 200")
        assert ok == is_known, answer[:200]
        if not is_known:
            assert b"generation" not in answer
    site.check()


HOSTILE = {
    "a long path": b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    "a body": b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" +
              b"a" * 200000,
    "noise": bytes(range(256)) * 100,
    "empty lines": b"\r\n" * 5000,
    "up and away": b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "NUL": b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_requests(site, what):
    rss = site.daemon.status_kb("VmRSS")
    answer = raw(site, HOSTILE[what], limit=1.0)
    assert not answer.startswith(b"HTTP/1.1 200") or b"root:" not in answer
    assert site.daemon.status_kb("VmRSS") < rss + 4096
    site.flip("name-001")
    site.check()


def test_too_many_connections(site):
    """Silent ones cost little, and do not keep the agent from its work."""
    held = []
    try:
        for _ in range(300):
            s = socket.socket()
            s.settimeout(1)
            try:
                s.connect(("127.0.0.1", site.daemon.http_port))
            except OSError:
                break
            held.append(s)
        assert site.daemon.fds() < 150, "%d descriptors" % site.daemon.fds()
        site.flip("name-002")
    finally:
        for s in held:
            s.close()
    site.daemon.until("it answers again", lambda s: True, 5)
    site.check()
