#!/usr/bin/env python3
"""What 1,000 checks every 5 s cost: tcp, redis, http and mysql, 250 each, against local servers.

CPU and memory of pointsmand from /proc, lateness from its own metrics, and the same looks by
bench/check_floor in the same run: the ratio says what is ours. All on one machine, servers included.

usage: checks.py [--quick] [--count 1000] [--interval 5000] [--seconds 60]
"""
import argparse
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(SOURCE, "tests", "e2e"))
from lib.daemon import program                # noqa: E402
from lib.mariadb import CHECK_GRANTS, MariaDB  # noqa: E402
from lib.proc import Procs, free_port, wait_for  # noqa: E402
from lib.redis import Redis                   # noqa: E402
from lib.vantage import Vantage               # noqa: E402

USER, PASSWORD = "watch", "watch"


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_):
        pass


def serve_http():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.request_queue_size = 128
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def checks_of(count, ports, interval_ms, credentials):
    """A quarter of each kind, all on 127.0.0.1."""
    kinds = ["tcp", "redis", "http", "mysql"]
    checks = {}
    for i in range(count):
        kind = kinds[i % 4]
        checks["c%04d" % i] = dict(
            {"type": kind, "target": "127.0.0.1:%d" % ports[kind], "interval": "%dms" % interval_ms},
            **({"credentials": credentials} if kind == "mysql" else {}))
    return checks


def measure_daemon(vantage, seconds):
    """CPU seconds, the real seconds, runs, RSS in KiB, lateness quantiles in ms."""
    cpu, began = vantage.cpu_seconds(), time.monotonic()
    runs = vantage.metric("pointsman_check_lateness_seconds_count")
    time.sleep(seconds)
    took = time.monotonic() - began
    return {"cpu": vantage.cpu_seconds() - cpu, "took": took,
            "runs": vantage.metric("pointsman_check_lateness_seconds_count") - runs,
            "rss": vantage.status_kb("VmRSS"),
            "late": [1000 * vantage.metric('pointsman_check_lateness_seconds{quantile="%s"}' % q)
                     for q in ("0.5", "0.99", "1")]}


def measure_floor(count, ports, interval_ms, seconds):
    out = subprocess.run(
        [program("bench/check_floor"), str(seconds), str(interval_ms), str(count // 4)]
        + [str(ports[k]) for k in ("tcp", "redis", "http", "mysql")] + [USER, PASSWORD],
        check=True, capture_output=True, text=True).stdout.split()
    return {"runs": int(out[0]), "cpu": float(out[1]), "took": float(out[2]), "rss": int(out[3])}


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--quick", action="store_true", help="200 checks for 10 s")
    args.add_argument("--count", type=int, default=1000)
    args.add_argument("--interval", type=int, default=5000, help="milliseconds")
    args.add_argument("--seconds", type=int, default=60)
    args = args.parse_args()
    if args.quick:
        args.count, args.seconds = 200, 10
    home = tempfile.mkdtemp(prefix="pointsman-bench-")
    procs = Procs(home)
    web = serve_http()
    try:
        mariadb = MariaDB(procs, options=["--max-connections=2000", "--thread-handling=pool-of-threads",
                                          "--thread-cache-size=50"]).start()
        mariadb.create_account(USER, PASSWORD, CHECK_GRANTS)
        redis = Redis(procs, port=free_port()).start()
        ports = {"tcp": redis.port, "redis": redis.port, "http": web.server_address[1],
                 "mysql": mariadb.port}
        credentials = os.path.join(home, "watch.cnf")
        with open(credentials, "w") as f:
            f.write("[pointsman]\nuser = %s\npassword = %s\n" % (USER, PASSWORD))
        os.chmod(credentials, 0o600)
        vantage = Vantage(procs, "file:" + os.path.join(home, "kv.json"), "pointsman/", timing={},
                          agent={"log-level": "info"},
                          checks=checks_of(args.count, ports, args.interval, credentials))
        vantage.start().wait_known(60)
        wait_for("all pass", lambda: all(c["state"] == "passing" for c in vantage.checks().values()),
                 60, 1.0)
        time.sleep(args.interval / 1000 + 2)  # the first writes to the KV are over
        ours = measure_daemon(vantage, args.seconds)
        bad = [c["name"] for c in vantage.checks().values() if c["state"] != "passing"]
        vantage.terminate()
        floor = measure_floor(args.count, ports, args.interval, args.seconds)
        per = [1e6 * m["cpu"] / m["runs"] for m in (ours, floor)]
        print("%d checks every %.1f s for %d s, not passing at the end: %d"
              % (args.count, args.interval / 1000, args.seconds, len(bad)))
        print("             runs/s   CPU of a core   CPU a run   RSS")
        for name, m, us in (("pointsmand", ours, per[0]), ("floor", floor, per[1])):
            print("%-12s %6.1f   %11.2f %%   %6.0f us   %5.1f MiB"
                  % (name, m["runs"] / m["took"], 100 * m["cpu"] / m["took"], us, m["rss"] / 1024))
        print("ratio %.2f   lateness p50 %.2f ms  p99 %.2f ms  max %.2f ms"
              % ((per[0] / per[1],) + tuple(ours["late"])))
    finally:
        procs.close()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
