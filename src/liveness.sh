#!/bin/sh
# node_modules/k8s-liveness/dist/liveness.sh: the shipped probe for images with a shell. POSIX sh, builtins only, no
# fork: a probe's orphans become zombies under Node as PID 1. docs/heartbeat-file.md says what it checks and why;
# test/conformance.test.ts holds it to the same answers as liveness.js.

# The build leaves comments and indentation out from here on: dash would read them at every probe.

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

# Is $1 a decimal of at most 15 digits without a leading zero? Asked before any arithmetic: bash runs a[$(cmd)] there.
k_number() {
  case $1 in '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;; esac
}

# Folds a number, or - for none, into k_sum.
k_fold() {
  case $1 in
    -) k_sum=$((k_sum * 31 % 2147483647)) ;;
    '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;;
    *) k_sum=$(((k_sum * 31 + $1) % 2147483647)) ;;
  esac
}

# Folds $2, which must be $1 groups of 1 to 12 hex digits joined by -.
k_fold_hex() {
  case $2 in *[!0-9a-f-]* | -* | *- | *--*) return 1 ;; esac
  k_groups=$1
  IFS=-
  set -- $2
  IFS=' '
  [ $# -eq "$k_groups" ] || return 1
  for k_group; do
    case $k_group in ?????????????*) return 1 ;; esac
    k_sum=$(((k_sum * 31 + 0x$k_group) % 2147483647))
  done
}

