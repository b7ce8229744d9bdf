#!/usr/bin/env bash
# Runs on the compute node: one engine under one supervisor. Bash (4.4 or later), coreutils, grep, awk and setsid are all
# it needs there, and Slurm's own scontrol.
#
# The operator writes the #SBATCH lines and these assignments in front of this text and pipes the whole to sbatch:
#   VSO_MARKER                 whose job it is; every report begins with it
#   VSO_MODULES=(…)            environment modules to load
#   VSO_VENV                   Python virtual environment to use, or empty
#   VSO_ENGINE=(…)             the engine's argv; host, port and served names are added here
#   VSO_ENGINE_ENVIRONMENT=(…) NAME=value each, for the engine alone
#   VSO_SERVED_NAMES=(…)       model names; this job's own is added to them
#   VSO_PORT_LOW, _HIGH        ports to choose from
#   VSO_START_SECONDS          from the start of the job to the first answer
#   VSO_PROBE_PERIOD_SECONDS, VSO_PROBE_TIMEOUT_SECONDS, VSO_PROBE_FAILURES   the watchdog while it serves
#   VSO_DRAIN_GRACE_SECONDS    draining, and still serving, until no route leads here any more
#   VSO_DRAIN_SECONDS          then for requests that are still running
#
# It reports through the job's comment, which any listing returns: `MARKER|phase=…|node=…|port=…|…` with the phases
# starting, loading, ready (after=SECONDS), draining, and at the end ended or failed (class=…|code=…|why=…).
# Its exit code is the class of the end, for the case that the report is lost:
#   0  none    ended on request, or before the walltime
#   64 config  waiting will not help: a bad flag, a missing model, too little memory for what is asked
#   65 start   the engine did not start, cause unknown
#   66 port    no port could be had
#   68 died    the engine ended after it had served; vLLM itself says 0 then
#   69 hang    no token came out, though the engine's process lives
#   70 slow    no answer within VSO_START_SECONDS
#   143        cancelled: Slurm takes no report any more
#
# Signals to this shell: USR1 drains (walltime's warning, or `scancel --batch --signal=USR1`), TERM ends at once.
# shellcheck disable=SC2317 # traps and other shells call what looks unreachable
set -uo pipefail

# Lines of a failed start that no second try will change (grep -E), then those of a port that is somebody else's.
CONFIG_SIGNS=(
  '^([^ ]+: )?vllm: error: ' 'error: (unrecognized arguments|argument )'
  'Repo id must be in the form' 'Repository Not Found' 'is not a valid model identifier' 'gated repo'
  '(401|403) Client Error' 'Cannot find an appropriate cached snapshot' 'SafetensorError: '
  'does not recognize this architecture' 'are not supported for now' 'No module named .vllm.'
  'must be divisible by tensor parallel' 'is not divisible by weight quantization'
  'larger than the number of available GPUs' 'is greater than the derived max_model_len'
  'KV cache is needed, which is larger' 'No available memory for the cache blocks'
  'CUDA out of memory\. Tried to allocate' 'torch\.(cuda\.)?OutOfMemoryError'
  '[Pp]arser .* not found' 'invalid tool call parser' 'Unknown quantization method' 'Cannot find the config file for'
)
PORT_SIGNS=('Address already in use' 'EADDRINUSE')

main() {
  trap 'DRAIN_ASKED=1' USR1 # nothing more in a trap: bash loses its way when a trap waits inside of what it waits for
  trap 'CANCELLED=1' TERM
  DRAIN_ASKED='' CANCELLED='' ENGINE='' WATCH='' HOLDER='' PORT='' READY='' UNHEARD='' RETRY_AT=0
  OWN_NAME=vllm-slurm--job-$SLURM_JOB_ID
  LOG=/proc/$$/fd/1 # not /proc/self: inside a pipe that would be the pipe
  cd / || exit 65   # Python looks for modules in the working directory: it shall be nobody's
  unset SLURM_JWT   # submitting needs it, serving does not
  export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
  exec {QUIET}<> <(:) # never says anything: to wait for it is to sleep without a process
  open_lifeline
  raise_file_limit
  report phase=starting
  prepare_runtime
  ADDRESS=$(own_address)
  [ -n "$ADDRESS" ] || finish 65 no-address
  local try offset=$((SLURM_JOB_ID * 3)) # a stale engine of an older job is not met again
  for ((try = 0; try < 10 && try <= VSO_PORT_HIGH - VSO_PORT_LOW; try++)); do
    choose_port "$offset" || break
    start_engine
    report phase=loading
    supervise
    end_engine 5 # it comes back only when the port was somebody else's
    say "port $PORT is taken"
    offset=$((PORT - VSO_PORT_LOW + 1))
  done
  finish 66 no-free-port
}

