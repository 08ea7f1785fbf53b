"""Another user, who swaps a path or folder without a pause, until SIGTERM or until the parent ends.

attacker.py path PATH READY TARGET KIND...   swaps PATH for a file of each kind; links lead to TARGET
attacker.py folder FOLDER READY TARGET       swaps the attacker's own FOLDER for a symbolic link to TARGET
attacker.py made FOLDER READY TARGET         swaps FOLDER, as soon as the service has made it, for the folder TARGET beside it

Prints a line after READY swaps, and the number of swaps at the end.
"""

import ctypes
import itertools
import os
import shutil
import signal
import sys

mode, path, ready, target, *kinds = sys.argv[1:]
names = itertools.count()
spare = f'{path}.{next(names)}'
parent = os.getppid()
swaps = 0
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
renameat2 = ctypes.CDLL(None).renameat2


def count():
    global swaps
    swaps += 1
    if swaps == int(ready):
        print('ready', flush=True)


def exchange(a, b):
    """Swaps both names in one step, so that each always exists."""
    done = renameat2(-100, a.encode(), -100, b.encode(), 2) == 0
    if done:
        count()
    return done


def clear(name):
    try:
        os.unlink(name)
    except IsADirectoryError:
        shutil.rmtree(name, ignore_errors=True)
    except OSError:
        pass


def make(kind, name):
    if kind == 'symlink':
        os.symlink(target, name)
    elif kind == 'hardlink':
        os.link(target, name)
    elif kind == 'fifo':
        os.mkfifo(name)
    elif kind == 'directory':
        os.mkdir(name)
    elif kind == 'file':
        with open(name, 'x') as file:
            file.write('k8s-liveness/1 ' + 176 * '7' + '\n')


def swap_path():
    global spare
    for kind, also in itertools.cycle([(kind, also) for kind in kinds for also in kinds]):
        if stopping or os.getppid() != parent:
            return
        clear(spare)
        if os.path.lexists(spare):
            spare = f'{path}.{next(names)}'  # in a sticky folder the attacker cannot remove a link to another user's file
        try:
            make(kind, spare)
        except OSError:
            continue
        # Shows in turns a file that passes the service's check and one that must not pass it.
        for _ in range(100):
            if stopping:
                return
            if exchange(spare, path):
                continue
            try:
                make(also, path)  # works whenever the service has removed its file
                count()
            except OSError:
                pass


def swap_folder():
    os.symlink(target, spare)
    while not stopping and os.getppid() == parent:
        exchange(spare, path)
        try:
            os.unlink(f'{path}/timestamp')  # so that the service makes it again; in the target this fails
        except OSError:
            pass


def swap_made():
    while not stopping and os.getppid() == parent:
        if exchange(target, path):
            exchange(target, path)  # swaps back
            os.rename(path, f'{spare}.{next(names)}')


{'path': swap_path, 'folder': swap_folder, 'made': swap_made}[mode]()
if mode == 'path':
    clear(path)
clear(spare)
print(swaps, flush=True)
