"""The judge of every fault test: dig asked for all names all the time, and not one bad answer.

A test tells the hammer what may be answered and when: `expect(name, address)` before it changes
anything (from then on the old and the new address are right), `settle()` once the change has been
served (from then on only the new one). An answer is right when it was allowed at some moment between
its question and its arrival. Everything else is bad: another address, NXDOMAIN, an empty answer, and
silence unless dnsmasq itself was down.
"""
import os
import subprocess
import sys
import time

from .proc import Process, wait_for

RATE = 300      # questions a second; the promise is judged with at least 200
RATE_LEAST = 200


def _answer(address):
    return ",".join(sorted(address)) if isinstance(address, (list, tuple, set)) else address


class Report:
    def __init__(self, queries, seconds, bad, worst_ms, by_name):
        self.queries, self.seconds, self.bad = queries, seconds, bad
        self.worst_ms, self.by_name = worst_ms, by_name

    def __str__(self):
        return "%d queries in %.1f s (%.0f/s), worst %.1f ms, bad answers: %d" % (
            self.queries, self.seconds, self.queries / max(self.seconds, 0.001), self.worst_ms,
            len(self.bad))


class Hammer:
    def __init__(self, procs, dnsmasq, names, rate=RATE):
        """names: {name: address or addresses}."""
        self.dnsmasq, self.rate = dnsmasq, rate
        self.log_path = os.path.join(procs.dir, "hammer-%d.log" % time.monotonic_ns())
        self.process = Process(procs, "hammer", [
            sys.executable, os.path.join(os.path.dirname(__file__), "hammer_process.py"),
            dnsmasq.address, dnsmasq.port, dnsmasq.domain, rate, self.log_path],
            stdin=subprocess.PIPE)
        self.expected = {}  # name -> [(from when, the answers allowed)], oldest first
        self.report = None
        self.process.start()
        for name, address in names.items():
            self.add(name, address)
        # From the first answer on: a test must not be over before it has begun to ask.
        wait_for("the hammer's first answer", self._has_begun, 5, 0.002)
        self.began = time.monotonic()

    def _has_begun(self):
        return os.path.exists(self.log_path) and os.path.getsize(self.log_path) > 0

    def _tell(self, line):
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()

    def _allow(self, name, answers):
        self.expected[name].append((time.monotonic(), frozenset(answers)))

    def add(self, name, address):
        self.expected[name] = []
        self._allow(name, [_answer(address)])
        self._tell("+" + name)

    def drop(self, name):
        """It is not asked for any more."""
        self._tell("-" + name)
        self._allow(name, self.expected[name][-1][1] | {"NXDOMAIN", "REFUSED", "EMPTY"})

    def expect(self, name, address):
        """From now on this one too. An address of None: that it is gone is right too."""
        now = self.expected[name][-1][1]
        new = {"NXDOMAIN", "REFUSED", "EMPTY"} if address is None else {_answer(address)}
        self._allow(name, now | new)

    def settle(self, name, address):
        """From now on only this one."""
        self._allow(name, [_answer(address)])

    def _is_right(self, name, sent, received, answer):
        history = self.expected[name]
        for i, (begin, allowed) in enumerate(history):
            end = history[i + 1][0] if i + 1 < len(history) else received
            if answer in allowed and begin <= received and sent <= end:
                return True
        return False

    def stop(self):
        """Ends it and judges. Returns the Report; asserts nothing."""
        if self.report is not None:
            return self.report
        ended = time.monotonic()
        self.process.popen.stdin.close()
        self.process.wait(10)
        queries, bad, worst, by_name = 0, [], 0.0, {}
        with open(self.log_path) as log:
            for line in log:
                sent, received, name, answer = line.rstrip("\n").split(" ", 3)
                sent, received = float(sent), float(received)
                queries += 1
                by_name[name] = by_name.get(name, 0) + 1
                if answer in ("TIMEOUT", "NOBODY"):
                    if not self.dnsmasq.was_down(sent, received):
                        bad.append((sent - self.began, name, answer))
                    continue
                worst = max(worst, received - sent)
                if not self._is_right(name, sent, received, answer):
                    bad.append((sent - self.began, name, answer))
        self.report = Report(queries, ended - self.began, bad, worst * 1000, by_name)
        return self.report

    def check(self):
        """Ends it and fails the test on one bad answer, or when it did not ask enough."""
        if self.report is None:  # every name at least once after whatever was done last
            time.sleep(max(0.3, 1.5 * len(self.expected) / self.rate))
        report = self.stop()
        print("hammer:", report)
        assert not report.bad, "%s, the first: %s" % (report, [
            "%.3f s %s %s (right: %s)" % (at, name, answer, sorted(self.expected[name][-1][1]))
            for at, name, answer in report.bad[:8]])
        least = min(self.rate, RATE_LEAST) * report.seconds
        assert report.queries >= least, "asked too seldom: %s" % report
        missed = set(self.expected) - set(report.by_name)
        assert report.seconds < 1 or not missed, "never asked for: %s" % sorted(missed)[:8]
        return report
