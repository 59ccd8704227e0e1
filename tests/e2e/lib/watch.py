"""What happens to the files of a directory, seen as it happens (inotify, without a library)."""
import ctypes
import os
import struct

IN_MOVED_FROM, IN_MOVED_TO = 0x40, 0x80


class Watch:
    """The renames within one directory (inotify, without a library)."""

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        # Both, although only one counts: the kernel merges equal events that follow each other.
        if libc.inotify_add_watch(self.fd, os.fsencode(directory), IN_MOVED_FROM | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), directory)

    def renamed(self):
        """The names that files were renamed to since the last call."""
        names = []
        while True:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                return names
            at = 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                if mask & IN_MOVED_TO:
                    names.append(data[at + 16:at + 16 + length].rstrip(b"\0").decode())
                at += 16 + length

    def close(self):
        os.close(self.fd)
