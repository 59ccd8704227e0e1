"""Back ends that write to a Redis whose address a hosts file tells, and remember what was acknowledged;
and one that looks at both servers all the time for two masters."""
import threading
import time

from .redis import Client, RedisError


class RedisWriter:
    """hosts: the file that an agent keeps. Each connection sets keys of its own, one after the other; after
    any error it asks the name again."""

    def __init__(self, hosts, name, port, connections=8, pause_s=0.001, retry_s=0.003):
        self.hosts, self.name, self.port = hosts, name, port
        self.pause_s, self.retry_s = pause_s, retry_s
        self.acked = [[] for _ in range(connections)]
        self.refused = []  # (when, why)
        self.gaps = [[] for _ in range(connections)]  # (until when, seconds without an acknowledgement)
        self.is_over = False
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                        for i in range(connections)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def address(self):
        with open(self.hosts) as f:
            for line in f:
                fields = line.split()
                if len(fields) > 2 and fields[2] == self.name:
                    return fields[0]
        raise OSError("no such name: " + self.name)

    def _run(self, i):
        client, number, last = None, 0, time.monotonic()
        while not self.is_over:
            try:
                client = client or Client(self.address(), self.port)
                number += 1
                if client.call("SET", "w%d:%d" % (i, number), number) == "OK":
                    self.acked[i].append(number)
                    now = time.monotonic()
                    self.gaps[i].append((now, now - last))
                    last = now
            except (OSError, RedisError) as error:
                self.refused.append((time.monotonic(), str(error)))
                if client:
                    client.close()
                client = None
                time.sleep(self.retry_s)
            time.sleep(self.pause_s)
        if client:
            client.close()

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive(), "a write without an answer"
        return self

    def count(self):
        return sum(len(numbers) for numbers in self.acked)

    def longest_gap_s(self, since):
        """Of any connection, from then on; how long that back end could not write."""
        return max(gap for gaps in self.gaps for until, gap in gaps if until > since)

    def lost(self, server):
        """What was acknowledged and is not on server, or is not what was written."""
        client, lost = server.client(), []
        for i, numbers in enumerate(self.acked):
            for at in range(0, len(numbers), 500):
                part = numbers[at:at + 500]
                values = client.call("MGET", *["w%d:%d" % (i, n) for n in part])
                lost += ["w%d:%d" % (i, n) for n, value in zip(part, values) if value != str(n)]
        client.close()
        return lost


class MasterWatch:
    """Asks both servers for their role, some thousand times a second."""

    def __init__(self, servers):
        self.servers = servers
        self.is_over, self.count, self.two = False, 0, []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    @staticmethod
    def _is_master(server, clients):
        try:
            if server not in clients:
                clients[server] = server.client(limit=1.0)
            return clients[server].call("ROLE")[0] == "master"
        except (OSError, RedisError):
            clients.pop(server, None)
            return False

    def _run(self):
        clients, (a, b) = {}, self.servers
        while not self.is_over:
            # Asked one after the other: a was one before and behind the moment in which b is one.
            if self._is_master(a, clients) and self._is_master(b, clients) and \
                    self._is_master(a, clients):
                self.two.append(time.monotonic())
            self.count += 1
            time.sleep(0.0005)

    def stop(self):
        self.is_over = True
        self.thread.join(5)
        return self
