#!/usr/bin/env python3
"""A second reader and writer of heartbeat files, made from docs/heartbeat-file.md alone (Python 3.11, Linux)."""
import argparse
import json
import os
import re
import secrets
import signal
import stat
import sys
import time
from pathlib import Path

VERSION, SIZE, LAST_SECOND = "k8s-liveness/1", 256, 253402300799
NUMBER, ABOVE_0, GROUP = "0|[1-9][0-9]{0,14}", "[1-9][0-9]{0,14}", "[0-9a-f]{1,12}"
BOOT = f"{GROUP}(-{GROUP}){{4}}"
FIELDS = {  # between the version and the sum: width and shape
    "beat": (15, NUMBER), "uptime_cs": (12, f"{NUMBER}|-"), "limit_cs": (15, f"{ABOVE_0}|-"),
    "kind": (4, "own|step|task"), "window_cs": (3, "[1-9]?[0-9]|100"), "pid": (10, f"{ABOVE_0}|-"),
    "start": (12, f"{NUMBER}|-"), "boot": (36, f"{BOOT}|-"), "wall_ms": (15, NUMBER),
    "gap_cs": (12, f"{NUMBER}|-"), "task_cs": (12, f"{NUMBER}|-"), "writer": (21, f"{GROUP}-{GROUP}"),
}
PROC_IS_THERE = os.path.lexists("/proc/self")  # even if it shows another process


def checksum(texts):
    """The sum of the fields between the version and the sum, as they are in the line."""
    total = 1
    for name, text in zip([*FIELDS, *["later"] * len(texts)], texts):
        text = {"-": "0", "own": "0", "step": "1", "task": "2"}.get(text, text)
        for group in text.split("-"):
            total = (total * 31 + int(group, 16 if name in ("boot", "writer") else 10)) % 2147483647
    return total


def parse(line):
    """The record in a line of bytes, or None if it is malformed."""
    version, *texts = re.findall("[^ ]+", line.decode("latin-1")) or [""]
    shapes = [shape for _, shape in FIELDS.values()]
    shapes += [f"{NUMBER}|-"] * (len(texts) - len(shapes) - 1) + [NUMBER]
    if version != VERSION or len(texts) != len(shapes) or not all(map(re.fullmatch, shapes, texts)):
        return None
    rec = {name: None if text == "-" else text if name in ("kind", "boot", "writer") else int(text)
           for name, text in zip(FIELDS, texts)}
    if rec["wall_ms"] > LAST_SECOND * 1000 + 999 or rec["kind"] != "own" and rec["limit_cs"] is None:
        return None
    return rec if int(texts[-1]) == checksum(texts[:-1]) else None


def serialise(rec):
    """The 256 bytes of a record; ValueError for what the format cannot say."""
    texts = ["-" if rec[name] is None else str(rec[name]) for name in FIELDS]
    padded = [text.ljust(width) for text, (width, _) in zip(texts, FIELDS.values())]
    line = f"{VERSION} {' '.join(padded)} {checksum(texts):<10}\n"
    both = f"{line}{rec.get('note', '')[:50]:<50}\n".encode()
    if len(both) != SIZE or parse(line[:-1].encode()) is None:
        raise ValueError(f"no heartbeat can say {rec}")
    return both


def parse_plain(line):
    """The nanoseconds since the epoch that a plain file states, or None."""
    match = re.fullmatch(rb" *(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,9}))? *", line)
    if not match or int(match[1]) > LAST_SECOND:
        return None
    return int(match[1] + (match[2] or b"").ljust(9, b"0"))


def proc(name):
    """The text of a file below /proc, empty if it cannot be told."""
    try:
        return Path("/proc", name).read_text("latin-1")
    except OSError:
        return ""


def proc_shows_all():
    mounts = [mount.split() for mount in proc("self/mounts").splitlines()]
    options = [mount[3] for mount in mounts if mount[1] == "/proc"]
    return os.path.lexists("/proc/1") and options and "hidepid=" not in options[-1]


