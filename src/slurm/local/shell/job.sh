#!/bin/sh
# job.sh DIRECTORY TOKEN LIMIT WARN_SIGNAL WARN_AFTER KILL_WAIT
# Runs one job's script and outlives whoever started it: what slurmstepd is to a Slurm job.
#   TOKEN        NAME=value, in the environment of every process of the job and of no other
#   LIMIT        seconds until the job is timed out, 0 for none
#   WARN_SIGNAL  sent to the script after WARN_AFTER seconds, - for none
#   KILL_WAIT    seconds between TERM and KILL
# TERM ends the job. Its last act is DIRECTORY/exit, "HOW CODE EPOCH", HOW being exited, cancelled or timeout: it is
# written when no process of the job is left.
set -u
directory=$1 token=$2 limit=$3 warn_signal=$4 warn_after=$5 kill_wait=$6
how=exited caught=0 child=none

# Every process of the job, in whatever session it hides: it carries the token, sits in the script's session, or is the
# script's own process before it has either.
members() {
  grep -lzxF -e "$token" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ pid _; do echo "$pid"; done
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    # shellcheck disable=SC2086
    set -- ${line##*) }
    member=${stat#/proc/} member=${member%/stat}
    [ "${1:-Z}" = Z ] || { [ "${4:-0}" != "$child" ] && [ "$member" != "$child" ]; } || echo "$member"
  done
}

# In clock ticks since boot: tells this process from a later one of the same number.
start_time() {
  read -r line </proc/$$/stat
  # shellcheck disable=SC2086
  set -- ${line##*) }
  echo "${20}"
}

signal_all() {
  for pid in $(members); do kill -s "$1" "$pid" 2>/dev/null; done
}

# Tells whether every process went within so many tenths of a second.
gone_within() {
  tenths=$1
  while [ -n "$(members)" ]; do
    [ "$tenths" -gt 0 ] || return 1
    tenths=$((tenths - 1))
    sleep 0.1
  done
}

stop() {
  how=$1
  [ "$child" != none ] || return 0 # nothing has begun: it is stopped when it has
  trap '' TERM USR2
  caught=1
  signal_all TERM
  signal_all CONT
  gone_within $((kill_wait * 10)) || signal_all KILL
}

write_whole() { # FILE TEXT
  printf '%s\n' "$2" >"$directory/$1.new" && mv -f "$directory/$1.new" "$directory/$1"
}

# Made by one process only: started twice, the script still runs once.
mkdir "$directory/run" 2>/dev/null || exit 0
trap 'stop cancelled' TERM
trap 'stop timeout' USR2
began=$(start_time)
write_whole pid "$$ $began"

setsid env "$token" "$directory/script" </dev/null &
child=$!
[ "$how" = exited ] || stop "$how"
# The sleepers carry the token too, so they end with the job.
[ "$limit" = 0 ] || (env "$token" sleep "$limit" && [ "$(start_time)" = "$began" ] && kill -s USR2 $$) &
[ "$warn_signal" = - ] || (env "$token" sleep "$warn_after" && kill -s "$warn_signal" "$child") &

while :; do
  caught=0
  wait "$child"
  code=$?
  [ "$caught" = 1 ] || break # else it was the signal that ended the wait, not the script
done
trap '' TERM USR2
until gone_within 0; do
  signal_all KILL
  gone_within 10 && break
done
write_whole exit "$how $code $(date +%s)"
