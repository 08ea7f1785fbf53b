# Judges a heartbeat: reads it, looks for its process, compares its time with the clock.

# Reads k_file -> k_line, or k_reason and k_detail; also -> k_note_line, the second line, if the answer may show it.
k_read() {
  k_line=
  k_note_line=
  if [ -f "$k_file" ] && [ ! -L "$k_file" ] && [ -r "$k_file" ] && [ -s "$k_file" ]; then
    # If the newline is missing, read fails but sets the variable.
    {
      IFS= read -r k_line || :
      case $k_shows$k_line in yes* | *' task '*) IFS= read -r k_note_line || : ;; esac
    } <"$k_file" || k_reason=unreadable k_detail='cannot be read'
  else
    $k_rarely k_obstacle
  fi
}

# Is the process that beat, or that the process directory names, gone? -> k_detail; also -> k_certain, if the process
# started when the record says.
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
  # Test first, by one system call: to hide the error message of a failed open takes eight.
  [ -r "/proc/$k_pid/stat" ] && k_read_stat <"/proc/$k_pid/stat"
  case $k_stat in
    *')'*) ;;
    *)
      k_detail="process $k_pid has ended"
      # A missing process is gone only if every process is visible.
      [ ! -e "/proc/$k_pid" ] && [ -e /proc/1 ] && ! $k_rarely k_is_hidepid </proc/self/mounts && return
      # For a process that we cannot see, a fresh beat is evidence enough; a pid alone is not.
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
  # Field 38, the signal to its parent at its end: the kernel sets -1 for a thread that is not the first of its process.
  case ${36-} in -1) return ;; esac
  case $k_start in
    -) return 1 ;;
    "${20}") k_certain=yes && return 1 ;;
  esac
  k_detail="process $k_pid is not the one that beat"
  # If another process already had the pid here at the beat, the writer is in another pid namespace.
  k_comparable && [ $((k_uptime - ${20})) -gt 100 ] && k_detail="$k_detail; use --other-pid-namespace for another container"
  return 0
}

# Was the uptime in the record taken in this boot?
k_comparable() {
  [ "$k_uptime" != - ] && { if [ -n "$k_this_boot" ]; then [ "$k_boot" = "$k_this_boot" ]; else [ -n "$k_certain" ]; fi; }
}

k_read_stat() {
  while IFS= read -r k_part || [ -n "$k_part" ]; do k_stat=$k_stat$k_part; done
}

# Keeps the fields of k_stat after the last ), because the process name may contain newlines and ") ". Not by
# ${k_stat##*\)}, which tries every end of the text and is slow.
k_split_stat() {
  IFS=')'
  set -- $k_stat
  IFS=' '
  [ $# -eq 0 ] || shift $(($# - 1))
  k_stat=${1-}
}

# Is $1 a regular file that we may read? A container may mount something else over files of /proc, and the shell would
# print an error.
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
  # 1.08 is 108. The 1 before the digits is there because 08 would be a bad octal number.
  k_now=$((${k_now%.*} * 100 + 1${k_now#*.} - 100))
}

# Judges the parsed record, if there is one (k_beat), and a process directory's k_named and k_error -> k_reason, empty
# if alive, and k_detail.
k_judge_beat() {
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
  # The clock is read last, so that a beat never looks younger than it is.
  # A clock may be behind but not ahead: a beat must not look older than it is.
  k_by=
  k_behind=0
  if [ -z "$k_other" ] && k_comparable && { k_uptime_now || $k_rarely k_own_start; }; then
    k_age=$((k_now - k_uptime))
  else
    $k_rarely k_wall_now || return 0
    k_age=$((k_now - k_wall / 10))
    k_by=', by wall clock'
  fi
  if [ "$k_age" -lt $((-200 - k_behind)) ]; then
    k_instant
    k_reason=future k_detail="last beat $k_when, ahead of the clock"
  elif [ "$k_limit" != - ] && [ "$k_age" -gt $((k_limit + k_window + 1)) ]; then
    k_last_beat
    k_reason=stale k_detail=$k_last
    case $k_kind:$k_task in
      task:*) k_reason=overdue ;;
      *:?*) k_detail="$k_detail, $k_in_hand in hand, $k_task the oldest" ;;
    esac
  fi
}

# Reads the heartbeat k_file, several times if it is torn -> k_line and its fields, or k_reason and k_detail.
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
    # A writer was in the middle of a write. A shell cannot pause, so it reads many times; if the line does not change,
    # it is malformed.
    if [ "$k_line" = "$k_previous" ]; then k_still=$((k_still + 1)); else k_still=0 k_previous=$k_line; fi
    k_reads=$((k_reads + 1))
    [ $k_still -lt 25 ] || break
    [ $((k_reads * ${#k_line})) -lt 300000 ] || break
  done
  k_tried=yes
}

# Judges k_path -> k_reason, empty if alive, and k_detail.
k_judge() {
  if [ -d "$k_path" ]; then
    # If the path became a directory just now, k_judge_directory is not read yet, and this is the answer.
    k_reason=unreadable k_detail='is a directory'
    k_judge_directory
    return
  fi
  k_file=$k_path k_beat=yes k_named='' k_error=''
  k_judgements=0
  k_before=
  k_shows=
  while :; do
    k_read_beat
    [ -z "$k_reason" ] || return
    k_judge_beat
    case $k_reason in stale | overdue | future) ;; *) return ;; esac
    k_shows=yes
    # The same record twice, or five verdicts in a row, confirm it.
    k_judgements=$((k_judgements + 1))
    [ "$k_line" != "$k_before" ] && [ $k_judgements -lt 5 ] || return
    k_before=$k_line
  done
}
