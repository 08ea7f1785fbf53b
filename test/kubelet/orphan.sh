#!/bin/sh
# A bad probe: it leaves a child behind, which stays a zombie if PID 1 does not reap it.
sleep 0.01 &
echo 'alive: I think'
