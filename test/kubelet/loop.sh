#!/bin/sh
# What does a command cost by itself? loop.sh TIMES COMMAND...
times=$1
shift
while [ "$times" -gt 0 ]; do
  "$@" >/dev/null || exit
  times=$((times - 1))
done
