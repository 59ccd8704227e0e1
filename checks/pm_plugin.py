"""What the check_pm_* plugins share: ranges, the line they print, their options, the servers' clients.

As the Nagios plugin guidelines have it: one line, "NAME STATE: text | perfdata", exit 0 to 3. Python's
own library and the servers' own clients are all they need. A password never stands in an argument: it
comes from an option file and goes to the client in a file in memory or in its environment.
"""
import argparse
import json
import math
import os
import re
import signal
import stat
import subprocess
import sys
import time
import traceback
from pathlib import Path

VERSION = "0.1.0"
OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
# How bad, when several are told as one: what could not be checked may be the worst of all.
SEVERITY = (OK, WARNING, UNKNOWN, CRITICAL)
NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"


class Problem(Exception):
    """The end of a check, with what it has found."""

    def __init__(self, state, text):
        super().__init__(text)
        self.state = state


class Range:
    """ "10", "10:", "~:10", "10:20", "@10:20": what it catches is bad."""

    def __init__(self, text):
        form = re.fullmatch(rf"(@?)(?:(~|{NUMBER})?:)?({NUMBER})?", text)
        if not form or text in ("", "@", ":", "@:"):
            raise argparse.ArgumentTypeError(
                f'{text!r} is no range: "10", "10:", "~:10", "10:20" and "@10:20" are')
        inside, low, high = form.groups()
        self.text = text
        self.is_inside = bool(inside)
        self.low = -math.inf if low == "~" else float(low or 0)
        self.high = math.inf if high is None else float(high)
        if self.low > self.high:
            raise argparse.ArgumentTypeError(f"{text!r} begins above its end")

    def catches(self, value):
        return (self.low <= value <= self.high) == self.is_inside

    def __str__(self):
        return self.text


class Plugin:
    """The options that all have, and the one line at the end."""

    def __init__(self, name, description, default_critical=None):
        self.name = name
        self.perfdata = []
        self.parser = argparse.ArgumentParser(
            prog=name, description=description, epilog="See pointsman-checks(7).")
        add = self.parser.add_argument
        add("-V", "--version", action="version", version=f"{name} {VERSION}")
        add("-v", "--verbose", action="count", default=0, help="say more, for people")
        add("-t", "--timeout", type=float, default=10, metavar="SECONDS", help="default 10")
        add("-w", "--warning", type=Range, metavar="RANGE")
        add("-c", "--critical", type=Range, metavar="RANGE",
            default=Range(default_critical) if default_critical else None)
        # argparse itself would end with 2, which is CRITICAL
        self.parser.error = self.usage

    def usage(self, message):
        self.say(UNKNOWN, f"{message} (--help tells the options)")

    def run(self, check):
        """check(args) returns a state and a text."""
        args = self.parser.parse_args()
        signal.signal(signal.SIGALRM, self.too_late)
        # half a second after the clients were given up: for what waits in the kernel
        signal.setitimer(signal.ITIMER_REAL, args.timeout + 0.5)
        self.deadline = time.monotonic() + args.timeout
        try:
            state, text = check(args)
        except Problem as e:
            state, text = e.state, str(e)
        except Exception as e:  # a plugin always answers
            if args.verbose > 1:
                traceback.print_exc()
            state, text = UNKNOWN, f"{type(e).__name__}: {e}"
        self.say(state, text)

    def too_late(self, *_):
        self.say(CRITICAL, "no answer within the timeout")

    def left(self):
        return max(0.1, self.deadline - time.monotonic())

    def number(self, label, value, unit="", args=None):
        limits = ""
        if args and (args.warning or args.critical):
            limits = f";{args.warning or ''};{args.critical or ''}".rstrip(";")
        label = re.sub(r"[=|\s]", "_", label).replace("'", "''")
        self.perfdata.append(f"'{label}'={value:.15g}{unit}{limits}")

    def say(self, state, text):
        signal.setitimer(signal.ITIMER_REAL, 0)
        text = "".join(c if c.isprintable() else "?" for c in text).replace("|", "/")
        numbers = f" | {' '.join(self.perfdata)}" if self.perfdata else ""
        print(f"{self.name.removeprefix('check_').upper()} {STATES[state]}: {text}{numbers}")
        sys.stdout.flush()
        os._exit(state)  # also out of a signal's handler, whatever waits


def judge(args, value):
    if args.critical and args.critical.catches(value):
        return CRITICAL
    return WARNING if args.warning and args.warning.catches(value) else OK


