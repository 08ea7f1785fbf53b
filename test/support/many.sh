# Sources $SCRIPT, which is liveness.sh, once for each pair of lines: options and a path. Each time in a subshell, so that
# its exit, limits and variables stay there. Prints its output, then \036 and its exit code.
while IFS= read -r options && IFS= read -r path; do
  ( set -- $options "$path"; . "$SCRIPT" ) 2>&1
  printf '\036%s\n' $?
done
