#!/bin/sh
# node_modules/k8s-liveness/dist/liveness.sh: the shipped probe for images with a shell. POSIX sh, builtins only. It
# never forks, because a probe's orphans become zombies if PID 1 is Node. docs/heartbeat-file.md says what it checks and
# why; test/conformance.test.ts compares its answers with those of liveness.js.

# scripts/build.mjs joins the files of src/liveness. From here on it drops comments and indentation, because dash would
# read them at every probe.
#
# Every name begins with k_, for k8s-liveness, because the container's environment variables are shell variables too.

# `read` takes one byte at a time, so a sparse terabyte would take for ever. A killed probe counts as failed. One second
# is too little: gVisor also counts some of the time for which a busy sandbox makes the shell wait.
ulimit -t 4
# Ignore SIGPIPE: it would kill a probe that says alive if nobody reads its line.
trap '' PIPE

k_cannot_ask() {
  printf 'cannot ask: %s\n' "$1" >&2
  exit 2
}

# zsh splits words only if it emulates sh. mksh counts with 32 bits, so every checksum would look wrong.
[ -z "${ZSH_VERSION-}" ] || emulate sh 2>/dev/null || :
IFS=' '
[ $((65536 * 65536)) != 0 ] || k_cannot_ask 'expected a shell that counts with 64 bits; this one has 32'

# Count bytes, not characters. No globbing. Undo shell options of the command line or the environment.
LC_ALL=C
set -f +eu