def stat_fields(who):
    """The fields of /proc/PID/stat from field 3 on: [0] is the state, [17] the threads, [19] the start."""
    return proc(f"{who}/stat").rpartition(")")[2].split()


def own_boot():
    boot = proc("sys/kernel/random/boot_id").strip()
    return boot if re.fullmatch(BOOT, boot) else None


def own_uptime_cs():
    first = proc("uptime").partition(" ")[0].replace(".", "")
    return int(first) if first.isdigit() else time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10**7


def wall_age_cs(beat_cs):
    return time.time_ns() // 10**7 - beat_cs


def process_lives(pid, start):
    """True or False; None if it cannot be told."""
    if not PROC_IS_THERE:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            pass
        return None
    fields, tgid = stat_fields(pid), re.search(r"^Tgid:\s*(\d+)", proc(f"{pid}/status"), re.M)
    if len(fields) < 20:
        return False if proc_shows_all() and not os.path.lexists(f"/proc/{pid}") else None
    ended = fields[0] in "ZXx" and int(fields[17]) <= 1
    return not ended and (not tgid or int(tgid[1]) == pid) and start in (None, int(fields[19]))


def safely(path, flags):
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, 0o600)


def first_line(file):
    """The first line without its NUL bytes, or None if it is too long."""
    line, room = b"", 2**24
    while room > 0 and len(line) <= 4096:
        data = file.read(2**16)
        head, newline, _ = data.partition(b"\n")
        line, room = line + head.replace(b"\0", b""), room - len(data)
        if newline or not data:
            break
    return line if room > 0 and len(line) <= 4096 else None


def read_line(path):
    """A reason or None, the first line, and the nanoseconds when an empty file was touched."""
    try:
        with open(path, "rb", 0, opener=safely) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                return "unreadable", None, None
            line = first_line(file)
    except (FileNotFoundError, NotADirectoryError):
        return "missing", None, None
    except OSError as error:  # too long a path, or a loop of symlinks, counts as a missing file
        hidden = isinstance(error, PermissionError) or os.path.lexists(path)
        return "unreadable" if hidden else "missing", None, None
    return None if line is not None else "malformed", line, None if about.st_size else about.st_mtime_ns


def read_record(path):
    """The same, and the record if the line is one. Reads a torn line again."""
    for _ in range(40):
        reason, line, touched = read_line(path)
        rec = None if reason else parse(line)
        if reason or rec or line.lstrip(b" ").split(b" ")[0] != VERSION.encode():
            break
        time.sleep(0.002)
    return reason, line, touched, rec


def by_clock(age, limit, window, late="stale"):
    if age < -200:
        return "future"
    return late if limit is not None and age > limit + window + 1 else "alive"


