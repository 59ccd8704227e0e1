#!/usr/bin/python3
"""A small data centre on loopback, in one folder.

    lab up [--embedded] [--dir DIR]     raise it, show a name, flip it, say how long that took
    lab status | down                   what runs; stop it all and leave nothing behind
    lab dig NAME                        ask every dnsmasq
    lab pointsman ARGUMENT ...          the operator's command, on the lab's configuration
    lab consul ARGUMENT ...             Consul's own command, on the lab's server
    lab shell SERVER [STATEMENT]        db3, db4: mariadb as root; red1, red2: redis-cli
    lab kill NAME | start SERVER        SIGKILL to anything that status shows; bring a server back
    lab writer [SECONDS]                a back end that writes to maindb, then looks for every row

One Consul server (or the embedded KV); three hosts, each an agent that watches the servers, with a
dnsmasq of its own; two MariaDB masters that replicate from each other and a Redis with its replica,
as the pairs maindb and sessions. Everything listens on 127.0.87.x with ports that no real server of
the machine uses; where another lab has taken that network, the next one is used.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile

from centre import (AGENT_PORT, DNS_PORT, DOMAIN, FLIP_NAME, HOSTS, Lab, consul_binary, program)
from processes import LabError, is_running, tail, wait_for
from servers import ADDRESSES, ERRORS, MYSQL_PORT, TOP

LAB = "./contrib/lab/lab"


# To be typed from top to bottom. {active}: who takes the writes of maindb now. At most 31 characters of
# remark fit 80 columns.
LOOK_AROUND = [
    ("pointsman status", ""), ("pointsman pairs", ""), ("dig maindb", ""), ("shell {active}", ""),
    ("consul kv put pointsman/names/shard-002 db10", ""),
    ("writer 10", "a back end; no row may be lost"),
    ("kill {active}", "the active master dies"),
    ("pointsman pairs", "4 s later: a proposal"),
    ("pointsman failover maindb --emergency", ""),
    ("start {active}", "it comes back read-only"),
    ("pointsman rejoin maindb", "let it back, if nothing is lost"),
    ("pointsman doctor", "could it fail over now?"),
    ("pointsman failover maindb", "and back; you type the name"),
    ("pointsman history", "what was done, by whom"),
    ("status", ""), ("down", "")]
# The demonstration's back end has written some 300 rows before the failover, and as many behind it; not
# so many in a second that the standby could not keep up on a small machine with slow disks.
WRITER_BYTES, WRITER_RATE, WRITER_LIMIT_S = 16 * 1024, 500, 60


def show(lab, is_new):
    address = lab.address(0)
    dig = ["dig", "+short", f"@{address}", "-p", str(DNS_PORT), f"{FLIP_NAME}.{DOMAIN}"]
    print("\n$", " ".join(dig))
    print(subprocess.run(dig, capture_output=True, text=True, check=True).stdout.strip())
    command, where, ran, answered = lab.flip()
    print("$", command)
    print("$", " ".join(dig))
    print(subprocess.run(dig, capture_output=True, text=True, check=True).stdout.strip())
    print(f"\nAll {len(HOSTS)} dnsmasq answered {where} {answered * 1000:.0f} ms after Enter",
          f"(the command ran {ran * 1000:.0f} ms).\n"
          f"From the KV's answer to dnsmasq's, {HOSTS[0]} needed {lab.agent_ms():.1f} ms.")
    print(f"\nA back end writes to maindb through {HOSTS[0]}'s dnsmasq, and meanwhile:", flush=True)
    writer, record = start_writer(lab, WRITER_LIMIT_S, "--rate", str(WRITER_RATE))
    try:
        if is_new:
            wait_for("every check passes", lab.checks_pass, limit_s=40)
        print("\n$ pointsman checks", flush=True)
        subprocess.run(lab.pointsman("checks"), env=lab.environment(), check=False)
        code = show_failover(lab, writer, record)
    finally:
        writer.terminate()
    broken = writer.wait()
    if not broken:
        print("\nThe back end's own report:", flush=True)
        broken = check_writer(lab, record)
    print("\nLook around:")
    active = lab.active("maindb")
    for what, remark in LOOK_AROUND:
        if not (lab.state["embedded"] and what.startswith("consul")):
            command = what.format(active=active)
            print(f"  {LAB} {command:<26} {'# ' + remark if remark else ''}".rstrip())
    print(f"  curl http://{address}:{AGENT_PORT}/v1/pairs")
    folder = os.path.relpath(lab.path(HOSTS[0]))
    print(f"  ls {lab.path(HOSTS[0]) if folder.startswith('..') else folder}")
    if code or broken:
        print("\nThe lab runs, but its failover did not go as it should: see above.")
    return code or broken


def plan_of(lab, pair):
    """The id of the plan that a dry run shows; None when it is refused."""
    command = ("-o", "json", "failover", pair, "--dry-run", "--wait", "20s")
    dry = subprocess.run(lab.pointsman(*command), env=lab.environment(), capture_output=True, text=True, check=False)
    return json.loads(dry.stdout).get("plan") if dry.stdout else None


def wait_for_rows(writer, record):
    """Until its record has grown by some hundred rows, or it has ended."""
    def size():
        return os.path.getsize(record) if os.path.exists(record) else 0
    begin = size()
    wait_for("the back end writes",
             lambda: size() > begin + WRITER_BYTES or writer.poll() is not None)


def show_failover(lab, writer, record):
    """To the other server and, the next time, back. The command's exit code."""
    wait_for_rows(writer, record)
    plan = plan_of(lab, "maindb")
    # Without a plan the command says why there is none.
    arguments = ["failover", "maindb"] + (["--plan", plan, "--yes"] if plan else ["--dry-run"])
    print("\n$ pointsman", " ".join(arguments), flush=True)
    code = run(lab, lab.pointsman(*arguments))
    wait_for_rows(writer, record)
    return code