# ---------------------------------------------------------------------------------------------- supervision
# Ends the script, unless another port may help: then it returns.
supervise() {
  await_first_token &
  WATCH=$!
  tell_guard
  wait_for_end_of_either
  if has_ended "$ENGINE"; then
    kill "$WATCH" 2>/dev/null
    wait "$ENGINE"
    local engine_code=$? class
    class=$(class_of_failed_start "$engine_code")
    [ "$class" != 66 ] || return
    finish "$class" "engine-exit-$engine_code"
  fi
  wait "$WATCH"
  case $? in
    0) ;;
    66) return ;;
    *) finish 70 "no-answer-in-$VSO_START_SECONDS-seconds" ;;
  esac

  READY=1
  report "phase=ready|after=$SECONDS"
  watch_for_hang &
  WATCH=$!
  tell_guard
  wait_for_end_of_either
  local i
  for ((i = 0; i < 5; i++)); do # a dying engine stops answering first
    if has_ended "$ENGINE"; then
      wait "$ENGINE"
      finish 68 "engine-exit-$?"
    fi
    pause 1
  done
  finish 69 no-token
}

wait_for_end_of_either() {
  until has_ended "$ENGINE" || has_ended "$WATCH"; do
    [ -z "$DRAIN_ASKED" ] || drain
    if [ -n "$UNHEARD" ] && [ "$SECONDS" -ge "$RETRY_AT" ]; then tell "$UNHEARD"; fi
    nap
  done
}

# Out of every route first, then what runs may end, then the engine is asked to go.
drain() {
  trap '' USR1
  kill "$WATCH" 2>/dev/null
  if [ -n "$READY" ]; then
    report phase=draining
    pause "$VSO_DRAIN_GRACE_SECONDS"
    local deadline=$((SECONDS + VSO_DRAIN_SECONDS))
    while [ "$SECONDS" -lt "$deadline" ] && ! has_ended "$ENGINE" && [ "$(running_requests)" != 0 ]; do pause 1; done
  fi
  end_engine 15
  finish 0 drained
}

finish() { # CODE WHY
  trap '' USR1
  kill "$WATCH" 2>/dev/null
  if [ "$1" = 0 ]; then report "phase=ended|class=none|code=0|why=$2"; else report "phase=failed|class=$(class_word "$1")|code=$1|why=$2"; fi
  end_engine 5
  [ -z "$UNHEARD" ] || tell "$UNHEARD"
  release_port
  exit "$1"
}

cancelled() {
  trap '' USR1 TERM
  CANCELLED=''
  say cancelled
  kill "$WATCH" 2>/dev/null
  end_engine 2
  release_port
  exit 143
}

class_word() {
  case $1 in 64) echo config ;; 65) echo start ;; 66) echo port ;; 68) echo died ;; 69) echo hang ;; 70) echo slow ;; esac
}

class_of_failed_start() { # EXIT_CODE of the engine
  case $1 in 126 | 127) echo 64 && return ;; esac
  if has_logged "${CONFIG_SIGNS[@]}"; then echo 64; elif has_logged "${PORT_SIGNS[@]}"; then echo 66; else echo 65; fi
}

# Since the engine was started, in the job's own log; false when that is no file. (No pipe: grep would break it.)
has_logged() { [ -f "$LOG" ] && grep -qE "${@/#/-e}" < <(tail -c "+$LOG_FROM" "$LOG" | tail -c 1048576); }

# ---------------------------------------------------------------------------------------------- watchdogs
# Each runs beside the supervisor and ends with a verdict: /health proves nothing, a token does.

await_first_token() {
  be_a_child
  local foreign=0 models
  while [ "$SECONDS" -lt "$VSO_START_SECONDS" ]; do
    if models=$(ask 5 GET /v1/models); then
      if [[ $models == *"\"$OWN_NAME\""* ]]; then
        if ask 60 POST /v1/completions "$ONE_TOKEN" >/dev/null; then exit 0; fi
      else
        foreign=$((foreign + 1)) # two engines may bind one port; the later one is deaf and does not know
        [ "$foreign" -lt 5 ] || exit 66
      fi
    fi
    pause 1
  done
  exit 70
}

watch_for_hang() {
  be_a_child
  local before now bad=0
  while :; do
    pause $((bad > 0 ? 1 : VSO_PROBE_PERIOD_SECONDS))
    before=$(generated_tokens)
    if ask "$VSO_PROBE_TIMEOUT_SECONDS" POST /v1/completions "$ONE_TOKEN" >/dev/null; then
      bad=0
      continue
    fi
    now=$(generated_tokens)
    if [ -n "$now" ] && [ "$now" != "$before" ]; then # a full queue is no fault while tokens come out
      bad=0
      continue
    fi
    bad=$((bad + 1))
    say "no token within $VSO_PROBE_TIMEOUT_SECONDS s, $bad of $VSO_PROBE_FAILURES"
    [ "$bad" -lt "$VSO_PROBE_FAILURES" ] || exit 69
  done
}

