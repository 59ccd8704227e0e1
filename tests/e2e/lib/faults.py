"""Many faults on one vantage at once: each is brought about, must be found as what it is within the bound
that the check prints, is taken back, and must be found well again. What was measured becomes a table."""
import json
import os
import socket
import threading
import time

from .daemon import run_cli
from .proc import free_port, loopback_net

# Ours, not the daemon's: what it takes this test to look, and two cores that many tests share.
SLACK_S = 0.5
# pointsman checks reads what vantages have written to the KV.
PUBLISHED_S = 3.0


class Fault:
    """bring() brings it about, and may return the moment from when it counts; heal() takes it back. grows:
    how many seconds the fault itself needs to be one, a lag."""

    def __init__(self, what, check, want, bring, heal, words="", level="critical", grows=0.0):
        self.what, self.check, self.want, self.bring, self.heal = what, check, want, bring, heal
        self.words, self.level, self.grows = words, level, grows


class Bystanders:
    """Servers that are well, on addresses of their own: what is ill must not be most of what a vantage
    sees, or it would doubt itself, and rightly."""

    def __init__(self, count):
        self.net, self.count = loopback_net(), count
        self.socket = socket.socket()
        self.socket.bind(("0.0.0.0", free_port("0.0.0.0")))
        self.socket.listen(128)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return

    def checks(self):
        port = self.socket.getsockname()[1]
        return {"bystander-%d" % i: {"type": "tcp", "target": "%s%d:%d" % (self.net, i, port)}
                for i in range(1, self.count + 1)}

    def close(self):
        self.socket.close()


class _Eyes(threading.Thread):
    """Asks the daemon again and again, for all groups."""

    def __init__(self, vantage):
        super().__init__(daemon=True)
        self.vantage, self.is_over, self.looks = vantage, False, {}

    def run(self):
        while not self.is_over:
            try:
                self.looks = self.vantage.checks()
            except OSError:
                pass
            time.sleep(0.05)

    def wait(self, check, condition, limit):
        """The check, and the moment of it; the last look and None when it did not come."""
        end = time.monotonic() + limit
        while True:
            look, now = self.looks.get(check), time.monotonic()
            if look and condition(look):
                return look, now
            if now > end:
                return look, None
            time.sleep(0.02)


def _try(eyes, fault, rows, complaints, is_last=True):
    """True: it was found late, which is worth another try, because the machine may have been late."""
    def complain(text):
        complaints.append("%s (%s): %s" % (fault.what, fault.check, text))
    look, at = eyes.wait(fault.check, lambda c: c["known"] and c["state"] == "passing", 20)
    if at is None:
        return complain("not passing before: %s" % look)
    began = time.monotonic()
    began = fault.bring() or began
    bound = look["bound_ms"] / 1000 + fault.grows
    try:
        look, at = eyes.wait(fault.check, lambda c: c["state"] == "failing" and
                             c["class"] == fault.want and fault.words in c["output"],
                             bound + 5 - (time.monotonic() - began))
        if at is None:
            return complain("not %s with %r, but %s" % (fault.want, fault.words, json.dumps(
                {k: look[k] for k in ("state", "class", "output", "strip", "verdict")})))
        took = at - began
        if took > bound + SLACK_S and not is_last:
            return True
        rows.append({"fault": fault.what, "class": look["class"], "level": look["level"],
                     "bound_s": round(bound, 2), "took_s": round(took, 2), "output": look["output"]})
        if took > bound + SLACK_S:
            complain("found after %.2f s, bound %.2f s, %s" % (took, bound, look["strip"]))
        if look["level"] != fault.level:
            complain("is %s" % look["level"])
        end, said = time.monotonic() + PUBLISHED_S, None
        while said != fault.want and time.monotonic() < end:
            listed = json.loads(run_cli(eyes.vantage.config_path, "-o", "json", "checks")[1])
            said = {c["name"]: c for c in listed}[fault.check]["class"]
        if said != fault.want:
            complain("pointsman checks says: %s" % said)
    finally:
        fault.heal()
    look, at = eyes.wait(fault.check, lambda c: c["state"] == "passing", 20)
    if at is None:
        complain("does not become well: %s" % look["output"])
    return False


def run(vantage, groups, title):
    """groups: lists of faults; those of one list come one after another, the lists at the same time.
    Returns the rows of the table, which is printed, and kept where FAULT_TABLES names a directory."""
    eyes, rows, complaints = _Eyes(vantage), [], []
    done, is_over = threading.Semaphore(0), threading.Event()
    eyes.start()

    def run_group(group):
        for fault in group:
            try:
                _try(eyes, fault, rows, complaints, is_last=False) and _try(eyes, fault, rows, complaints)
            except Exception as e:
                complaints.append("%s (%s): %r" % (fault.what, fault.check, e))
        done.release()
        # A server that was started again dies with the thread that started it (PDEATHSIG).
        is_over.wait()
    threads = [threading.Thread(target=run_group, args=(g,)) for g in groups]
    for t in threads:
        t.start()
    for t in threads:
        done.acquire()
    eyes.is_over = True
    eyes.join()
    try:
        return _judge(vantage, rows, complaints, title)
    finally:
        is_over.set()
        for t in threads:
            t.join()


def _judge(vantage, rows, complaints, title):
    rows.sort(key=lambda r: r["fault"])
    print("\n%-44s %-21s %-9s %7s %7s" % (title, "class", "level", "bound/s", "found/s"))
    for r in rows:
        print("%-44s %-21s %-9s %7.2f %7.2f  %s" % (r["fault"], r["class"], r["level"], r["bound_s"],
                                                   r["took_s"], r["output"][:90]))
    if os.environ.get("FAULT_TABLES"):
        with open(os.path.join(os.environ["FAULT_TABLES"], title + ".json"), "w") as f:
            json.dump(rows, f, indent=1)
    # The bystanders never were in doubt, and so neither was the vantage.
    assert not complaints, "\n".join(complaints)
    end = time.monotonic() + 10
    while ill := [c for c in vantage.checks().values() if c["state"] != "passing"]:
        assert time.monotonic() < end, ill
        time.sleep(0.1)
    assert "this vantage is blind" not in vantage.log()
    return rows
