# What a living heartbeat does not need.

# Is $1 seconds since the epoch, with at most nine digits of a fraction?
k_is_epoch() {
  case $1 in
    *.*.* | *. | .*) return 1 ;;
    *.*) case ${1#*.} in *[!0-9]* | ??????????*) return 1 ;; esac ;;
  esac
  k_number "${1%.*}" && [ "${1%.*}" -le 253402300799 ]
}

# Why k_file cannot be read -> k_reason and k_detail.
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

# PID 1 is visible under hidepid too where it is the asking user's own.
k_hiding() {
  while IFS= read -r k_part; do case $k_part in *' /proc '*hidepid=*) return ;; esac; done
  return 1
}

# Centiseconds since boot, if /proc/uptime does not tell: when this very shell started. On a starved node that was some time
# ago -> k_now, and k_behind: how far it may be behind.
k_own_start() {
  k_stat=
  k_readable /proc/self/stat && k_read_stat </proc/self/stat
  k_split_stat
  set -- $k_stat
  k_number "${20-}" && k_now=${20} k_behind=6000
}

# Centiseconds since the epoch -> k_now and k_behind
k_wall_now() {
  # Without /proc nothing tells who beat, so no clock is enough.
  if [ -L /proc/self ]; then
    k_epoch_seconds && return
    k_boot_time_now && return
  fi
  k_cannot_ask 'expected a clock in /proc/uptime and /proc/stat; neither tells'
}

# The same by the clock of bash and busybox. It takes no value from us, which an inherited variable would.
k_epoch_seconds() {
  EPOCHSECONDS=
  k_number "$EPOCHSECONDS" && k_now=$((EPOCHSECONDS * 100)) k_behind=100
}

# The same by boot time and uptime.
k_boot_time_now() {
  k_behind=100
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
