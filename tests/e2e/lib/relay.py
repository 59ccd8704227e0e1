"""A TCP relay that can be told to misbehave, and that remembers what went through it to the server.

    pass     bytes go both ways
    deaf     what clients send arrives, what the server answers does not
    hang     connections are accepted and nothing goes through any more, not even an end
    refuse   nobody listens

bar() keeps back single requests, whatever the mode: the connection of one stays open, and nobody answers.
"""
import re
import select
import socket
import threading


class Relay:
    def __init__(self, target, address="127.0.0.1", port=0, delay=0.0):
        self.target, self.delay = target, delay
        self.sent = bytearray()  # from clients to the server
        self.barred, self.kept_back, self.unanswered = None, [], set()
        self.mode = "pass"
        self.lock = threading.Lock()
        self.wake_read, self.wake_write = socket.socketpair()
        self.address, self.listener = address, None
        self.port = port
        self.is_ended = False
        self.pairs = {}  # socket -> the other end
        self.held = []   # accepted while it hangs
        self.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def listen(self):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self.listener = listener

    @property
    def endpoint(self):
        return "%s:%d" % (self.address, self.port)

    def set(self, mode):
        """Takes effect when it returns. From hang or deaf to pass: what was there is closed."""
        assert mode in ("pass", "deaf", "hang", "refuse")
        with self.lock:
            was, self.mode = self.mode, mode
            if mode == "refuse" and self.listener:
                self.listener.close()
                self.listener = None
            if mode != "refuse" and not self.listener:
                self.listen()
            if mode == "refuse" or was in ("hang", "deaf"):
                for s in list(self.pairs) + self.held:
                    s.close()
                self.pairs.clear()
                self.held.clear()
        self.wake_write.send(b".")

    def bar(self, pattern):
        """What a client sends and begins like this (bytes) does not arrive; None: all arrives again, and the
        connections of those that did not are closed."""
        with self.lock:
            self.barred, self.kept_back = pattern and re.compile(pattern), []
            for client in [s for s in self.pairs if s in self.unanswered]:
                self.part(client)
            self.unanswered.clear()

    def recorded(self):
        with self.lock:
            return bytes(self.sent)

    def close(self):
        self.is_ended = True
        self.wake_write.send(b".")
        self.thread.join(5)
        with self.lock:
            for s in list(self.pairs) + self.held + [self.listener]:
                if s:
                    s.close()

    def accept(self):
        client, _ = self.listener.accept()
        if self.mode == "hang":
            self.held.append(client)
            return
        try:
            server = socket.create_connection(self.target, 5)
        except OSError:
            client.close()
            return
        self.pairs[client], self.pairs[server] = server, client
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pump(self, source):
        other = self.pairs.get(source)
        if other is None:
            return
        try:
            data = source.recv(65536)
            if data:
                if other.getpeername() == self.target:
                    if self.barred and self.barred.match(data):
                        self.kept_back.append(data)
                        self.unanswered.add(source)
                        return
                    self.sent += data
                elif self.mode == "deaf":
                    return
                other.sendall(data)
                return
        except OSError:
            pass
        self.part(source)

    def part(self, source):
        for s in (source, self.pairs[source]):
            self.pairs.pop(s, None)
            s.close()

    def run(self):
        while not self.is_ended:
            with self.lock:
                watched = [self.wake_read]
                if self.listener:
                    watched.append(self.listener)
                if self.mode in ("pass", "deaf"):
                    watched += list(self.pairs)
            try:
                ready, _, _ = select.select(watched, [], [], 1.0)
            except (OSError, ValueError):
                continue  # one was closed meanwhile
            if self.delay:
                threading.Event().wait(self.delay)
            with self.lock:
                for s in ready:
                    try:
                        if s is self.wake_read:
                            s.recv(100)
                        elif s is self.listener:
                            self.accept()
                        elif self.mode in ("pass", "deaf"):
                            self.pump(s)
                    except OSError:
                        pass
