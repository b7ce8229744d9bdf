#!/bin/sh
# The part of scancel a job script needs.
#   scancel ID                            ends the job
#   scancel --batch --signal=SIGNAL ID    to the script alone
#   scancel --full --signal=SIGNAL ID     to every process of the script's session
#   scancel --signal=SIGNAL ID            to the job's steps: without srun there are none, so to nobody
set -u
jobs=$(dirname "$0")/../jobs
id='' signal='' target='steps'
while [ $# -gt 0 ]; do
  case $1 in
    --batch | -b) target='batch' ;;
    --full | -f) target='full' ;;
    --signal=*) signal=${1#*=} ;;
    --signal | -s) signal=${2:-} && shift ;;
    '' | *[!0-9]*) echo "scancel: not known to the local cluster: $1" >&2 && exit 1 ;;
    *) id=$1 ;;
  esac
  shift
done
signal=${signal#SIG}
[ -n "$id" ] || { echo 'scancel: error: No job identification provided' >&2 && exit 1; }
[ ! -e "$jobs/$id/exit" ] || exit 0
read -r keeper began 2>/dev/null <"$jobs/$id/pid" || exit 0

# PARENT SESSION STARTED of a process
about() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${line##*) }
  echo "$2 $4 ${20}"
}
processes() {
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    is=$(about "$pid") && echo "$pid $is"
  done
}

case $(about "$keeper") in
  *" $began") ;;
  *) exit 0 ;; # the number belongs to another process now
esac
if [ -z "$signal" ]; then kill -s TERM "$keeper" && exit; fi
script=$(processes | while read -r pid parent session _; do
  if [ "$parent" = "$keeper" ] && [ "$session" = "$pid" ]; then echo "$pid"; fi
done)
[ -n "$script" ] || exit 0
case $target in
  batch) kill -s "$signal" "$script" ;;
  full)
    # All of them are known before the first is signalled: those that look for them are of this session as well.
    members=$(processes | while read -r pid _ session _; do
      if [ "$session" = "$script" ] && [ "$pid" != "$$" ]; then echo "$pid"; fi
    done)
    # shellcheck disable=SC2086
    kill -s "$signal" $members 2>/dev/null
    ;;
esac
