# many.sh PROBE: sources PROBE, which is liveness.sh, once for each pair of lines: options and a path. Each time in a
# subshell, so that its exit, limits and variables stay there. Prints its output, then \036 and its exit code.
probe=$1
while IFS= read -r options && IFS= read -r path; do
  ( set -- $options "$path"; . "$probe" ) 2>&1
  printf '\036%s\n' $?
done
