# many.py HEARTBEAT_PY: asks heartbeat.py once for each pair of lines: options and a path. Prints its word, then \036 and an
# exit code.
import os
import sys

sys.path.insert(0, os.path.dirname(sys.argv[1]))
import heartbeat

sys.stdin.reconfigure(newline="\n")  # a path may hold \r
while options := sys.stdin.readline():
    path = sys.stdin.readline()[:-1]
    limit = int(options.split()[2]) if "--limit-cs" in options else None
    word = heartbeat.verdict(path, limit, False)
    print(f"{word}\n\x1e{0 if word == 'alive' else 1}", flush=True)
