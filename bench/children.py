"""Runs commands in turns and prints the cost of each run. Uses wait4, which has microseconds and which Node lacks.

stdin:  {"rounds": 100, "environment": {...}, "commands": {"name": [argv...], ...}}
stdout: {"name": {"cpu": [microseconds...], "memory": [KiB of peak RSS...]}, ...}

Every command must exit 0, or the figures would be those of something else.
"""

import json
import os
import random
import sys

plan = json.load(sys.stdin)
null = os.open(os.devnull, os.O_RDWR)
quiet = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
measured = {name: {"cpu": [], "memory": []} for name in plan["commands"]}

for round in range(-2, plan["rounds"]):
    turns = list(plan["commands"].items())
    random.shuffle(turns)
    for name, argv in turns:
        pid = os.posix_spawn(argv[0], argv, plan["environment"], file_actions=quiet)
        _, status, usage = os.wait4(pid, 0)
        if status != 0:
            sys.exit(f"{name} ended with status {status}: {argv}")
        if round >= 0:  # the first two warm the page cache
            measured[name]["cpu"].append((usage.ru_utime + usage.ru_stime) * 1e6)
            measured[name]["memory"].append(usage.ru_maxrss)

json.dump(measured, sys.stdout)
