# Options and process directories. The shell has read the whole script when it comes here.

k_version=@VERSION@

# Prints the same help as liveness.js.
k_help() {
  k_text=
  while IFS= read -r k_line; do
    k_text="$k_text$k_line
"
  done <<'END'
@HELP@
END
  # By one write, because the reader may be `head`.
  printf '%s' "$k_text"
}

k_rarely=
k_unread=
k_total=0
k_dead=0
k_ignore=
k_process=
k_answer=
while [ $k_left -gt 0 ]; do
  # Takes each word from the front, and appends it again if it is a path.
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
    --last-words*) k_cannot_ask 'a shell cannot speak to an inspector; expected liveness.js for --last-words' ;;
    -?*) k_show "$k_word" 80 && k_cannot_ask "expected PATH... and the options that --help lists; got $k_shown" ;;
    *) set -- "$@" "$k_word" ;;
  esac
done
case $k_answer in
  help)
    k_help 2>/dev/null
    exit 0
    ;;
  version)
    printf '%s\n' "$k_version" 2>/dev/null
    exit 0
    ;;
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
