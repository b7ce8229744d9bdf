# standing-shell.sh - starts programs, one after another, for a process whose own forks are dear.
#
# Request on stdin: a line KEY TAG WORDS BYTES, a line with the program that has to be there, then so many lines of one
# word each, then so many bytes that are the program's stdin (-: none). Reply, behind all that the program printed: on
# stdout a line @TAG CODE@, CODE its exit status or `absent`; on stderr a line @TAG end@. Each begins on a new line.
#
# KEY is the first line of all. A program need not read all of its stdin: what is left over is passed over, line by
# line, and nothing in it can be a request, for it was written by somebody who did not know the key.
IFS= read -r key
while IFS=' ' read -r said tag words bytes; do
  [ "$said" = "$key" ] || continue
  IFS= read -r program
  set --
  while [ "$words" -gt 0 ]; do
    IFS= read -r word || exit 1
    set -- "$@" "$word"
    words=$((words - 1))
  done
  if ! command -v "$program" >/dev/null; then
    code=absent
  elif [ "$bytes" = - ]; then
    "$@" </dev/null
    code=$?
  else
    head -c "$bytes" | "$@"
    code=$?
  fi
  printf '\n@%s %s@\n' "$tag" "$code"
  printf '\n@%s end@\n' "$tag" >&2
done
