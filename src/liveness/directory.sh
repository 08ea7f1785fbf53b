# Judges a process directory.

# Reads the number in file $1 of the process directory k_path -> k_line, or k_reason and k_detail.
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
    # Other writers empty the file before they write it. A shell cannot sleep without a fork, so it looks for 250 ms.
    k_wait || {
      k_tried=yes
      break
    }
  done
  k_number "${k_line#-}" && [ "$k_line" != -0 ] && [ -z "$k_more" ] || k_reason=malformed k_detail='holds no integer'
}

# Looks up to 1000 times whether k_file is still empty. Fails after 250 ms, or without a clock after 50 calls; and at
# once if another file has used the 250 ms up, because all paths share them.
k_wait() {
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

# Judges the process directory k_path -> k_reason, empty if alive, and k_detail.
k_judge_directory() {
  k_judgements=0
  k_same=0
  k_before=
  k_shows=
  while :; do
    k_read_directory
    case $k_reason in '' | missing | unreadable) return ;; esac
    k_shows=yes
    # `read` takes one byte at a time, so it may see the 1 of a 12 that is being written, but not ten times in a row.
    k_seen="$k_named $k_error $k_line"
    if [ "$k_seen" = "$k_before" ]; then k_same=$((k_same + 1)); else k_same=0 k_before=$k_seen; fi
    k_judgements=$((k_judgements + 1))
    [ $k_same -lt 10 ] && [ $k_judgements -lt 100 ] && [ -z "$k_tried" ] || return
  done
}

k_read_directory() {
  k_worst=
  k_tried=
  k_read_number pid
  case $k_reason:$k_line in malformed:* | :0 | :-*) k_reason=malformed k_detail='holds no pid' ;; esac
  k_keep_first pid
  k_named=$k_line
  k_error=
  if [ -z "$k_ignore" ]; then
    k_read_number error
    k_keep_first error
    k_error=$k_line
  fi
  k_file=$k_path/timestamp k_beat=yes
  k_read_beat
  # Other writers write no beats, so the file may be missing. But a reader in another pid namespace needs a beat,
  # because there the pid says nothing.
  if [ "$k_reason" = missing ] && [ -z "$k_other" ]; then
    k_reason='' k_beat='' k_line='' k_boot=- k_pid=- k_start=- k_limit=- k_kind=own
  elif [ -z "$k_reason" ] && [ -n "$k_other" ] && [ "$k_limit" = - ]; then
    k_reason=malformed k_detail='states no limit, and its process cannot be seen'
  fi
  k_keep_first timestamp
  k_reason=$k_worst k_detail=$k_worst_detail
  [ -n "$k_reason" ] || k_judge_beat
}

# Keeps k_reason, about file $1, if in the order of reasons it comes before the one kept so far.
k_keep_first() {
  case $k_worst:$k_reason in
    *:) ;;
    :* | malformed:unreadable | malformed:missing | unreadable:missing) k_worst=$k_reason k_worst_detail="$1 file: $k_detail" ;;
  esac
}