# The record in k_line -> k_uptime k_limit k_window k_pid k_start k_boot k_wall, or k_reason and k_detail.
k_parse() {
  k_reason=malformed
  k_torn=
  k_detail='not a heartbeat'
  [ ${#k_line} -le 4096 ] || return
  set -- $k_line
  case ${1-} in
    k8s-liveness/1) ;;
    k8s-liveness/*)
      k_detail='another version of the format'
      return
      ;;
    *)
      [ $# -ne 1 ] || ! k_is_epoch "$1" || k_detail='a plain file states no limit'
      return
      ;;
  esac
  k_torn=yes
  k_detail='a field of the record is wrong'
  [ $# -ge 13 ] || return
  k_uptime=$3 k_limit=$4 k_window=$6 k_pid=$7 k_start=$8 k_boot=$9 k_wall=${10}
  k_sum=1
  [ "$2" != - ] && k_fold "$2" && k_fold "$3" && k_fold "$4" || return
  [ "$4" != 0 ] || return
  case $5 in
    own) k_fold 0 ;;
    step) [ "$4" != - ] && k_fold 1 || return ;;
    *) return ;;
  esac
  [ "$6" != - ] && k_fold "$6" && [ "$6" -le 100 ] && k_fold "$7" && [ "$7" != 0 ] && k_fold "$8" || return
  case $9 in
    -) k_fold - ;;
    *) k_fold_hex 5 "$9" || return ;;
  esac
  [ "$k_wall" != - ] && k_fold "$k_wall" && [ "$k_wall" -le 253402300799999 ] || return
  k_fold "${11}" && k_fold_hex 2 "${12}" || return
  shift 12
  while [ $# -gt 1 ]; do
    k_fold "$1" || return
    shift
  done
  k_detail='the checksum of the record is wrong'
  [ "$1" = "$k_sum" ] || return
  k_torn=
  k_reason=
}

# Is $1 seconds since the epoch, with at most nine digits of a fraction?
k_is_epoch() {
  case $1 in
    *.*.* | *. | .*) return 1 ;;
    *.*) case ${1#*.} in *[!0-9]* | ??????????*) return 1 ;; esac ;;
  esac
  k_number "${1%.*}" && [ "${1%.*}" -le 253402300799 ]
}

# Reads k_file into k_line, or k_reason and k_detail.
k_read() {
  k_line=
  if [ -f "$k_file" ] && [ ! -L "$k_file" ] && [ -r "$k_file" ] && [ -s "$k_file" ]; then
    # The last line may lack its newline: read says 1 and has set the variable.
    { IFS= read -r k_line || :; } <"$k_file" || k_reason=unreadable k_detail='cannot be read'
  elif [ -L "$k_file" ]; then
    k_reason=unreadable k_detail='is a symbolic link'
  elif [ ! -e "$k_file" ]; then
    k_absent
  elif [ -d "$k_file" ]; then
    k_reason=unreadable k_detail='is a directory'
  elif [ ! -f "$k_file" ]; then
    k_reason=unreadable k_detail='is not a regular file'
  elif [ ! -r "$k_file" ]; then
    k_reason=unreadable k_detail='permission denied'
  else
    # A touched file. Its age would take a fork to learn, and it states no limit.
    k_reason=malformed k_detail='a plain file states no limit'
  fi
}

# Nothing at k_file: missing, unless a folder above keeps us from looking.
k_absent() {
  k_reason=missing k_detail='no such file'
  k_above=$k_file
  case $k_above in /*) ;; *) k_above=./$k_above ;; esac
  while [ ! -e "$k_above" ]; do
    case $k_above in */*) k_above=${k_above%/*} ;; *) return ;; esac
  done
  [ ! -d "$k_above" ] || [ -x "$k_above" ] || k_reason=unreadable k_detail='permission denied'
}

# Is the process that beat, or that the process directory names, gone? -> k_detail; and k_certain if it was found by its
# start.
k_gone() {
  if [ "$k_boot" != - ] && [ -n "$k_this_boot" ] && [ "$k_boot" != "$k_this_boot" ]; then
    k_detail='beat in another boot'
    return
  fi
  if [ -n "$k_named" ]; then
    k_detail="process $k_named is not the one that beat"
    case $k_pid in - | "$k_named") k_pid=$k_named ;; *) return 0 ;; esac
  fi
  [ "$k_pid" != - ] || return
  k_stat=
  # Asked before it is opened: a redirection of the complaint takes eight system calls, this one.
  [ -r "/proc/$k_pid/stat" ] && k_read_stat <"/proc/$k_pid/stat"
  case $k_stat in
    *')'*) ;;
    *)
      k_detail="process $k_pid has ended"
      # Absence counts only where every process is visible.
      [ ! -e "/proc/$k_pid" ] && [ -e /proc/1 ] && ! k_hiding </proc/self/mounts && return
      # A fresh beat vouches for a process that cannot be seen; a pid alone does not.
      [ -n "$k_named" ] && [ "$k_limit" = - ] || return
      [ -L /proc/self ] || k_cannot_ask "expected /proc, to look for process $k_pid; there is none"
      k_detail="process $k_pid has ended or is hidden"
      return 0
      ;;
  esac
  k_split_stat
  set -- $k_stat
  k_detail="process $k_pid is a zombie"
  # A process whose first thread has ended is shown as Z too while its others work.
  case $1 in [ZXx]) [ "${18}" -gt 1 ] || return 0 ;; esac
  k_detail="process $k_pid is a thread of another"
  # Field 38, what its parent is sent at its end: -1 in a thread that leads no group, by the kernel's own definition.
  case ${36-} in -1) return ;; esac
  case $k_start in
    -) return 1 ;;
    "${20}") k_certain=yes && return 1 ;;
  esac
  k_detail="process $k_pid is not the one that beat"
  # The beat came when that pid was in use here already: so the writer has it in another pid namespace.
  k_comparable && [ $((k_uptime - ${20})) -gt 100 ] && k_detail="$k_detail; use --other-pid-namespace for another container"
  return 0
}

# Was the uptime in the record taken in this boot?
k_comparable() {
  [ "$k_uptime" != - ] && { if [ -n "$k_this_boot" ]; then [ "$k_boot" = "$k_this_boot" ]; else [ -n "$k_certain" ]; fi; }
}

# PID 1 is visible under hidepid too where it is the asking user's own.
k_hiding() {
  while IFS= read -r k_part; do case $k_part in *' /proc '*hidepid=*) return ;; esac; done
  return 1
}

k_read_stat() {
  while IFS= read -r k_part || [ -n "$k_part" ]; do k_stat=$k_stat$k_part; done
}

# The fields of k_stat begin after the last ): a comm may hold newlines and ") ". Split there: ${k_stat##*\)} tries
# every end of the text.
k_split_stat() {
  IFS=')'
  set -- $k_stat
  IFS=' '
  [ $# -eq 0 ] || shift $(($# - 1))
  k_stat=${1-}
}

# Is $1 a regular file that may be read? What is bound over files of /proc may be neither, and the complaint would be printed.
k_readable() {
  [ -f "$1" ] && [ -r "$1" ]
}

# Centiseconds since boot by /proc/uptime -> k_now
k_uptime_now() {
  k_now=
  k_readable /proc/uptime && read -r k_now k_rest </proc/uptime
  case $k_now in
    *[!0-9.]* | *.*.* | '' | .*) return 1 ;;
    *.[0-9][0-9]) ;;
    *) return 1 ;;
  esac
  k_number "${k_now%.*}" || return 1
  # 1.08 is 108: by its digits, and 08 alone would be a bad octal number.
  k_now=$((${k_now%.*} * 100 + 1${k_now#*.} - 100))
}

# The same where /proc/uptime does not tell: when this very shell started. On a starved node that was some time ago, so what
# is a little ahead of it is not ahead of the clock -> k_now and k_behind, how far it may be behind.
k_own_start() {
  k_stat=
  k_readable /proc/self/stat && k_read_stat </proc/self/stat
  k_split_stat
  set -- $k_stat
  k_number "${20-}" && k_now=${20} k_behind=6000
}

# Centiseconds since the epoch -> k_now and k_behind
k_wall_now() {
  k_behind=100
  # Without /proc nothing tells who beat, so no clock is enough.
  [ -L /proc/self ] || return 1
  # The clock of bash and busybox. It takes no value from us, which an inherited variable would.
  EPOCHSECONDS=
  k_number "$EPOCHSECONDS" && k_now=$((EPOCHSECONDS * 100)) && return
  k_boot_time=
  k_readable /proc/stat && while read -r k_word k_rest; do case $k_word in btime) k_boot_time=$k_rest && break ;; esac; done </proc/stat
  k_number "$k_boot_time" || return 1
  k_up=0
  k_uptime_now && k_up=$k_now
  # Of the two the later one: lxcfs tells a container's own uptime, but the machine's boot time.
  k_own_start || return 1
  [ "$k_now" -ge "$k_up" ] || k_now=$k_up k_behind=100
  k_now=$((k_boot_time * 100 + k_now))
}

# The record in k_line, which parsed, if k_beat, and a process directory's k_named and k_error -> k_reason and k_detail,
# empty when alive.
k_weigh() {
  if [ -z "$k_other" ]; then
    [ -n "$k_this_boot" ] || [ ! -r /proc/sys/kernel/random/boot_id ] || read -r k_this_boot </proc/sys/kernel/random/boot_id
    k_certain=
    if k_gone; then
      k_reason=gone
      return
    fi
  fi
  case $k_error in
    '' | 0) ;;
    *)
      k_reason=failed k_detail="error $k_error"
      return
      ;;
  esac
  [ -n "$k_beat" ] || return 0
  # The clock is read last: everything read before is at least as old as it says.
  # It may be behind, and never ahead: a beat must not look older than it is.
  k_by=
  k_behind=0
  if [ -z "$k_other" ] && k_comparable && { k_uptime_now || k_own_start; }; then
    k_age=$((k_now - k_uptime))
  else
    k_wall_now || k_cannot_ask 'expected a clock in /proc/uptime and /proc/stat; neither tells'
    k_age=$((k_now - k_wall / 10))
    k_by=', by wall clock'
  fi
  if [ "$k_age" -lt $((-200 - k_behind)) ]; then
    k_instant
    k_reason=future k_detail="last beat $k_when, ahead of the clock"
  elif [ "$k_limit" != - ] && [ "$k_age" -gt $((k_limit + k_window + 1)) ]; then
    k_last_beat
    k_reason=stale k_detail=$k_last
  fi
}

# k_wall as 2026-11-20T10:03:12Z -> k_when. Days to a date: howardhinnant.github.io/date_algorithms.html
k_instant() {
  k_z=$((k_wall / 86400000 + 719468))
  k_t=$((k_wall / 1000 % 86400))
  k_era=$((k_z / 146097))
  k_doe=$((k_z - k_era * 146097))
  k_yoe=$(((k_doe - k_doe / 1460 + k_doe / 36524 - k_doe / 146096) / 365))
  k_doy=$((k_doe - (365 * k_yoe + k_yoe / 4 - k_yoe / 100)))
  k_mp=$(((5 * k_doy + 2) / 153))
  # Each of two digits, behind a 1 that is cut off again.
  k_day=$((k_doy - (153 * k_mp + 2) / 5 + 101))
  k_month=$((k_mp < 10 ? k_mp + 103 : k_mp + 91))
  k_hour=$((k_t / 3600 + 100)) k_minute=$((k_t / 60 % 60 + 100)) k_second=$((k_t % 60 + 100))
  k_year=$((k_yoe + k_era * 400 + (k_month <= 102)))
  k_when=$k_year-${k_month#1}-${k_day#1}T${k_hour#1}:${k_minute#1}:${k_second#1}Z
}

# -> k_last: when the last beat was, beside its limit.
k_last_beat() {
  k_instant
  k_words=none
  if [ "$k_limit" != - ]; then
    k_words=
    k_left=$k_limit
    for k_unit in 8640000d 360000h 6000m 100s; do
      k_size=${k_unit%?}
      k_count=$((k_left / k_size))
      k_left=$((k_left % k_size))
      [ "$k_count" = 0 ] || k_words=$k_words$k_count${k_unit#"$k_size"}
    done
    [ "$k_left" = 0 ] || k_words=$k_words$((k_left * 10))ms
  fi
  k_last="last beat $k_when, limit $k_words$k_by"
}

# Reads the heartbeat k_file, again while it is torn -> k_line and its fields, or k_reason and k_detail.
k_read_beat() {
  k_reads=0
  k_still=0
  k_previous=
  while :; do
    k_reason=
    k_read
    [ -z "$k_reason" ] || return 0
    k_parse
    [ -n "$k_reason" ] && [ -n "$k_torn" ] || return 0
    # A writer was in the middle of it. Without a pause between, only many reads outlast one that never pauses; but what
    # stays as it is, is wrong.
    if [ "$k_line" = "$k_previous" ]; then k_still=$((k_still + 1)); else k_still=0 k_previous=$k_line; fi
    k_reads=$((k_reads + 1))
    [ $k_still -lt 25 ] || break
    [ $((k_reads * ${#k_line})) -lt 300000 ] || break
  done
  k_tried=yes
}

# Judges k_path -> k_reason (empty when alive) and k_detail.
k_judge() {
  if [ -d "$k_path" ]; then
    # What stands if this is read no further than for heartbeats, and the path became a directory just now.
    k_reason=unreadable k_detail='is a directory'
    k_judge_directory
    return
  fi
  k_file=$k_path k_beat=yes k_named='' k_error=''
  k_judgements=0
  k_before=
  while :; do
    k_read_beat
    [ -z "$k_reason" ] || return
    k_weigh
    case $k_reason in stale | future) ;; *) return ;; esac
    # Confirmed by the same record twice, or by five verdicts in a row.
    k_judgements=$((k_judgements + 1))
    [ "$k_line" != "$k_before" ] && [ $k_judgements -lt 5 ] || return
    k_before=$k_line
  done
}

# The path in printable ASCII, at most 80 characters: it must not forge a second line -> k_shown
k_show() {
  k_shown=
  k_rest=$1
  while :; do
    case $k_rest in *[!\ -~]*) ;; *) break ;; esac
    k_part=${k_rest%%[!\ -~]*}
    k_shown="$k_shown$k_part?"
    k_rest=${k_rest#"$k_part"?}
  done
  k_shown=$k_shown$k_rest
  [ ${#k_shown} -gt 80 ] || return 0
  while [ ${#k_shown} -gt 77 ]; do k_shown=${k_shown#?}; done
  k_shown=...$k_shown
}

# Counts the verdict on k_path, and keeps the line of the first dead one.
k_count() {
  k_total=$((k_total + 1))
  [ -n "$k_reason" ] || return 0
  k_dead=$((k_dead + 1))
  [ $k_dead -eq 1 ] || return 0
  k_show "$k_path"
  k_line_out="dead: $k_reason: $k_detail ($k_shown)"
}

# Judges every path, says what it found and exits.
k_conclude() {
  for k_path; do
    k_judge
    k_count
  done
  if [ $k_dead -gt 0 ]; then
    [ $k_total -eq 1 ] || k_line_out="$k_line_out; $k_dead of $k_total dead"
    printf '%s\n' "$k_line_out"
    exit 1
  fi
  case ${LOG_LEVEL-} in
    [Ww][Aa][Rr][Nn] | [Ww][Aa][Rr][Nn][Ii][Nn][Gg] | [Ee][Rr][Rr][Oo][Rr] | [Cc][Rr][Ii][Tt][Ii][Cc][Aa][Ll]) exit 0 ;;
    [Ff][Aa][Tt][Aa][Ll] | [Aa][Ll][Ee][Rr][Tt] | [Ee][Mm][Ee][Rr][Gg] | [Oo][Ff][Ff] | [Nn][Oo][Nn][Ee]) exit 0 ;;
    [Ss][Ii][Ll][Ee][Nn][Tt]) exit 0 ;;
  esac
  if [ $k_total -gt 1 ]; then
    k_line_out="alive: $k_total of $k_total"
  else
    if [ -n "$k_beat" ]; then k_last_beat; else k_last="process $k_named"; fi
    k_show "$k_path"
    k_line_out="alive: $k_last ($k_shown)"
  fi
  printf '%s\n' "$k_line_out"
  exit 0
}

k_other=
k_waited=
k_this_boot=
k_total=0
k_dead=0

# The first $k_left words may be options.
k_left=0
k_default=${LIVENESS_PATH:-/tmp/liveness/timestamp}
case " $*" in *' -'*) k_left=$# ;; esac
[ $# -gt 0 ] || set -- "$k_default"
k_rest=
for k_path; do [ ! -d "$k_path" ] || k_rest=yes; done
# A shell reads a script command by command. For heartbeats alone it ends here, and need not read the rest.
[ -n "$k_rest" ] || [ $k_left -gt 0 ] || k_conclude "$@"

# Reads the number in the file $1 of the process directory k_path -> k_line, or k_reason and k_detail.
k_read_number() {
  k_file=$k_path/$1
  k_looks=0
  k_until=
  while :; do
    k_reason=
    k_more=
    k_line=
    if [ -f "$k_file" ] && [ ! -L "$k_file" ] && [ -r "$k_file" ]; then
      { IFS= read -r k_line && { ! IFS= read -r k_more || k_more=yes; }; } <"$k_file" || :
    else
      k_read
      [ -z "$k_reason" ] || return 0
      k_line=
    fi
    [ -z "$k_line$k_more" ] || break
    # Writers other than ours empty the file before they write it. A shell cannot wait without a fork, so it looks again
    # for 250 ms.
    k_spin || {
      k_tried=yes
      break
    }
  done
  k_number "${k_line#-}" && [ "$k_line" != -0 ] && [ -z "$k_more" ] || k_reason=malformed k_detail='holds no integer'
}

# Looks until k_file is no longer empty, at most 1000 times. Says 1 when 250 ms have passed, or 50 calls without a clock; and
# at once when a file before this one was empty so long: one that is dead must not use up the second for the others.
k_spin() {
  [ -z "$k_waited" ] || return
  k_looks=$((k_looks + 1))
  if k_uptime_now; then
    k_until=${k_until:-$((k_now + 25))}
    [ "$k_now" -lt "$k_until" ] || k_waited=yes
  else
    [ $k_looks -lt 50 ] || k_waited=yes
  fi
  [ -z "$k_waited" ] || return
  k_times=0
  while [ ! -s "$k_file" ] && [ -f "$k_file" ] && [ $k_times -lt 1000 ]; do k_times=$((k_times + 1)); done
}

# Judges the process directory k_path -> k_reason and k_detail.
k_judge_directory() {
  k_judgements=0
  k_same=0
  k_before=
  while :; do
    k_look_into_directory
    case $k_reason in '' | missing | unreadable) return ;; esac
    # read takes a byte at a time: of 12 that is written anew it may find 1. Ten times in a row it does not.
    k_seen="$k_named $k_error $k_line"
    if [ "$k_seen" = "$k_before" ]; then k_same=$((k_same + 1)); else k_same=0 k_before=$k_seen; fi
    k_judgements=$((k_judgements + 1))
    [ $k_same -lt 10 ] && [ $k_judgements -lt 100 ] && [ -z "$k_tried" ] || return
  done
}

k_look_into_directory() {
  k_worst=
  k_tried=
  k_read_number pid
  case $k_reason:$k_line in malformed:* | :0 | :-*) k_reason=malformed k_detail='holds no pid' ;; esac
  k_note pid
  k_named=$k_line
  k_error=
  if [ -z "$k_ignore" ]; then
    k_read_number error
    k_note error
    k_error=$k_line
  fi
  k_file=$k_path/timestamp k_beat=yes
  k_read_beat
  # Others write none. But in another pid namespace the pid says nothing, so that only a beat can vouch.
  if [ "$k_reason" = missing ] && [ -z "$k_other" ]; then
    k_reason='' k_beat='' k_line='' k_boot=- k_pid=- k_start=- k_limit=-
  elif [ -z "$k_reason" ] && [ -n "$k_other" ] && [ "$k_limit" = - ]; then
    k_reason=malformed k_detail='states no limit, and its process cannot be seen'
  fi
  k_note timestamp
  k_reason=$k_worst k_detail=$k_worst_detail
  [ -n "$k_reason" ] || k_weigh
}

# Keeps k_reason, about the file $1, if it comes before the one that was kept.
k_note() {
  case $k_worst:$k_reason in
    *:) ;;
    :* | malformed:unreadable | malformed:missing | unreadable:missing) k_worst=$k_reason k_worst_detail="$1 file: $k_detail" ;;
  esac
}

k_version=@VERSION@

k_help() {
  printf '%s\n' \
    'usage: sh liveness.sh [OPTION...] [PATH...]' \
    '' \
    'Is every main loop that beats into these heartbeat files still making progress?' \
    'A PATH that is a directory is a process directory: its pid must live, its error be' \
    '0, and its last beat, if it has a timestamp, be young enough.' \
    'Without a PATH: $LIVENESS_PATH, else /tmp/liveness/timestamp.' \
    '' \
    '  --process               the default process directory: $LIVENESS_UNIT_NAME, else' \
    "                          the host's name, below \$LIVENESS_RUNDIR, else /run" \
    '  --ignore-error          leave the error of process directories aside: for' \
    '                          liveness, where readiness looks at it' \
    '  --other-pid-namespace   the writer is in another container: leave its pid and' \
    '                          boot aside and judge by wall time' \
    '  --help, --version' \
    '' \
    'exit codes: 0 all alive, 1 one is dead (the line says which and why), 2 could not ask' \
    'LOG_LEVEL=warning or above silences the line of a probe that is alive.' \
    '' \
    '  livenessProbe:' \
    '    exec: { command: ["sh", "node_modules/k8s-liveness/dist/liveness.sh"] }'
}

k_ignore=
k_process=
k_answer=
while [ $k_left -gt 0 ]; do
  # Each word is taken from the front, and what is a path put back behind.
  k_word=$1
  shift
  k_left=$((k_left - 1))
  case $k_word in
    --)
      while [ $k_left -gt 0 ]; do
        set -- "$@" "$1"
        shift
        k_left=$((k_left - 1))
      done
      ;;
    --help | -h) k_answer=help ;;
    --version) k_answer=${k_answer:-version} ;;
    --process) k_process=yes ;;
    --ignore-error) k_ignore=yes ;;
    --other-pid-namespace) k_other=yes ;;
    --maximum-age*) k_cannot_ask 'a shell cannot read the age of a plain file; expected liveness.js for --maximum-age' ;;
    -?*) k_show "$k_word" && k_cannot_ask "expected PATH... and the options that --help lists; got $k_shown" ;;
    *) set -- "$@" "$k_word" ;;
  esac
done
case $k_answer in
  help) k_help && exit 0 ;;
  version) printf '%s\n' "$k_version" && exit 0 ;;
esac
if [ -n "$k_process" ]; then
  k_unit=${LIVENESS_UNIT_NAME:-}
  [ -n "$k_unit" ] || [ ! -r /proc/sys/kernel/hostname ] || IFS= read -r k_unit </proc/sys/kernel/hostname
  [ -n "$k_unit" ] || k_cannot_ask 'expected LIVENESS_UNIT_NAME or /proc/sys/kernel/hostname; neither tells'
  k_path=${LIVENESS_RUNDIR:-/run}/$k_unit
  k_judge_directory
  k_count
elif [ $# -eq 0 ]; then
  set -- "$k_default"
fi
k_conclude "$@"