generated_tokens() { sum_of_metric '^vllm:generation_tokens_total'; }
running_requests() { sum_of_metric '^vllm:num_requests_(running|waiting)[{ ]'; }
sum_of_metric() { ask 5 GET /metrics | awk -v name="$1" '$0 ~ name {sum += $NF; found = 1} END {if (found) printf "%.0f\n", sum}'; }

# The body of an answer that is 200 and comes in time; curl need not be there.
ask() { # SECONDS METHOD PATH [BODY]
  timeout "$1" bash -c "$(declare -f connect exchange); exchange \"\$@\"" ask "$ADDRESS" "$PORT" "$2" "$3" "${4:-}" 2>/dev/null
}
connect() { exec 3<>"/dev/tcp/$1/$2"; } # ADDRESS PORT
exchange() { # ADDRESS PORT METHOD PATH BODY
  local status line
  connect "$1" "$2" || exit 1
  printf '%s %s HTTP/1.0\r\nHost: %s:%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$3" "$4" "$1" "$2" "${#5}" "$5" >&3
  read -r _ status _ <&3
  [ "$status" = 200 ] || exit 1
  while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
  head -c 1048576 <&3
}

# ---------------------------------------------------------------------------------------------- the engine
start_engine() {
  ONE_TOKEN="{\"model\":\"$OWN_NAME\",\"prompt\":\"a\",\"max_tokens\":1}"
  LOG_FROM=1
  [ ! -f "$LOG" ] || LOG_FROM=$(($(stat -Lc %s "$LOG") + 1))
  (
    be_a_child
    exec {QUIET}>&-
    [ -z "${PORTS:-}" ] || exec {PORTS}<&-
    # Put aside first: a variable of the user's may be called as one of ours.
    set -- "${VSO_ENGINE[@]}" --host "$ADDRESS" --port "$PORT" --served-model-name "${VSO_SERVED_NAMES[@]}" "$OWN_NAME"
    for pair in ${VSO_ENGINE_ENVIRONMENT[@]+"${VSO_ENGINE_ENVIRONMENT[@]}"}; do export "${pair?}"; done
    # A session of its own: a killed API server leaves its engine and workers behind, and this is how they are found.
    exec setsid "$@"
  ) </dev/null &
  ENGINE=$!
  tell_guard
}

end_engine() { # SECONDS it has to end by itself
  [ -n "$ENGINE" ] || return 0
  local deadline=$((SECONDS + $1))
  signal_session TERM "$ENGINE"
  while [ "$SECONDS" -lt "$deadline" ] && [ -n "$(session_pids "$ENGINE")" ]; do nap; done
  signal_session KILL "$ENGINE"
  wait "$ENGINE" 2>/dev/null
  WATCH='' ENGINE=''
  tell_guard
}

signal_session() { # SIGNAL SESSION
  local pid
  kill "-$1" -- "$2" "-$2" 2>/dev/null
  for pid in $(session_pids "$2"); do kill "-$1" "$pid" 2>/dev/null; done
}

session_pids() { # SESSION: its living processes; ps and pkill need not be there
  local file line fields
  for file in /proc/[0-9]*/stat; do
    { read -r line <"$file"; } 2>/dev/null || continue
    read -ra fields <<<"${line##*) }" # behind the name, which may hold anything: state ppid pgrp session
    if [ "${fields[3]}" = "$1" ] && [ "${fields[0]}" != Z ]; then echo "${file//[^0-9]/}"; fi
  done
}

# Should this script be killed without a chance to clean up, the pipe breaks and the guard ends the engine.
open_lifeline() {
  exec {LIFELINE}> >(exec setsid bash -c "$(declare -f guard signal_session session_pids); guard" guard)
}
guard() {
  local line session='' watch=''
  trap '' TERM INT HUP USR1
  while read -r line; do read -r session watch <<<"$line"; done
  [ -z "$watch" ] || kill "$watch" 2>/dev/null
  [ -z "$session" ] || signal_session KILL "$session"
}
tell_guard() { echo "$ENGINE $WATCH" >&"$LIFELINE"; }
be_a_child() { # only the supervisor keeps the pipe open, and only it is asked to drain
  trap '' USR1
  exec {LIFELINE}>&-
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }
nap() {
  read -r -t 0.4 <&"$QUIET"
  [ -z "$CANCELLED" ] || cancelled
}
pause() { # SECONDS, a little less at most
  local deadline=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$deadline" ]; do nap; done
}

