# Prints a probe's line, and ends most probes.

# Formats k_wall as 2026-11-20T10:03:12Z -> k_when. From howardhinnant.github.io/date_algorithms.html
k_instant() {
  k_z=$((k_wall / 86400000 + 719468))
  k_t=$((k_wall / 1000 % 86400))
  k_era=$((k_z / 146097))
  k_doe=$((k_z - k_era * 146097))
  k_yoe=$(((k_doe - k_doe / 1460 + k_doe / 36524 - k_doe / 146096) / 365))
  k_doy=$((k_doe - (365 * k_yoe + k_yoe / 4 - k_yoe / 100)))
  k_mp=$(((5 * k_doy + 2) / 153))
  # Adds 100, so that each has two digits. The 1 is cut off below.
  k_day=$((k_doy - (153 * k_mp + 2) / 5 + 101))
  k_month=$((k_mp < 10 ? k_mp + 103 : k_mp + 91))
  k_hour=$((k_t / 3600 + 100)) k_minute=$((k_t / 60 % 60 + 100)) k_second=$((k_t % 60 + 100))
  k_year=$((k_yoe + k_era * 400 + (k_month <= 102)))
  k_when=$k_year-${k_month#1}-${k_day#1}T${k_hour#1}:${k_minute#1}:${k_second#1}Z
}

# Parses k_note_line, such as `3 in hand, mail#42` -> k_in_hand and k_task, which is empty for any other text.
k_work() {
  k_task=
  [ -n "$k_note_line" ] && [ ${#k_note_line} -le 50 ] || return 0
  # Without the spaces around it.
  k_work=${k_note_line#"${k_note_line%%[! ]*}"}
  k_work=${k_work%"${k_work##*[! ]}"}
  case $k_work in *' in hand, '?*) ;; *) return 0 ;; esac
  k_in_hand=${k_work%%" in hand, "*}
  k_number "$k_in_hand" && [ "$k_in_hand" != 0 ] || return 0
  k_show "${k_work#*" in hand, "}" 50
  k_task=$k_shown
}

# The time of the last beat, or since when a task has been in hand; and the limit -> k_last
k_last_beat() {
  k_instant
  k_work
  k_what='last beat'
  [ "$k_kind" != task ] || k_what="${k_task:-a task} in hand since"
  k_words=none
  if [ "$k_limit" != - ]; then
    k_words=
    k_remaining=$k_limit
    for k_unit in 8640000d 360000h 6000m 100s; do
      k_size=${k_unit%?}
      k_count=$((k_remaining / k_size))
      k_remaining=$((k_remaining % k_size))
      [ "$k_count" = 0 ] || k_words=$k_words$k_count${k_unit#"$k_size"}
    done
    [ "$k_remaining" = 0 ] || k_words=$k_words$((k_remaining * 10))ms
  fi
  k_last="$k_what $k_when, limit $k_words$k_by"
}

# At most the last $2 characters of $1, in printable ASCII, so that they cannot forge a second line -> k_shown
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
  [ ${#k_shown} -gt "$2" ] || return 0
  while [ ${#k_shown} -gt $(($2 - 3)) ]; do k_shown=${k_shown#?}; done
  k_shown=...$k_shown
}

# The line with verdict $1 and k_path, at most 180 characters -> k_line_out
k_say() {
  k_room=$((177 - ${#1}))
  [ $k_room -le 80 ] || k_room=80
  k_show "$k_path" $k_room
  k_line_out="$1 ($k_shown)"
}

# Counts the verdict on k_path. The first dead one makes the line.
k_count() {
  k_total=$((k_total + 1))
  [ -n "$k_reason" ] || return 0
  k_dead=$((k_dead + 1))
  [ $k_dead -eq 1 ] || return 0
  k_say "dead: $k_reason: $k_detail"
}

# Judges every path, prints the line and exits. Returns if it needs the rest of the script.
k_conclude() {
  for k_path; do
    k_judge
    [ -z "$k_unread" ] || return 0
    k_count
  done
  if [ $k_dead -gt 0 ]; then
    [ $k_total -eq 1 ] || k_line_out="$k_line_out; $k_dead of $k_total dead"
    printf '%s\n' "$k_line_out"
    exit 1
  fi
  case ${LOG_LEVEL-} in
    '') ;;
    [Ww][Aa][Rr][Nn] | [Ww][Aa][Rr][Nn][Ii][Nn][Gg] | [Ee][Rr][Rr][Oo][Rr] | [Cc][Rr][Ii][Tt][Ii][Cc][Aa][Ll]) exit 0 ;;
    [Ff][Aa][Tt][Aa][Ll] | [Aa][Ll][Ee][Rr][Tt] | [Ee][Mm][Ee][Rr][Gg] | [Oo][Ff][Ff] | [Nn][Oo][Nn][Ee]) exit 0 ;;
    [Ss][Ii][Ll][Ee][Nn][Tt]) exit 0 ;;
  esac
  if [ $k_total -gt 1 ]; then
    k_line_out="alive: $k_total of $k_total"
  else
    if [ -n "$k_beat" ]; then k_last_beat; else k_last="process $k_named"; fi
    k_say "alive: $k_last"
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
# A shell reads a script command by command, so most probes of heartbeats end here without the rest. Functions of the
# rest are called as `$k_rarely k_name`. Until the rest has been read, that calls k_read_on, which fails and says so in
# k_unread.
k_unread=
k_read_on() {
  k_unread=yes
  return 1
}
k_rarely=k_read_on
[ -n "$k_rest" ] || [ $k_left -gt 0 ] || k_conclude "$@"
