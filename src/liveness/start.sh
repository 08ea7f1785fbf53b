#!/bin/sh
# node_modules/k8s-liveness/dist/liveness.sh: the shipped probe for images with a shell. POSIX sh, builtins only, no
# fork: a probe's orphans become zombies under Node as PID 1. docs/heartbeat-file.md says what it checks and why;
# test/conformance.test.ts holds it to the same answers as liveness.js.

# scripts/build.mjs joins the files of src/liveness in the order that it names. The build leaves comments and indentation out from
# here on: dash would read them at every probe.
#
# Every name begins with k_, for k8s-liveness: a variable of the container's environment is a variable here, and none may pass for
# one of ours.

# `read` takes a byte at a time, a sparse terabyte for ever. Killed is a failure too. One second is too little: gVisor counts
# a part of the time that a busy sandbox lets the shell wait.
ulimit -t 4
# A reader that has gone must not turn "alive" into a death by signal.
trap '' PIPE

k_cannot_ask() {
  printf 'cannot ask: %s\n' "$1" >&2
  exit 2
}

# zsh splits no words unless it is told to be sh. mksh counts with 32 bits, so that every checksum would look wrong.
k_splits() {
  set -- $1
  [ $# -eq 2 ]
}
IFS=' '
k_splits 'a b' || emulate sh
[ $((65536 * 65536)) != 0 ] || k_cannot_ask 'expected a shell that counts with 64 bits; this one has 32'

# Bytes, not characters; no globbing; and no option that came with the command line or the environment.
LC_ALL=C
set -f +eu
