# Sources $SCRIPT, which is liveness.sh, once for each pair of lines: options and a path. Each time in a child of its own,
# where its exit, its limits and its variables end. Prints what it says, and after \036 its exit code.
while IFS= read -r options && IFS= read -r path; do
  ( set -- $options "$path"; . "$SCRIPT" ) 2>&1
  printf '\036%s\n' $?
done