# ---------------------------------------------------------------------------------------------- before it starts
prepare_runtime() {
  local module
  if [ "${#VSO_MODULES[@]}" -gt 0 ]; then
    set +u # their functions are not ours
    find_module_command || finish 64 no-module-command
    for module in "${VSO_MODULES[@]}"; do module load "$module" || finish 64 "module-load-failed"; done
    set -u
  fi
  [ -n "$VSO_VENV" ] || return 0
  [ -x "$VSO_VENV/bin/python" ] || { say "no virtual environment: $VSO_VENV/bin/python"; finish 64 venv-missing; }
  export VIRTUAL_ENV="$VSO_VENV" PATH="$VSO_VENV/bin:$PATH"
  unset PYTHONHOME
}

find_module_command() {
  local init
  for init in "${LMOD_PKG:-}/init/bash" "${MODULESHOME:-}/init/bash" /etc/profile.d/{lmod,z00_lmod,modules}.sh \
    /usr/share/{lmod/lmod,Modules,modules}/init/bash; do
    ! declare -F module >/dev/null || return 0
    # shellcheck disable=SC1090
    [ ! -r "$init" ] || . "$init"
  done
  declare -F module >/dev/null || { say 'modules are asked for, and this node has no module command'; return 1; }
}

raise_file_limit() {
  local want=65536 hard
  hard=$(ulimit -Hn)
  if [ "$hard" != unlimited ] && [ "$hard" -lt "$want" ]; then want=$hard; fi
  [ "$(ulimit -Sn)" = unlimited ] || [ "$(ulimit -Sn)" -ge "$want" ] || ulimit -Sn "$want"
}

# The address Slurm has for this node, which is where others look for it; else that of its name.
own_address() {
  local node name=$HOSTNAME
  node=$(timeout 10 scontrol show node "${SLURMD_NODENAME:-}" 2>/dev/null)
  if [[ $node =~ NodeAddr=([^[:space:]]+) ]]; then name=${BASH_REMATCH[1]}; fi
  if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then
    echo "$name"
  else # Debian's /etc/hosts calls the own name 127.0.1.1, where nobody else arrives
    getent ahostsv4 "$name" | awk '$1 !~ /^127\./ {print $1; found = 1; exit} {last = $1} END {if (!found) print last}'
  fi
}

# ---------------------------------------------------------------------------------------------- the port
# Held from the choice to the end of the job. The first bind is exclusive, so it fails if anybody at all has the port;
# only then SO_REUSEADDR is set, which lets the engine bind the same port beside it. It ends with its parent.
HOLDER_PY='
import os, socket, sys, time
offset, low, high, parent = (int(word) for word in sys.argv[1:5])
for i in range(high - low + 1):
    port = low + (offset + i) % (high - low + 1)
    held = socket.socket()
    try:
        held.bind(("", port))
    except OSError:
        continue
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    print(port, flush=True)
    break
else:
    sys.exit(print("none"))
sys.stdout.close()
while os.getppid() == parent:
    time.sleep(2)
'
choose_port() { # OFFSET into the range to begin at
  release_port
  PORT=''
  if command -v python3 >/dev/null; then
    [ -z "${PORTS:-}" ] || exec {PORTS}<&-
    exec {PORTS}< <(be_a_child; exec python3 -c "$HOLDER_PY" "$1" "$VSO_PORT_LOW" "$VSO_PORT_HIGH" $$ 2>/dev/null)
    HOLDER=$!
    read -r PORT <&"$PORTS"
    [ "$PORT" != none ] || return 1
  fi
  [ -n "$PORT" ] || choose_quiet_port "$1"
}
release_port() {
  [ -z "$HOLDER" ] || kill "$HOLDER" 2>/dev/null
  HOLDER=''
}

# Without Python there is no vLLM, whose late listening is what the holder is for: another engine listens as it binds,
# and says so when somebody was quicker.
choose_quiet_port() { # OFFSET
  local i size=$((VSO_PORT_HIGH - VSO_PORT_LOW + 1))
  for ((i = 0; i < size; i++)); do
    PORT=$((VSO_PORT_LOW + ($1 + i) % size))
    timeout 5 bash -c "$(declare -f connect); connect \"\$@\"" connect "$ADDRESS" "$PORT" 2>/dev/null || return 0
  done
  return 1
}

# ---------------------------------------------------------------------------------------------- speaking
say() { echo "serve: $(date -u +%FT%TZ) $*" >&2; }

report() { # FIELDS
  local port=${PORT:+|port=$PORT}
  say "$1"
  tell "${1%%|*}|node=${SLURMD_NODENAME:-}$port${1#"${1%%|*}"}"
}

# Kept and told again until Slurm has heard it: the newest report counts, and the comment is all the operator sees.
tell() { # REPORT
  UNHEARD=$1 RETRY_AT=$((SECONDS + 5))
  timeout 10 scontrol update "jobid=$SLURM_JOB_ID" "comment=$VSO_MARKER|$1" >/dev/null 2>&1 &
  if wait $!; then UNHEARD=''; fi
  [ -z "$CANCELLED" ] || cancelled
}

main
