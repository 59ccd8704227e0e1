"""Where a run of the tests keeps its files, and what is made there once for all of its workers."""
import fcntl
import os
import shutil
import tempfile

MEMORY = "/dev/shm"
ROOM = 6 << 30  # bytes: some ten databases at a time, and the logs
VARIABLE = "POINTSMAN_E2E_DIR"


def _has_room(path):
    """For files, which include programs."""
    try:
        place = os.statvfs(path)
    except OSError:
        return False
    return os.access(path, os.W_OK) and not place.f_flag & os.ST_NOEXEC and place.f_bavail * place.f_frsize > ROOM


def make_run_folder():
    """In memory where that has room: real servers sync every write, and the disk of a busy machine makes tests
    wait for seconds. What a SIGKILL must not lose it does not lose there either. TESTS_ON_DISK=1: on disk.
    Short, because a socket's path has 107 bytes at most."""
    in_memory = _has_room(MEMORY) and not os.environ.get("TESTS_ON_DISK")
    path = tempfile.mkdtemp(prefix="pm-e2e-", dir=MEMORY if in_memory else None)
    # Not below pytest's own directory: that one is 0700, and dnsmasq gives its rights up.
    os.chmod(path, 0o755)
    os.environ[VARIABLE] = path  # for the workers
    return path


def remove_run_folder():
    path = os.environ.pop(VARIABLE, None)
    if path and not os.environ.get("POINTSMAN_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


def run_folder():
    return os.environ[VARIABLE]


def template(procs, name, make):
    """A folder that the first one to ask fills with make(path, tmp), tmp being for temporary files; whoever asks
    meanwhile waits for it. Made once for all workers of the tests; for the lab, where the next one finds it; for
    a bench, beside its own."""
    path = os.path.join(os.environ.get(VARIABLE) or getattr(procs, "shared", None)
                        or os.path.dirname(procs.dir.rstrip("/")), name)
    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            new = path + ".new"
            shutil.rmtree(new, ignore_errors=True)  # of one that was killed
            with tempfile.TemporaryDirectory(dir=os.path.dirname(path)) as tmp:
                make(new, tmp)
            os.rename(new, path)
    return path