def duration(seconds):
    """ "12s", "4m12s", "6h03m", "3d04h" """
    sign, s = ("-", -seconds) if seconds < 0 else ("", seconds)
    if s < 60:
        return f"{sign}{s:.3g}s"
    s = int(s)
    if s < 3600:
        return f"{sign}{s // 60}m{s % 60:02}s"
    if s < 86400:
        return f"{sign}{s // 3600}h{s % 3600 // 60:02}m"
    return f"{sign}{s // 86400}d{s % 86400 // 3600:02}h"


# --- servers -----------------------------------------------------------------------------------------


def add_servers(plugin):
    """The options of those that ask a Redis or an SQL server."""
    add = plugin.parser.add_argument
    add("-H", "--host", default="127.0.0.1")
    add("-p", "--port", type=int, help="default: the server's usual one")
    add("-S", "--socket", help="of a server on this host, instead of -H and -p")
    add("-D", "--database", help="the schema; of a Redis the number")
    add("--credentials", metavar="FILE",
        help="option file: its group [pointsman], else [client], has user and password")


def read_credentials(path):
    """The lines of the group, for a client; refused when everybody could read them."""
    if path is None:
        return []
    if os.stat(path).st_mode & stat.S_IROTH:
        raise Problem(UNKNOWN, f"everybody can read {path}: chmod o= it")
    groups, group = {}, None
    for line in Path(path).read_text().splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            group = groups.setdefault(line[1:-1], [])
        elif line and line[0] not in "#;" and group is not None:
            group.append(line)
    found = groups.get("pointsman") or groups.get("client")
    if found is None:
        raise Problem(UNKNOWN, f"{path} has no group [pointsman]")
    return found


def run_client(plugin, argv, what, failed=CRITICAL, **options):
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=plugin.left(), **options)
    except FileNotFoundError:
        raise Problem(UNKNOWN, f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Problem(CRITICAL, f"{what} did not answer") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Problem(failed, f"{what}: {said[-1] if said else f'exit {done.returncode}'}")
    return done.stdout


def sql(plugin, args, query):
    """The rows of a query, as lists of texts; NULL is None."""
    lines = read_credentials(args.credentials)
    secret = os.memfd_create("credentials")
    os.fchmod(secret, 0o600)  # the client passes over what everybody may write
    os.write(secret, "\n".join(["[client]", *lines, ""]).encode())
    argv = ["mariadb", f"--defaults-extra-file=/proc/self/fd/{secret}", "--batch",
            "--skip-column-names", f"--connect-timeout={math.ceil(plugin.left())}"]
    argv += [f"--socket={args.socket}"] if args.socket else [
        "--protocol=TCP", f"--host={args.host}", f"--port={args.port or 3306}"]
    argv += [f"--database={args.database}"] if args.database else []
    out = run_client(plugin, [*argv, f"--execute={query}"], "the server", pass_fds=[secret])
    os.close(secret)
    return [[None if cell == "NULL" else cell for cell in line.split("\t")]
            for line in out.splitlines()]


def redis(plugin, args, *command):
    """One command's answer, the lines of it."""
    options = dict(re.split(r"\s*=\s*", line, maxsplit=1)
                   for line in read_credentials(args.credentials) if "=" in line)
    argv = ["redis-cli", "-e", "--raw", "--no-auth-warning"]
    argv += ["-s", args.socket] if args.socket else ["-h", args.host, "-p", str(args.port or 6379)]
    argv += ["-n", args.database] if args.database else []
    argv += ["--user", options["user"].strip("'\"")] if "user" in options else []
    env = dict(os.environ)
    if "password" in options:
        env["REDISCLI_AUTH"] = options["password"].strip("'\"")
    return run_client(plugin, [*argv, *command], "Redis", env=env).splitlines()


# --- what a plugin remembers ----------------------------------------------------------------------------


class Memory:
    """The last observation, in a file of our own that nobody else can have put there.

    A directory in a place where everybody may write is made 0700 and must be ours, so that no link
    set as a trap is ever followed; the file is replaced as a whole.
    """

    def __init__(self, plugin, args, key):
        base = args.state_dir or os.environ.get("STATE_DIRECTORY", "").split(":")[0] or \
            f"/var/tmp/pointsman-checks-{os.geteuid()}"
        os.makedirs(base, mode=0o700, exist_ok=True)
        seen = os.lstat(base)
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
            raise Problem(UNKNOWN, f"{base} is not a directory of ours alone")
        name = re.sub(r"[^A-Za-z0-9.-]", lambda c: f"_{ord(c[0]):x}", f"{plugin.name}-{key}")
        self.path = Path(base) / f"{name[-200:]}.json"

    def load(self):
        try:
            found = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, value):
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(value))
        temporary.replace(self.path)


def add_memory(plugin):
    plugin.parser.add_argument(
        "--state-dir", metavar="DIR",
        help="where the last observation is kept; default $STATE_DIRECTORY, else /var/tmp/…")