def command_up(lab, options):
    embedded, is_new = options.embedded, not lab.is_up
    if not is_new:
        dead = [p["name"] for p in lab.state["processes"] if not is_running(p)]
        if dead:
            raise LabError(f"{', '.join(dead)}: dead, in {lab.dir}; `{LAB} start NAME` for a "
                           f"server, or `{LAB} down` first")
        if embedded != lab.state["embedded"] and embedded:
            raise LabError(f"it runs on Consul in {lab.dir}; `{LAB} down` first")
    else:
        if not embedded and consul_binary(asks_only=True) is None:
            print("No Consul to be had: using the embedded KV.")
            embedded = True
        try:
            lab.up(embedded)
        except BaseException:
            for process in lab.state["processes"]:
                print(f"{process['name']}: {'runs' if is_running(process) else 'has ended'}\n"
                      f"{tail(lab.path(process['log']))}", end="", file=sys.stderr)
            lab.down()
            raise
    status(lab)
    return show(lab, is_new)


def status(lab):
    print(f"pointsman lab in {lab.dir}, store {lab.store}")
    for process in sorted(lab.state["processes"], key=lambda p: p["name"]):
        print(f"  {'runs' if is_running(process) else 'DEAD'}  {process['pid']:>7}  "
              f"{process['name']:<15} {process['what']}")


def command_status(lab, _options):
    status(lab)
    return 0 if all(is_running(p) for p in lab.state["processes"]) else 1


def command_down(lab, _options):
    lab.down()
    print(f"The lab in {lab.dir} is gone.")


def command_dig(lab, options):
    for name in options.arguments:
        for host, answer in zip(HOSTS, lab.ask(name)):
            print(f"{host}  {name}  {answer or 'no such name'}")


def run(lab, argv):
    sys.stdout.flush()
    return subprocess.run(argv, env=lab.environment(), check=False).returncode


def command_pointsman(lab, options):
    return run(lab, lab.pointsman(*options.arguments))


