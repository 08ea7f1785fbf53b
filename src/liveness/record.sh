# Parses the record: its fields and its checksum.

# Is $1 a decimal of at most 15 digits without a leading zero? Ask this before any arithmetic, because there bash would
# run a[$(cmd)].
k_number() {
  case $1 in '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;; esac
}

# Adds $1, a number or - for none, to the checksum k_sum.
k_fold() {
  case $1 in
    -) k_sum=$((k_sum * 31 % 2147483647)) ;;
    '' | *[!0-9]* | 0?* | ????????????????*) return 1 ;;
    *) k_sum=$(((k_sum * 31 + $1) % 2147483647)) ;;
  esac
}

# Adds $2 to the checksum: $1 groups of 1 to 12 hex digits, joined by -.
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

# Parses k_line -> k_uptime k_limit k_kind k_window k_pid k_start k_boot k_wall, or k_reason and k_detail.
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
      [ $# -ne 1 ] || ! $k_rarely k_is_epoch "$1" || k_detail='a plain file states no limit'
      return
      ;;
  esac
  k_torn=yes
  k_detail='a field of the record is wrong'
  [ $# -ge 14 ] || return
  k_uptime=$3 k_limit=$4 k_kind=$5 k_window=$6 k_pid=$7 k_start=$8 k_boot=$9 k_wall=${10}
  k_sum=1
  [ "$2" != - ] && k_fold "$2" && k_fold "$3" && k_fold "$4" || return
  [ "$4" != 0 ] || return
  case $5 in
    own) k_fold 0 ;;
    step) [ "$4" != - ] && k_fold 1 || return ;;
    task) [ "$4" != - ] && k_fold 2 || return ;;
    *) return ;;
  esac
  [ "$6" != - ] && k_fold "$6" && [ "$6" -le 100 ] && k_fold "$7" && [ "$7" != 0 ] && k_fold "$8" || return
  case $9 in
    -) k_fold - ;;
    *) k_fold_hex 5 "$9" || return ;;
  esac
  [ "$k_wall" != - ] && k_fold "$k_wall" && [ "$k_wall" -le 253402300799999 ] || return
  k_fold "${11}" && k_fold "${12}" && k_fold_hex 2 "${13}" || return
  shift 13
  while [ $# -gt 1 ]; do
    k_fold "$1" || return
    shift
  done
  k_detail='the checksum of the record is wrong'
  [ "$1" = "$k_sum" ] || return
  k_torn=
  k_reason=
}