def judge(reason, line, touched, rec, limit, other_pid_namespace):
    if reason:
        return reason
    if rec is None:
        beat = parse_plain(line) if touched is None else touched
        return "malformed" if None in (beat, limit) else by_clock(wall_age_cs(beat // 10**7), limit, 0)
    boot, uptime, age = own_boot(), own_uptime_cs(), wall_age_cs(rec["wall_ms"] // 10)
    if not other_pid_namespace:
        if boot and rec["boot"] and boot != rec["boot"]:
            return "gone"
        lives = process_lives(rec["pid"], rec["start"]) if rec["pid"] else None
        if lives is False:
            return "gone"
        same_boot = rec["boot"] == boot if boot else lives and rec["start"] is not None
        if same_boot and rec["uptime_cs"] is not None:
            age = uptime - rec["uptime_cs"]
    own = rec["kind"] == "own" and limit is not None
    late = "overdue" if rec["kind"] == "task" else "stale"
    return by_clock(age, limit if own else rec["limit_cs"], rec["window_cs"], late)


def verdict(path, limit=None, other_pid_namespace=False):
    seen = read_record(path)
    for _ in range(5):
        word = judge(*seen, limit, other_pid_namespace)
        again = read_record(path) if word in ("future", "overdue", "stale") else seen
        if again == seen:
            break
        seen = again
    return word


def writer_lives(rec):
    boot, limit = own_boot(), rec["limit_cs"]
    if rec["pid"] is None or boot and rec["boot"] and boot != rec["boot"]:
        return False
    lives, thread = process_lives(rec["pid"], rec["start"]), int(rec["writer"].partition("-")[0], 16)
    threads = f"/proc/{rec['pid']}/task"
    if lives is False or thread and os.path.lexists(threads) and not os.path.lexists(f"{threads}/{thread}"):
        return False
    if lives and rec["start"] is not None:
        return True
    age = wall_age_cs(rec["wall_ms"] // 10)
    return limit is not None and by_clock(age, limit, rec["window_cs"]) == "alive"


def make_folders(path):
    """Makes missing folders, and refuses a symlink that another user could change."""
    for folder in reversed(Path(path).absolute().parents):
        if not os.path.lexists(folder):
            folder.mkdir()
            folder.chmod(0o755)
        about = folder.lstat()
        if stat.S_ISLNK(about.st_mode) and about.st_uid not in (0, os.geteuid()):
            raise OSError(f"{folder} is a symlink of user {about.st_uid}")


def assert_replaceable(path):
    """Before the first beat: a file of our own user that is no heartbeat is somebody's data."""
    try:
        about = os.lstat(path)
        if not ours(about):
            return
        with open(path, "rb", 0, opener=safely) as file:
            text = file.read(4096).replace(b"\0", b"")
    except FileNotFoundError:
        return
    size, line, word = about.st_size, text.lstrip(b" "), VERSION.partition("/")[0].encode() + b"/"
    blank = size <= 4096 and not text.strip()
    torn = size <= SIZE and line and word.startswith(line)
    epoch = size <= 4096 and re.fullmatch(rb"[1-9][0-9]{9}(\.[0-9]{1,9})?", text.strip())
    if not (blank or torn or epoch or line.startswith(word)):
        raise OSError(f"{path} holds something else than a heartbeat")


def ours(about):
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and about.st_uid == os.geteuid()


def let_all_read(file):
    try:
        os.fchmod(file.fileno(), 0o644)
    except OSError:  # a mount with fixed modes
        if os.fstat(file.fileno()).st_mode & 0o444 != 0o444:
            raise


class Writer:
    """Raises an OSError if a living writer beats the file. Its window_cs is 0, because it writes every beat."""

    def __init__(self, path):
        self.path, self.file, self.said = path, None, set()
        self.beats, self.gap_cs, self.last = 0, 0, None
        own, fields = proc("self/stat").partition(" ")[0], stat_fields("self")
        try:
            thread = int(os.readlink("/proc/thread-self").rpartition("/")[2])
        except OSError:
            thread = 0
        self.name = f"{thread:x}-{secrets.randbits(32):x}"
        self.identity = {
            "pid": int(own) if own else None if PROC_IS_THERE else os.getpid(),
            "start": int(fields[19]) if own else None,
            "boot": own_boot(), "window_cs": 0, "writer": self.name,
        }
        assert_replaceable(path)
        there = read_record(path)[3]
        if there and writer_lives(there):
            raise OSError(f"process {there['pid']} beats {path}")

    def say_once(self, what):
        if what not in self.said:
            print(f"heartbeat: {what}", file=sys.stderr, flush=True)
        self.said.add(what)

    def beaten_by(self):
        """The writer that the file names, if any."""
        there = read_record(self.path)[3]
        return there and there["writer"]

    def beat(self, limit_cs, kind="own"):
        now = time.monotonic_ns()
        if self.last and self.last[1] == "own":
            self.gap_cs = max(self.gap_cs, (now - self.last[0]) // 10**7)
        self.last, self.beats = (now, kind), self.beats + 1
        line = serialise({
            **self.identity, "beat": self.beats, "uptime_cs": own_uptime_cs(), "limit_cs": limit_cs, "kind": kind,
            "wall_ms": time.time_ns() // 10**6, "gap_cs": self.gap_cs, "task_cs": None,
        })
        if self.beats > 1 and self.beaten_by() not in (None, self.name):
            self.say_once(f"another writer beats {self.path} too")
        if not self.overwrite(line):
            self.replace(line)

    def overwritable(self):
        """Whether the open file is the one at the path, and ours to overwrite."""
        try:
            held, named = os.fstat(self.file.fileno()), os.lstat(self.path)
        except (AttributeError, OSError):
            return False
        return os.path.samestat(held, named) and ours(held) and held.st_size == SIZE

    def overwrite(self, line):
        """Whether the line could be written in place."""
        if not self.overwritable():
            make_folders(self.path)
            try:
                self.file = open(self.path, "r+b", 0, opener=safely)
            except OSError:
                return False
            if self.overwritable():
                let_all_read(self.file)
        return self.overwritable() and os.pwrite(self.file.fileno(), line, 0) == SIZE

    def replace(self, line):
        mode = os.lstat(self.path).st_mode if os.path.lexists(self.path) else 0
        if stat.S_ISDIR(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise OSError(f"{self.path} is a directory or a device")
        beside = os.path.join(os.path.dirname(self.path), f".{secrets.token_hex(16)}")
        self.file = open(beside, "x+b", 0, opener=safely)
        try:
            let_all_read(self.file)
            if self.file.write(line) != SIZE:
                raise OSError(f"no room for {beside}")
            os.rename(beside, self.path)
        except OSError:
            os.unlink(beside)
            if not self.fill_in_place(line):
                raise

    def fill_in_place(self, line):
        """For a file that cannot be replaced, because the disk is full or the file is a mount point."""
        try:
            self.file = open(self.path, "r+b", 0, opener=safely)
            if not ours(os.fstat(self.file.fileno())) or os.pwrite(self.file.fileno(), line, 0) != SIZE:
                return False
            os.ftruncate(self.file.fileno(), SIZE)
            return True
        except OSError:
            return False


def run_write(path, limit_cs, beats):
    """Beats once a second until SIGTERM; or so many times, and then leaves the record behind as after a crash."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    writer = Writer(path)
    while True:
        try:
            writer.beat(limit_cs)
        except OSError as error:
            if writer.beats == 1:
                raise
            writer.say_once(error)
        if writer.beats == beats:
            return
        if signal.sigtimedwait([signal.SIGTERM], 1):
            if writer.beaten_by() == writer.name:
                try:
                    os.unlink(path)
                except OSError:  # the file is a mount point
                    os.pwrite(writer.file.fileno(), b"\n", 0)
                    os.ftruncate(writer.file.fileno(), 1)
            return


def main():
    top = argparse.ArgumentParser()
    commands = top.add_subparsers(dest="command", required=True)
    read, write, *_ = [commands.add_parser(name) for name in ("read", "write", "parse", "serialise")]
    for command in (read, write):
        command.add_argument("path")
        command.add_argument("--limit-cs", type=int)
    read.add_argument("--other-pid-namespace", action="store_true")
    read.add_argument("--times", type=int, default=1, help="stops at the first that is not alive")
    write.add_argument("--beats", type=int, default=1, help="0: without an end")
    args = top.parse_args()
    if args.command == "read":
        words = (verdict(args.path, args.limit_cs, args.other_pid_namespace) for _ in range(args.times))
        word = next((word for word in words if word != "alive"), "alive")
        print(word)
        return int(word != "alive")
    if args.command == "write":
        try:
            return run_write(args.path, args.limit_cs, args.beats)
        except OSError as error:
            print(f"heartbeat: {error}", file=sys.stderr)
            return 2
    for line in sys.stdin.buffer:
        if args.command == "parse":
            print(json.dumps(parse(line.rstrip(b"\n"))))
        else:
            sys.stdout.buffer.write(serialise(json.loads(line)))


if __name__ == "__main__":
    sys.exit(main())