def command_consul(lab, options):
    if lab.state["embedded"]:
        raise LabError("this lab runs on the embedded KV")
    return run(lab, [consul_binary(), *options.arguments])


def server_named(options):
    if not options.arguments or options.arguments[0] not in ADDRESSES:
        raise LabError(f"which server: {', '.join(ADDRESSES)}?")
    return options.arguments[0]


def command_shell(lab, options):
    return run(lab, lab.servers.shell(server_named(options), options.arguments[1:]))


def command_kill(lab, options):
    """SIGKILL: what dies by it has no time to say goodbye, as in life."""
    process = lab.process(" ".join(options.arguments))
    if not is_running(process):
        raise LabError(f"{process['name']} is dead already")
    os.kill(process["pid"], signal.SIGKILL)
    wait_for(f"{process['name']} has ended", lambda: not is_running(process))
    print(f"{process['name']} is dead.")


def command_start(lab, options):
    name = server_named(options)
    if lab.servers.is_running(name):
        raise LabError(f"{name} runs")
    lab.servers.by_name[name].start()
    print(f"{name} is back.")
    if name.startswith("db"):
        print("It refuses writes and does not replicate, as a master that died must: it may have\n"
              "rows that nobody else has, and another may be active by now.")
        if lab.active("maindb") == name:
            print("Nobody took over. As it was before:\n"
                  f"  {LAB} shell {name} \"START SLAVE; SET GLOBAL read_only = 0\"")
        else:
            print(f"  {LAB} pointsman rejoin maindb")


def writer_common(lab, record):
    return ["--log", record, "--account", lab.servers.account("game")]


def start_writer(lab, seconds, *options):
    """(the process, its record)"""
    os.makedirs(lab.path("writer"), exist_ok=True)
    record = os.path.join(tempfile.mkdtemp(prefix="run-", dir=lab.path("writer")), "record")
    return subprocess.Popen([program("contrib/lab/writer"), "write", *writer_common(lab, record),
                             "--create", "--seconds", str(seconds), "--name", f"maindb.{DOMAIN}",
                             "--resolver", f"{lab.address(0)}:{DNS_PORT}",
                             "--port", str(MYSQL_PORT), "-o", "json", *options],
                            env=lab.environment(), stdout=subprocess.DEVNULL), record


def check_writer(lab, record):
    """Looks for every row that was acknowledged, on both servers."""
    active = lab.active("maindb")
    nodes = sorted(("db3", "db4"), key=lambda name: name != active)
    servers = [word for name in nodes
               for word in ("--server", f"{lab.nodes[name]}:{MYSQL_PORT}")]
    return run(lab, [program("contrib/lab/writer"), "check", *writer_common(lab, record),
                     *servers])


def command_writer(lab, options):
    seconds = options.arguments[0] if options.arguments else "10"
    print(f"Writing to maindb for {seconds} s ...", flush=True)
    writer, record = start_writer(lab, seconds)
    code = writer.wait()
    return code or check_writer(lab, record)


COMMANDS = {"up": command_up, "status": command_status, "down": command_down, "dig": command_dig,
            "pointsman": command_pointsman, "consul": command_consul, "shell": command_shell,
            "kill": command_kill, "start": command_start, "writer": command_writer}
# Everything behind these is theirs, options included.
TAKES_REST = ("dig", "pointsman", "consul", "shell", "kill", "start", "writer")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    own, rest = sys.argv[1:], []
    for i, word in enumerate(own):
        if word in TAKES_REST:
            own, rest = own[:i + 1], own[i + 1:]
            break
    parser = argparse.ArgumentParser(prog="lab", usage=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--dir", default=os.path.join(TOP, "build", "lab"))
    options = parser.parse_args(own)
    options.arguments = rest
    lab = Lab(options.dir)
    try:
        if not lab.is_up and options.command != "up":
            print(f"No lab in {lab.dir}.")
            return 0 if options.command == "down" else 1
        return COMMANDS[options.command](lab, options) or 0
    except (LabError, *ERRORS) as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
