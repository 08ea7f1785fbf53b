#!/bin/sh
# A probe as one must not be: it leaves a child behind, which nobody reaps if PID 1 does not.
sleep 0.01 &
echo 'alive: I think'
