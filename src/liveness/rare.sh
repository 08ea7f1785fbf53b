# Functions that the probe of a living heartbeat does not need.

# Is $1 seconds since the epoch, with at most nine decimals?
k_is_epoch() {
  case $1 in
    *.*.* | *. | .*) return 1 ;;
    *.*) case ${1#*.} in *[!0-9]* | ??????????*) return 1 ;; esac ;;
  esac
  k_number "${1%.*}" && [ "${1%.*}" -le 253402300799 ]
}

# Finds out why k_file cannot be read -> k_reason and k_detail.
k_obstacle() {
  if [ -L "$k_file" ]; then
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
    # A touch file. A shell needs a fork to read its age, and the file states no limit.
    k_reason=malformed k_detail='a plain file states no limit'
  fi
}

# There is no k_file: it is missing, or a folder above forbids us to look.
k_absent() {
  k_reason=missing k_detail='no such file'
  k_above=$k_file
  case $k_above in /*) ;; *) k_above=./$k_above ;; esac
  while [ ! -e "$k_above" ]; do
    case $k_above in */*) k_above=${k_above%/*} ;; *) return ;; esac
  done
  [ ! -d "$k_above" ] || [ -x "$k_above" ] || k_reason=unreadable k_detail='permission denied'
}

# Does /proc hide other users' processes? A visible PID 1 does not rule that out: it may be our own user's.
k_is_hidepid() {
  while IFS= read -r k_part; do case $k_part in *' /proc '*hidepid=*) return ;; esac; done
  return 1
}

# Centiseconds since boot without /proc/uptime: when this shell started, which may be a while ago on a busy node ->
# k_now, and k_behind: how far it may be behind.
k_own_start() {
  k_stat=
  k_readable /proc/self/stat && k_read_stat </proc/self/stat
  k_split_stat
  set -- $k_stat
  k_number "${20-}" && k_now=${20} k_behind=6000
}

# Centiseconds since the epoch -> k_now and k_behind
k_wall_now() {
  # Without /proc we cannot see which processes live, so a clock alone is not enough.
  if [ -L /proc/self ]; then
    k_epoch_seconds && return
    k_boot_time_now && return
  fi
  k_cannot_ask 'expected a clock in /proc/uptime and /proc/stat; neither tells'
}

# The same by EPOCHSECONDS of bash and busybox. The assignment empties an inherited variable, but not the shell's clock.
k_epoch_seconds() {
  EPOCHSECONDS=
  k_number "$EPOCHSECONDS" && k_now=$((EPOCHSECONDS * 100)) k_behind=100
}

# The same by boot time plus uptime.
k_boot_time_now() {
  k_behind=100
  k_boot_time=
  k_readable /proc/stat && while read -r k_word k_rest; do case $k_word in btime) k_boot_time=$k_rest && break ;; esac; done </proc/stat
  k_number "$k_boot_time" || return 1
  k_up=0
  k_uptime_now && k_up=$k_now
  # The later one of both, because under lxcfs /proc/uptime is the container's but the boot time is the machine's.
  k_own_start || return 1
  [ "$k_now" -ge "$k_up" ] || k_now=$k_up k_behind=100
  k_now=$((k_boot_time * 100 + k_now))
}
