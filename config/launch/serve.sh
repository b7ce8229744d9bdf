#!/usr/bin/env bash
# Runs on the first node of the job: one engine, over however many nodes, under one supervisor. Bash (4.4 or later),
# coreutils, grep, awk and setsid are all it needs there, and Slurm's own programs. Nothing of it has to be installed.
#
# The operator writes the #SBATCH lines and these assignments in front of this text and pipes the whole to sbatch:
#   VSO_MARKER                 whose job it is; every report begins with it
#   VSO_MODULES=(…)            environment modules to load
#   VSO_VENV                   Python virtual environment to use, conda's own kind too, or empty
#   VSO_RUNTIME                host, venv, apptainer or pyxis
#   VSO_IMAGE                  container image: a path, or docker://…, oras://… or (Pyxis) REGISTRY#NAME, or empty
#   VSO_MOUNTS=(…)             SOURCE or SOURCE:TARGET each, in the container
#   VSO_ENGINE_TYPE            vllm, or stand-in, which needs neither GPUs nor a model
#   VSO_ENGINE=(…)             the engine's argv; names, ports and a rank's own place are added here
#   VSO_ENGINE_ENVIRONMENT=(…) NAME=value each, for the engine alone
#   VSO_MODEL                  a directory, or org/repo on the hub
#   VSO_SERVED_NAMES=(…)       model names; this job's own is added to them
#   VSO_HF_TOKEN_FILE, VSO_API_KEY_FILE   files with one secret each, read on the nodes, or empty
#   VSO_NODES, VSO_GPUS_PER_NODE          of this replica
#   VSO_DATA_PARALLEL          copies of the model behind the one endpoint; each node holds as many
#   VSO_LAUNCHER               of several nodes: torchrun, native or ray
#   VSO_RENDEZVOUS_SECONDS     the nodes wait so long for one another
#   VSO_RENDEZVOUS_PORT_LOW, _HIGH   ports for ranks to meet at
#   VSO_PORT_LOW, _HIGH        ports to answer at
#   VSO_START_SECONDS          from the start of the job to the first answer
#   VSO_PROBE_PERIOD_SECONDS   between two looks at the engine's counters while it serves
#   VSO_CANARY_PERIOD_SECONDS, VSO_CANARY_TIMEOUT_SECONDS   an engine so long without a token is asked for one
#   VSO_PROBE_FAILURES         tokens missed in a row until it hangs
#   VSO_DRAIN_GRACE_SECONDS    draining, and still serving, until no route leads here any more
#   VSO_DRAIN_SECONDS          then for requests that are still running
#
# It reports through the job's comment, which any listing returns: `MARKER|phase=…|node=…|port=…|…` with the phases
# starting, rendezvous (several nodes), loading (shards=DONE/TOTAL), compiling, warming, ready (after=SECONDS), draining,
# and at the end ended or failed (class=…|code=…|why=WORD or why=WORD:NODE,NODE).
# Its exit code is the class of the end, for the case that the report is lost:
#   0  none    ended on request, or before the walltime
#   64 config  waiting will not help: a bad flag, too little memory for what is asked, an unreadable secret
#   65 start   the engine did not start, cause unknown
#   66 port    no port could be had
#   67 node    a node does not even run a command any more; why=lost:NODE
#   68 died    the engine ended after it had served; vLLM itself says 0 then
#   69 hang    no token came out, though every node answers; why=stuck:NODE where a process there cannot be woken
#   70 slow    no answer within VSO_START_SECONDS
# and what each node finds out before anything is loaded, with the nodes that found it:
#   71 gpu     fewer GPUs to be seen than asked for
#   72 cache   the model cache cannot be written
#   73 model   the model is not there, or not in the cache though the hub is not to be asked
#   74 engine  the engine or the launcher is not there, or too old
#   75 peer    the first node cannot be reached
#   76 denied  the hub refuses the model to this token
#   77 runtime nothing there runs containers
#   78 image   the container's image or a mount of it is not there, or no container comes of them
#   143        cancelled: Slurm takes no report any more
#
# Signals to this shell: USR1 drains (walltime's warning, or `scancel --batch --signal=USR1`), TERM ends at once.
# shellcheck disable=SC2317 # traps and other shells call what looks unreachable
set -uo pipefail

# This shell does nothing but pass requests on and wait: where a trap fires while bash runs `$(…)` or `<(…)`, its text
# may be taken for part of that and the request is lost. So neither may be used here once a signal is trapped.
REQUESTS='' GATE=''
request() { # LETTER: d to drain, c to cancel. One byte each, for half a word could be read.
  REQUESTS+=$1
  [ -z "$GATE" ] || printf %s "$1" >&"$GATE"
} 2>/dev/null # the supervisor may have ended
trap 'request d' USR1
trap 'request c' TERM

PREFLIGHT_SECONDS=60      # then it is asked which nodes are lost
PEER_SECONDS=10           # a node that does not run a command within it is lost
LINK_SECONDS=5            # and so is one whose link has ended, if within this it neither does so nor links itself again
READY_AGAIN_SECONDS=60    # a controller that crashes loses what it heard last: being ready is said twice
PROGRESS_SECONDS=30       # between two reports of progress
CONTAINER_SECONDS=40      # a container that does not start within it is left to the engine's own start to show
PORT_SECONDS=75           # the kernel keeps a port for a minute after the last connection to it

# What the other nodes are told: the functions travel in srun's arguments with what they need to know.
NODE_VARIABLES=(
  VSO_VENV VSO_RUNTIME VSO_MOUNTS IMAGE CONTAINED CONTAINER_SECONDS
  VSO_ENGINE_TYPE VSO_ENGINE VSO_ENGINE_ENVIRONMENT VSO_MODEL VSO_SERVED_NAMES VSO_HF_TOKEN_FILE
  VSO_API_KEY_FILE VSO_NODES VSO_GPUS_PER_NODE VSO_DATA_PARALLEL VSO_LAUNCHER VSO_RENDEZVOUS_SECONDS
  NODE_VARIABLES NODE_FUNCTIONS ENGINE_PY HUB_PY PEER_PY OWN_NAME ADDRESS PORT PEER_PORTS TRY HOST_ADDRESS INTERFACE
)
NODE_FUNCTIONS=(
  node_program say node_name own_address read_secrets engine_words rank_environment run_node run_rank find_own_interface
  open_lifeline guard tell_guard be_a_child signal_session session_pids end_session has_ended nap hear
  runs_in_image container_program container_words mounted_paths is_mounted enter_container
  hold_link check_node check_inside first_fault container_fault outer_fault inner_fault say_inner_fault
  secret_fault gpu_fault visible_gpus engine_fault engine_program engine_python launcher_fault
  cache_fault model_fault model_is_cached hub_fault peer_fault engine_variable hub_cache is_on_hub tell_stuck unwakeable
)

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
RENDEZVOUS_SIGNS=('RendezvousTimeoutError' 'Timed out after [0-9]+ seconds waiting for clients')

main() {
  local supervisor quiet request
  cd / || exit 65 # Python looks for modules in the working directory: it shall be nobody's
  exec {LOG_COPY}>&1
  coproc supervisor
  supervisor=$! quiet=${COPROC[0]-} GATE=${COPROC[1]-}
  trap '' PIPE
  for ((request = 0; request < ${#REQUESTS}; request++)); do printf %s "${REQUESTS:request:1}" >&"$GATE"; done 2>/dev/null
  # Not by wait: a child that ends as a signal interrupts that has no exit code any more.
  until has_ended "$supervisor"; do read -r -t 0.2 <&"$quiet"; done 2>/dev/null
  trap '' USR1 TERM
  wait "$supervisor"
  exit
}

# Everything else, in a child that no signal reaches: it hears of them through its standard input. Programs may inherit
# that from it, so whoever waits for one ends it by KILL too. QUIET never says anything: to wait for it is to sleep
# without a process.
supervisor() {
  trap '' USR1 TERM
  exec {GATE}<&0 {QUIET}<>/dev/fd/1 </dev/null >&"$LOG_COPY" {LOG_COPY}>&-
  OWN_PID=$BASHPID # $$ stays that of the batch shell
  DRAIN_ASKED='' ENGINE='' WATCH='' HOLDER='' PORT='' READY='' LINKS='' LINK_WATCH='' LINK_KEY='' SILENT=''
  RANK_ENDED='' TOLD='' UNHEARD='' RETRY_AT=0 READY_AGAIN_AT='' API_KEY='' PEER_PORTS=() TRY=0 HOST_ADDRESS='' INTERFACE=''
  STEP_BEGINS=() STEP_OPTIONS=() ANSWERED=0
  IMAGE=$VSO_IMAGE PART='' CONTAINED=''
  OWN_NAME=vllm-slurm--job-$SLURM_JOB_ID
  LOG=/proc/$$/fd/1 # not /proc/self: inside a pipe that would be the pipe
  LOG_FROM=1
  unset SLURM_JWT # submitting needs it, serving does not
  export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
  [ -n "${HOME:-}" ] || { unset HOME; HOME=~; export HOME; } # Slurm may not have found the user's environment
  open_lifeline
  raise_file_limit
  report phase=starting
  prepare_runtime
  ADDRESS=$(own_address)
  [ -n "$ADDRESS" ] || finish 65 no-address
  fetch_image
  [ -z "$VSO_API_KEY_FILE" ] || IFS= read -r API_KEY <"$VSO_API_KEY_FILE"
  if [ "$VSO_NODES" -gt 1 ] && command -v python3 >/dev/null; then LINK_KEY=$(od -An -N16 -tx8 /dev/urandom | tr -d ' '); fi
  export LINK_KEY # never an argument, which everybody on a node can read
  local offset=$((SLURM_JOB_ID * 4)) # neither a stale engine of an older job nor a neighbour's choice is met
  for ((TRY = 0; TRY < 10 && TRY <= VSO_PORT_HIGH - VSO_PORT_LOW; TRY++)); do
    choose_ports_patiently "$offset" || break
    [ "$TRY" -gt 0 ] || preflight
    start_engine
    report "phase=$([ "$VSO_NODES" = 1 ] && echo loading || echo rendezvous)"
    supervise
    end_engine 10 # it comes back only when a port was somebody else's
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
  if engine_has_ended; then
    end_watch
    code_of_engine
    local engine_code=$? class
    class=$(class_of_failed_start "$engine_code")
    [ "$class" != 66 ] || return
    if [ "$class" = 65 ] && has_logged "${RENDEZVOUS_SIGNS[@]}"; then finish_or_blame 65 rendezvous-timeout; fi
    finish_or_blame "$class" "$(why_it_ended "$engine_code")"
  fi
  wait "$WATCH"
  case $? in
    0) ;;
    66) return ;;
    *) finish_or_blame 70 "no-answer-in-$VSO_START_SECONDS-seconds" ;;
  esac

  READY=1 READY_AGAIN_AT=$((SECONDS + READY_AGAIN_SECONDS))
  report "phase=ready|after=$SECONDS"
  watch_for_hang &
  WATCH=$!
  tell_guard
  wait_for_end_of_either
  ask_nodes
  local i
  for ((i = 0; i < 5; i++)); do # a dying engine stops answering first
    if engine_has_ended; then
      code_of_engine
      finish_or_blame 68 "$(why_it_ended "$?")"
    fi
    ! runs_in_steps || follow_log
    pause 1
  done
  finish_or_blame 69 no-token
}

wait_for_end_of_either() {
  until engine_has_ended || has_ended "$WATCH"; do
    [ -z "$DRAIN_ASKED" ] || drain
    if [ -n "$UNHEARD" ] && [ "$SECONDS" -ge "$RETRY_AT" ]; then tell "$UNHEARD"; fi
    if [ -n "$READY_AGAIN_AT" ] && [ "$SECONDS" -ge "$READY_AGAIN_AT" ]; then READY_AGAIN_AT='' && tell "$TOLD"; fi
    if [ -z "$READY" ] || runs_in_steps; then follow_log; fi
    hear_links
    nap
  done
}

# Out of every route first, then what runs may end, then the engine is asked to go.
drain() {
  end_watch
  close_links
  if [ -n "$READY" ]; then
    report phase=draining
    pause "$VSO_DRAIN_GRACE_SECONDS"
    local deadline=$((SECONDS + VSO_DRAIN_SECONDS))
    while [ "$SECONDS" -lt "$deadline" ] && ! has_ended "$ENGINE" && [ "$(running_requests)" != 0 ]; do pause 1; done
  fi
  end_engine 15
  finish 0 drained
}

# Whose fault it is, where several nodes may have one: a lost node comes before everything it takes down with it.
finish_or_blame() { # CODE WHY
  local lost='' stuck='' word node
  if [ "$VSO_NODES" -gt 1 ] && [ "$1" -ge 65 ]; then
    ask_nodes
    until read -r -t 0 <&"$SILENT"; do # a link that ends tells sooner
      hear_links
      nap
    done
    while read -r word node; do
      if [ "$word" = lost ]; then lost+=,$node; else stuck+=,$node; fi
    done <&"$SILENT"
    [ -z "$lost" ] || finish 67 "lost:${lost#,}"
    if [ -n "$stuck" ] && [ "$1" = 69 ]; then finish 69 "stuck:${stuck#,}"; fi
  fi
  finish "$1" "$2"
}

finish() { # CODE WHY
  end_watch
  close_links
  report "phase=$([ "$1" = 0 ] && echo ended || echo failed)|class=$(class_word "$1")|code=$1|why=$2"
  # Of several nodes one may never answer: Slurm ends what is left when this script ends, and a successor need not wait.
  end_engine $((VSO_NODES > 1 && $1 >= 65 ? 0 : 5))
  [ -z "$UNHEARD" ] || tell "$UNHEARD"
  discard_part
  release_ports
  exit "$1"
}

cancelled() {
  GATE=$QUIET # whatever else is asked for
  say cancelled
  end_watch
  close_links
  end_engine 2
  discard_part
  release_ports
  exit 143
}

CLASS_WORDS=(
  [0]=none [64]=config [65]=start [66]=port [67]=node [68]=died [69]=hang [70]=slow
  [71]=gpu [72]=cache [73]=model [74]=engine [75]=peer [76]=denied
  [77]=runtime [78]=image
)
class_word() { echo "${CLASS_WORDS[$1]:-start}"; }

# Of several ranks the first to end tells: what follows are echoes.
why_it_ended() { # EXIT_CODE of the engine, or of srun
  local first
  first=$(runs_in_steps && logged | grep -m1 -oE 'node=[^ ]+ rank=[0-9]+ ended unasked, exit [0-9]+')
  if [[ $first =~ ^node=([^ ]+).*exit\ ([0-9]+)$ ]]; then
    echo "engine-exit-${BASH_REMATCH[2]}:${BASH_REMATCH[1]}"
  else
    echo "engine-exit-$1"
  fi
}

class_of_failed_start() { # EXIT_CODE of the engine
  case $1 in 126 | 127) echo 64 && return ;; esac
  if has_logged "${CONFIG_SIGNS[@]}"; then echo 64; elif has_logged "${PORT_SIGNS[@]}"; then echo 66; else echo 65; fi
}

has_logged() { grep -qE "${@/#/-e}" < <(logged); } # no pipe: grep would break it
# Since the engine was started, of the job's own log, where that is a file.
logged() { [ ! -f "$LOG" ] || tail -c "+$LOG_FROM" "$LOG" | tail -c 1048576; }

ask_nodes() { # once; the answers take some seconds
  if [ "$VSO_NODES" -gt 1 ] && [ -z "$SILENT" ]; then exec {SILENT}< <(be_a_child; silent_nodes "$PEER_SECONDS"); fi
}
# Which nodes do not run a command any more, and where a process of this job is stopped or cannot be woken.
silent_nodes() { # SECONDS a node has to answer
  local node all answers
  read -ra all < <(timeout 10 scontrol show hostnames "$SLURM_JOB_NODELIST" | tr '\n' ' ')
  answers=$(for node in "${all[@]}"; do ask_node "$node" "$1" & done; wait)
  # The first of them runs this: where none at all can be asked, it is not the nodes' fault.
  if [ "$(grep -c ^lost <<<"$answers")" -lt "${#all[@]}" ]; then sort <<<"$answers" | grep . ; fi
}
ask_node() { # NODE SECONDS
  local answer session
  session=$(logged | grep -oE "node=$1 rank=[0-9]+ session=[0-9]+" | tail -n 1)
  if answer=$(timeout -k 1 "$2" srun --export=ALL --overlap --mpi=none --mem=0 --nodes=1 --ntasks=1 --nodelist="$1" \
    bash -c "$(node_program)" tell_stuck "${session##*=}" 2>/dev/null </dev/null); then
    [ -z "$answer" ] || echo "stuck $1"
  else
    echo "lost $1"
  fi
}
tell_stuck() { # SESSION of the rank: everybody waits for a disk at times; only who still does a second later is stuck
  local first
  first=$(unwakeable "$1")
  [ -n "$first" ] || return 0
  sleep 1
  if grep -qxF "$first" < <(unwakeable "$1"); then echo stuck; fi
}
unwakeable() { # SESSION: its processes that are stopped or beyond any signal
  local pid line
  for pid in $(session_pids "${1:-none}"); do
    { read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
    [[ ${line##*) } != [TD]* ]] || echo "$pid"
  done
}

# ---------------------------------------------------------------------------------------------- watchdogs
# Each runs beside the supervisor and ends with a verdict: /health proves nothing, a token does.

await_first_token() {
  be_a_child
  local foreign=0 models
  while [ "$SECONDS" -lt "$VSO_START_SECONDS" ]; do
    if models=$(ask 5 GET /v1/models); then
      if [[ $models == *"\"$OWN_NAME\""* ]]; then
        if token_comes 60; then exit 0; fi
      else
        foreign=$((foreign + 1)) # two engines may bind one port; the later one is deaf and does not know
        [ "$foreign" -lt 5 ] || exit 66
      fi
    fi
    pause 1
  done
  exit 70
}

# Tokens that come out are proof enough. An engine that stands still is asked for one: at once when it should be at
# work, else when the canary is due.
watch_for_hang() {
  be_a_child
  local before now busy bad=0 due left looked=$SECONDS earlier
  read -r before _ <<<"$(engine_counters)"
  due=$((SECONDS + VSO_CANARY_PERIOD_SECONDS))
  while :; do
    left=$((due - SECONDS))
    pause $((bad > 0 ? 1 : left > VSO_PROBE_PERIOD_SECONDS ? VSO_PROBE_PERIOD_SECONDS : left > 1 ? left : 1))
    earlier=$looked looked=$SECONDS
    read -r now busy <<<"$(engine_counters)"
    if [ -n "$now" ] && [ "$now" != "$before" ]; then
      # The last token came at some time since the look before, perhaps right after it.
      before=$now bad=0 due=$((earlier + VSO_CANARY_PERIOD_SECONDS))
      continue
    fi
    if [ "$bad" = 0 ] && [ "$busy" = 0 ] && [ "$SECONDS" -lt "$due" ]; then continue; fi
    if token_comes "$VSO_CANARY_TIMEOUT_SECONDS"; then
      read -r before _ <<<"$(engine_counters)"
      bad=0 due=$((SECONDS + VSO_CANARY_PERIOD_SECONDS))
      continue
    fi
    bad=$((bad + 1))
    say "no token within $VSO_CANARY_TIMEOUT_SECONDS s, $bad of $VSO_PROBE_FAILURES"
    [ "$bad" -lt "$VSO_PROBE_FAILURES" ] || exit 69
  done
}

# A model that only embeds refuses to complete; what does not answer in time is not asked twice.
token_comes() { # SECONDS
  ask "$1" POST /v1/completions "{\"model\":\"$OWN_NAME\",\"prompt\":\"a\",\"max_tokens\":1}" >/dev/null
  case $? in
    0) ;;
    1) ask "$1" POST /v1/embeddings "{\"model\":\"$OWN_NAME\",\"input\":\"a\"}" >/dev/null ;;
    *) return 1 ;;
  esac
}

# Tokens and steps so far, and requests in the engine; nothing when it does not say.
engine_counters() {
  ask 3 GET /metrics | awk '
    /^vllm:(generation_tokens_total|iteration_tokens_total_count)[{ ]/ {progress += $NF; found = 1}
    /^vllm:num_requests_(running|waiting)[{ ]/ {busy += $NF}
    END {if (found) printf "%.0f %.0f\n", progress, busy}'
}
running_requests() {
  local busy
  read -r _ busy <<<"$(engine_counters)"
  echo "${busy:-}"
}

# The body of an answer that is 200 and comes in time; curl need not be there.
ask() { # SECONDS METHOD PATH [BODY]
  # The key goes by the environment, which nobody else can read.
  ASK_KEY=$API_KEY timeout -k 1 "$1" bash -c "$(declare -f connect exchange); exchange \"\$@\"" \
    ask "$ADDRESS" "$PORT" "$2" "$3" "${4:-}" 2>/dev/null
}
connect() { exec 3<>"/dev/tcp/$1/$2"; } # ADDRESS PORT
exchange() { # ADDRESS PORT METHOD PATH BODY
  local status line
  connect "$1" "$2" || exit 1
  printf '%s %s HTTP/1.0\r\nHost: %s:%s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s' \
    "$3" "$4" "$1" "$2" "${ASK_KEY:+Authorization: Bearer $ASK_KEY$'\r\n'}" "${#5}" "$5" >&3
  read -r _ status _ <&3
  [ "$status" = 200 ] || exit 1
  while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
  head -c 1048576 <&3
}

# What the log says meanwhile: how far a start has come, by vLLM's own words, and that a rank has ended. srun may take
# a minute to notice that, waiting for an agent that waits for a peer.
follow_log() {
  local size phase shards ended order=(rendezvous loading compiling warming) i
  if [ ! -f "$LOG" ] || [ "$SECONDS" -lt "$LOOK_AT" ]; then return; fi
  LOOK_AT=$((SECONDS + 2)) size=$(stat -Lc %s "$LOG")
  [ "$size" -ge "$READ_FROM" ] || return
  read -r phase shards ended < <(tail -c "+$READ_FROM" "$LOG" | head -c 1048576 | tr '\r' '\n' | awk '
    BEGIN {phase = shards = "-"}
    /Starting to load model/ {phase = "loading"}
    match($0, /checkpoint shards:.*Completed \| [0-9]+\/[0-9]+/) {
      phase = "loading"; shards = substr($0, RSTART, RLENGTH); sub(/.* /, "", shards)
    }
    /Dynamo bytecode transform|Compiling a graph/ {phase = "compiling"}
    /KV cache size: |Capturing CUDA graphs|init engine \(profile/ {phase = "warming"}
    /^serve: .* node=[^ ]+ rank=[0-9]+ ended unasked, / {ended = 1}
    END {print phase, shards, ended}')
  READ_FROM=$((size + 1)) RANK_ENDED=$ended
  if [ -n "$READY" ] || [ -n "$ended" ]; then return; fi
  for i in "${!order[@]}"; do
    if [ "${order[i]}" != "$phase" ] || [ "$i" -lt "$COME_TO" ]; then continue; fi
    if [ "$i" -eq "$COME_TO" ] && { [ "$shards" = - ] || [ "$SECONDS" -lt "$PROGRESS_AT" ]; }; then continue; fi
    COME_TO=$i PROGRESS_AT=$((SECONDS + PROGRESS_SECONDS))
    if [ "$phase" = loading ] && [ "$shards" != - ]; then report "phase=$phase|shards=$shards"; else report "phase=$phase"; fi
  done
}

# ---------------------------------------------------------------------------------------------- links
# A node whose processes are all gone tells nobody: srun waits a minute for what it may still have to say, and an engine
# without work does not miss it. So a task on each other node holds a connection to the first, which its kernel closes.
# That alone is no verdict: a node is lost when it also runs no command and has not linked itself again within
# LINK_SECONDS. Silence is no verdict either, for a network may come back: then it is tokens that count.
open_links() {
  close_links
  [ -n "$LINK_KEY" ] || return 0
  exec {LINKS}< <(watch_links)
  LINK_WATCH=$!
}
close_links() {
  [ -z "$LINK_WATCH" ] || kill -KILL "$LINK_WATCH" 2>/dev/null
  [ -z "$LINKS" ] || exec {LINKS}<&-
  LINKS='' LINK_WATCH=''
}
hear_links() {
  local lost
  while [ -n "$LINKS" ] && read -r -t 0 <&"$LINKS"; do
    if read -r lost <&"$LINKS"; then finish 67 "lost:$lost"; fi
    exec {LINKS}<&- # nobody watches them any more
    LINKS=''
  done
}

# Ends with the names of nodes that are lost. Asked more than once: a node that is shut down in order runs commands for
# some seconds yet, and where no node at all can be asked that says nothing of one.
watch_links() {
  be_a_child
  local own=$BASHPID links word node gone=' ' asked silent lost=''
  exec {links}< <(exec python3 -c "$LINK_PY" "$own" "$OWN_PID" "$ADDRESS" "${PEER_PORTS[3]}" "$VSO_NODES" 2>/dev/null)
  while read -r word node <&"$links"; do
    note_link
    for ((asked = 0; asked < 3; asked++)); do
      [ "$gone" != ' ' ] || continue 2
      [ "$asked" = 0 ] || pause "$LINK_SECONDS"
      silent=$(silent_nodes "$LINK_SECONDS" | awk '$1 == "lost" {printf " %s ", $2}')
      while read -r -t 0 <&"$links" && read -r word node <&"$links"; do note_link; done
      for node in $gone; do [[ $silent != *" $node "* ]] || lost+=,$node; done
      [ -z "$lost" ] || { echo "${lost#,}"; return; }
    done
    say "without a link, and not found lost:${gone% }; the job goes on"
  done
  say 'links are heard no more: that a node is lost will be told by tokens that do not come'
}
note_link() { # of watch_links
  if [ "$word" = ended ]; then
    gone+="$node "
    say "node=$node: its link has ended; asking whether it still runs commands"
  elif [[ $gone == *" $node "* ]]; then
    gone=${gone/" $node "/ }
    say "node=$node has linked itself again"
  else
    say "node=$node is linked"
  fi
}

# On each other node, for as long as the task lives that Slurm has started there.
hold_link() {
  local task=$$ link
  trap - TERM
  trap '' PIPE
  until has_ended "$task"; do
    if { exec {link}<>"/dev/tcp/$ADDRESS/${PEER_PORTS[3]}"; }; then
      printf '%s %s\n' "$LINK_KEY" "$(node_name)" >&"$link"
      until has_ended "$task"; do
        read -r -N 1 -t 1 <&"$link"
        [ $? -gt 128 ] || break # the first node has closed it
      done
      exec {link}>&-
    fi
    sleep 1
  done
} </dev/null >/dev/null 2>&1

# Says `linked NODE` and `ended NODE`. Who connects is a stranger until he has said the key, and of strangers few may wait.
LINK_PY='
import hmac, os, selectors, socket, sys
parent, supervisor, port, nodes = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4]), int(sys.argv[5])
key = os.environ["LINK_KEY"].encode()
listener = socket.socket(socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[3], port))
listener.listen(nodes + 16)
listener.setblocking(False)
ready = selectors.DefaultSelector()
ready.register(listener, selectors.EVENT_READ)
strangers, links = {}, {}

def close(one):
    ready.unregister(one)
    one.close()

def welcome():
    one = listener.accept()[0]
    one.setblocking(False)
    ready.register(one, selectors.EVENT_READ)
    strangers[one] = b""
    if len(strangers) > nodes + 16:
        oldest = next(iter(strangers))
        del strangers[oldest]
        close(oldest)

def hear(one):
    try:
        piece = one.recv(256)
    except BlockingIOError:
        return
    except OSError:
        piece = b""
    if one in links:
        if not piece:
            node = links.pop(one)
            close(one)
            if node not in links.values():
                print("ended", node, flush=True)
        return
    said = strangers[one] + piece
    if piece and b"\n" not in said and len(said) < 256:
        strangers[one] = said
        return
    del strangers[one]
    word, _, node = said.partition(b"\n")[0].partition(b" ")
    if hmac.compare_digest(word, key):
        links[one] = node.decode()
        print("linked", links[one], flush=True)
    else:
        close(one)

while os.getppid() == parent and os.path.exists("/proc/%d" % supervisor):
    for event, _ in ready.select(2):
        one = event.fileobj
        if one.fileno() < 0:
            continue
        try:
            welcome() if one is listener else hear(one)
        except OSError:
            pass
'

# ---------------------------------------------------------------------------------------------- the engine
# Pyxis is a part of srun: what runs in its container is a step of its own, of one node too.
runs_in_steps() { [ "$VSO_NODES" -gt 1 ] || [ "$VSO_RUNTIME" = pyxis ]; }
run_step() { # [srun's OPTION…] COMMAND…: one task a node
  exec "${STEP_BEGINS[@]}" srun --export=ALL --mpi=none --nodes="$VSO_NODES" --ntasks="$VSO_NODES" --ntasks-per-node=1 \
    ${SLURM_CPUS_PER_TASK:+"--cpus-per-task=$SLURM_CPUS_PER_TASK"} --cpu-bind=none "$@"
}

# One node: the engine itself, in a session of its own. Several: srun, whose tasks do the same on each of them.
start_engine() {
  [ ! -f "$LOG" ] || LOG_FROM=$(($(stat -Lc %s "$LOG") + 1))
  RANK_ENDED='' READ_FROM=$LOG_FROM LOOK_AT=$SECONDS PROGRESS_AT=0 COME_TO=$((VSO_NODES == 1))
  open_links
  (
    be_a_child
    exec {QUIET}>&-
    [ -z "${PORTS:-}" ] || exec {PORTS}<&-
    [ -z "$LINKS" ] || exec {LINKS}<&-
    if runs_in_steps; then
      enter_step
      STEP_BEGINS=(setsid)
      run_step --kill-on-bad-exit=1 --wait=60 "${STEP_OPTIONS[@]}" bash -c "$(node_program)" run_node
    fi
    engine_words 0
    rank_environment
    read_secrets
    container_words
    # A session of its own: a killed API server leaves its engine and workers behind, and this is how they are found.
    # A container shares the host's processes and sessions, so its engine is found no less.
    exec setsid "${CONTAINER[@]}" env "${ENVIRONMENT[@]}" "${WORDS[@]}"
  ) </dev/null &
  ENGINE=$!
  tell_guard
}

end_engine() { # SECONDS it has to end by itself
  [ -n "$ENGINE" ] || return 0
  if runs_in_steps; then # srun would not pass a signal on, it would kill
    timeout -k 1 5 scancel --signal=TERM "$SLURM_JOB_ID" >/dev/null 2>&1 &
    wait_hearing $!
    local deadline=$((SECONDS + $1))
    while [ "$SECONDS" -lt "$deadline" ] && ! has_ended "$ENGINE"; do nap; done
  fi
  end_session "$1"
  WATCH='' ENGINE=''
  tell_guard
}

end_session() { # SECONDS its processes have to end by themselves
  local deadline=$((SECONDS + $1))
  signal_session TERM "$ENGINE"
  while [ "$SECONDS" -lt "$deadline" ] && [ -n "$(session_pids "$ENGINE")" ]; do nap; done
  signal_session KILL "$ENGINE"
  wait "$ENGINE" 2>/dev/null
}

# ---------------------------------------------------------------------------------------------- on each node
node_program() {
  printf 'set -uo pipefail\n'
  declare -p "${NODE_VARIABLES[@]}"
  declare -f "${NODE_FUNCTIONS[@]}"
  # shellcheck disable=SC2016 # the node's shell expands it
  printf '"$0" "$@"\n'
}

# One task a node. The rank is Slurm's number of the node, never torchrun's, which sorts by name.
run_node() {
  cd / || exit 65
  if [ -n "$LINK_KEY" ] && [ "$SLURM_NODEID" != 0 ]; then hold_link & fi
  unset LINK_KEY # it is for nobody else
  find_own_interface
  say "node=$(node_name) rank=$SLURM_NODEID address=$HOST_ADDRESS interface=${INTERFACE:-?}"
  rank_environment
  [ "$VSO_NODES" -gt 1 ] || run_rank
  case $VSO_LAUNCHER in
    native) run_rank ;;
    torchrun)
      enter_container
      exec "${CONTAINER[@]}" env "${ENVIRONMENT[@]}" torchrun --nnodes="$VSO_NODES" --nproc-per-node=1 \
        --rdzv-backend=c10d --rdzv-endpoint="$ADDRESS:${PEER_PORTS[1]}" --rdzv-id="$SLURM_JOB_ID.$TRY" \
        --local-addr="$HOST_ADDRESS" --rdzv-conf="timeout=$VSO_RENDEZVOUS_SECONDS,join_timeout=$VSO_RENDEZVOUS_SECONDS" \
        --max-restarts=0 --monitor-interval=1 --no-python bash -c "$(node_program)" run_rank
      ;;
    ray)
      read_secrets # of Ray's processes the engine's workers inherit
      enter_container
      local gpus=()
      [ "$VSO_GPUS_PER_NODE" = 0 ] || gpus=(--num-gpus "$VSO_GPUS_PER_NODE")
      exec "${CONTAINER[@]}" env "${ENVIRONMENT[@]}" ray symmetric-run --address "$ADDRESS:${PEER_PORTS[1]}" \
        --min-nodes "$VSO_NODES" "${gpus[@]}" -- bash -c "$(node_program)" run_rank
      ;;
  esac
}

# This node's part of the engine, and its end: an engine that ends unasked has failed, whatever it says itself, and
# takes everything with it that it left behind.
run_rank() {
  local rank=$SLURM_NODEID node name code
  # What torchrun leaves behind would make even the first rank a client of a store that is not vLLM's.
  for name in $(compgen -v TORCHELASTIC_) RANK LOCAL_RANK GROUP_RANK ROLE_RANK ROLE_NAME WORLD_SIZE LOCAL_WORLD_SIZE \
    GROUP_WORLD_SIZE ROLE_WORLD_SIZE MASTER_ADDR MASTER_PORT; do unset "$name"; done
  STOP='' ENGINE='' WATCH='' node=$(node_name)
  exec {QUIET}<> <(:)
  GATE=$QUIET # a rank is asked by signals, and runs no `$(…)` while it traps them
  open_lifeline
  trap 'STOP=1' TERM INT
  (
    be_a_child
    exec {QUIET}>&-
    trap - TERM INT
    engine_words "$rank"
    rank_environment
    read_secrets
    container_words
    exec setsid "${CONTAINER[@]}" env "${ENVIRONMENT[@]}" "${WORDS[@]}"
  ) </dev/null &
  ENGINE=$!
  tell_guard
  say "node=$node rank=$rank session=$ENGINE"
  while [ -z "$STOP" ] && ! has_ended "$ENGINE"; do nap; done
  [ -n "$STOP" ] || nap # who stops a job stops the engine in the same moment
  trap '' TERM INT
  if [ -n "$STOP" ]; then
    end_session 10
    say "node=$node rank=$rank stopped on request"
    exit 0
  fi
  wait "$ENGINE"
  code=$?
  signal_session KILL "$ENGINE"
  say "node=$node rank=$rank ended unasked, exit $code"
  exit $((code == 0 ? 68 : code))
}

# argv of one rank. All flags but its own place are the same everywhere.
engine_words() { # RANK
  local local_copies=$((VSO_DATA_PARALLEL / VSO_NODES))
  WORDS=("${VSO_ENGINE[@]}" --served-model-name "${VSO_SERVED_NAMES[@]}" "$OWN_NAME")
  if [ "$VSO_NODES" -gt 1 ]; then
    if [ "$VSO_LAUNCHER" = ray ]; then
      WORDS+=(--distributed-executor-backend ray)
    elif [ "$VSO_DATA_PARALLEL" -gt 1 ]; then
      WORDS+=(--data-parallel-size-local "$local_copies" --data-parallel-address "$ADDRESS")
      WORDS+=(--data-parallel-rpc-port "${PEER_PORTS[2]}")
      [ "$1" = 0 ] || WORDS+=(--data-parallel-start-rank $(($1 * local_copies)))
    else
      WORDS+=(--nnodes "$VSO_NODES" --node-rank "$1" --master-addr "$ADDRESS" --master-port "${PEER_PORTS[0]}")
    fi
  fi
  if [ "$1" = 0 ]; then WORDS+=(--host "$ADDRESS" --port "$PORT"); else WORDS+=(--headless); fi
}

# `NAME=value` each, for env(1): a variable of the user's may be called as one of ours. Later ones win.
rank_environment() {
  local fabric
  ENVIRONMENT=()
  # The home directory is there in a container too, with packages somebody installed for another Python.
  ! runs_in_image || ENVIRONMENT+=(PYTHONNOUSERSITE=1)
  if [ "$VSO_NODES" -gt 1 ]; then
    fabric=$(engine_variable NCCL_SOCKET_IFNAME)
    # vLLM would look for its address by the route to the internet, which a compute node need not have.
    ENVIRONMENT+=("VLLM_HOST_IP=$HOST_ADDRESS")
    if [ -z "$fabric" ] && [ -n "$INTERFACE" ]; then ENVIRONMENT+=("NCCL_SOCKET_IFNAME==$INTERFACE"); fi
    [ ! -e "/sys/class/net/${fabric#=}" ] || [ -z "$fabric" ] || INTERFACE=${fabric#=}
    if [ -z "$(engine_variable GLOO_SOCKET_IFNAME)" ] && [ -n "$INTERFACE" ]; then
      ENVIRONMENT+=("GLOO_SOCKET_IFNAME=$INTERFACE")
    fi
  fi
  ENVIRONMENT+=(${VSO_ENGINE_ENVIRONMENT[@]+"${VSO_ENGINE_ENVIRONMENT[@]}"})
}

engine_variable() { # NAME: as the engine will have it
  local pair value=${!1-}
  for pair in ${VSO_ENGINE_ENVIRONMENT[@]+"${VSO_ENGINE_ENVIRONMENT[@]}"}; do
    if [ "${pair%%=*}" = "$1" ]; then value=${pair#*=}; fi
  done
  echo "$value"
}

# Into the environment of this shell, which becomes the engine: in no argv, in no log.
read_secrets() {
  [ -z "$CONTAINED" ] || return 0 # read before the container began, which need not see their files
  unset VLLM_API_KEY # of a login shell: the endpoint would refuse everybody
  [ -z "$VSO_API_KEY_FILE" ] || export VLLM_API_KEY
  [ -z "$VSO_HF_TOKEN_FILE" ] || export HF_TOKEN
  # A last line without its end is read all the same, and `read` calls that a failure.
  [ -z "$VSO_API_KEY_FILE" ] || IFS= read -r VLLM_API_KEY <"$VSO_API_KEY_FILE" || true
  [ -z "$VSO_HF_TOKEN_FILE" ] || IFS= read -r HF_TOKEN <"$VSO_HF_TOKEN_FILE" || true
}

# ---------------------------------------------------------------------------------------------- containers
runs_in_image() { [ "$VSO_RUNTIME" = apptainer ] || [ "$VSO_RUNTIME" = pyxis ]; }
container_program() { type -P apptainer || type -P singularity; }

# What to put before a command that shall run in the image, into CONTAINER: nothing without one, or inside already. The
# environment comes along, secrets in it; the engine's own is set inside, where the image would override it.
container_words() {
  local mount
  CONTAINER=()
  if [ "$VSO_RUNTIME" != apptainer ] || [ -n "$CONTAINED" ]; then return 0; fi
  CONTAINER=("$(container_program)" exec)
  if [ "$VSO_GPUS_PER_NODE" = 0 ]; then
    :
  elif [ -z "$(type -P nvidia-smi)" ] && [ -d /sys/class/kfd/kfd/topology/nodes ]; then
    CONTAINER+=(--rocm)
  else
    CONTAINER+=(--nv)
  fi
  while IFS= read -r mount; do CONTAINER+=(--bind "$mount"); done < <(mounted_paths)
  for mount in "${VSO_MOUNTS[@]}"; do CONTAINER+=(--bind "$mount"); done # last, so that they count
  CONTAINER+=("$IMAGE")
}

# From here on this is what runs inside.
enter_container() {
  container_words
  if [ "${#CONTAINER[@]}" = 0 ]; then return 0; fi
  read_secrets
  CONTAINED=1
}

# The same by Pyxis, whose container srun makes: what a step in the image is to be told, into STEP_OPTIONS. The
# environment comes along here too, but for what the image has by the same name.
enter_step() {
  local mount mounts=''
  STEP_OPTIONS=()
  [ "$VSO_RUNTIME" = pyxis ] || return 0
  while IFS= read -r mount; do mounts+=,$mount:$mount; done < <(mounted_paths)
  for mount in "${VSO_MOUNTS[@]}"; do
    [[ $mount == *:* ]] || mount=$mount:$mount
    mounts+=,$mount
  done
  STEP_OPTIONS=("--container-image=$IMAGE" --container-workdir=/ --no-container-entrypoint)
  [ -z "$mounts" ] || STEP_OPTIONS+=("--container-mounts=${mounts#,}")
  read_secrets
  CONTAINED=1
}

# The model and its cache, where this node has them and no mount of the user's stands in their place. A snapshot of a
# hub cache is links into the folder of its repository.
mounted_paths() {
  local path
  {
    is_on_hub || echo "${VSO_MODEL%%/snapshots/*}"
    engine_variable HF_HOME
    hub_cache
  } | awk '/^\// && !/[,:"\\]/ && !seen[$0]++' | while IFS= read -r path; do
    if [ -e "$path" ] && ! is_mounted "$path"; then echo "$path"; fi
  done
}
is_mounted() { # PATH
  local mount target
  for mount in "${VSO_MOUNTS[@]}"; do
    target=${mount#*:}
    if [[ $1/ == "${target%/}"/* ]]; then return 0; fi
  done
  return 1
}

# The address this node has on the way to the first one, and whose interface that is.
find_own_interface() {
  local route
  route=$(ip route get "$ADDRESS" 2>/dev/null)
  HOST_ADDRESS=''
  if [[ $route =~ [[:space:]]src[[:space:]]+([^[:space:]]+) ]]; then HOST_ADDRESS=${BASH_REMATCH[1]}; fi
  [ -n "$HOST_ADDRESS" ] || HOST_ADDRESS=$(own_address)
  INTERFACE=$(ip -o address show to "$HOST_ADDRESS" 2>/dev/null | awk '{print $2; exit}')
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

# Should this shell be killed without a chance to clean up, the pipe breaks and the guard ends the engine.
open_lifeline() {
  exec {LIFELINE}> >(exec setsid bash -c "$(declare -f guard signal_session session_pids); guard" guard)
}
guard() {
  local line session='' watch=''
  trap '' TERM INT HUP USR1
  while read -r line; do read -r session watch <<<"$line"; done
  [ -z "$watch" ] || kill -KILL "$watch" 2>/dev/null
  [ -z "$session" ] || signal_session KILL "$session"
}
tell_guard() { echo "$ENGINE $WATCH" >&"$LIFELINE"; }
be_a_child() { # only the supervisor keeps the pipe open and hears requests; a child ends when it is told to
  trap - TERM
  GATE=$QUIET
  exec {LIFELINE}>&-
}

# By KILL: until it has become a child it ignores TERM, as its parent does.
end_watch() {
  [ -n "$WATCH" ] || return 0
  kill -KILL "$WATCH" 2>/dev/null
  wait "$WATCH" 2>/dev/null # or bash tells the log that it was killed
  WATCH=''
}

# Of several ranks one is enough.
engine_has_ended() { [ -n "$RANK_ENDED" ] || has_ended "$ENGINE"; }
code_of_engine() { # not for a subshell: nobody else can wait for it
  if has_ended "$ENGINE"; then wait "$ENGINE"; else return 1; fi
}
has_ended() { ! kill -0 "$1" 2>/dev/null; }
nap() { # [SECONDS]
  read -r -t "${1:-0.4}" <&"$QUIET"
  hear
}
hear() { # only what is there already: a byte that comes as the time is up would be lost
  local request
  while read -r -t 0 <&"$GATE"; do
    read -r -N 1 request <&"$GATE" || request=c # the batch shell was killed
    if [ "$request" = c ]; then cancelled; else DRAIN_ASKED=1; fi
  done
}
wait_hearing() { # PID
  until has_ended "$1"; do nap 0.05; done
  wait "$1"
}
pause() { # SECONDS, a little less at most
  local deadline=$((SECONDS + $1))
  while [ "$SECONDS" -lt "$deadline" ]; do nap; done
}

# ---------------------------------------------------------------------------------------------- before it starts
prepare_runtime() {
  local module name
  if [ "${#VSO_MODULES[@]}" -gt 0 ]; then
    set +u # their functions are not ours
    find_module_command || finish 64 no-module-command
    for module in "${VSO_MODULES[@]}"; do module load "$module" || finish 64 "module-load-failed"; done
    set -u
  fi
  if runs_in_image; then
    # The host's Python is not the image's, and of the container's options some would hide from us what runs in it.
    unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
    for name in CLEANENV CONTAIN CONTAINALL PID NET NETWORK; do unset "APPTAINER_$name" "SINGULARITY_$name"; done
    # The image may have another home directory, and another word for where the cache is.
    ! is_on_hub || VSO_ENGINE_ENVIRONMENT=("HF_HUB_CACHE=$(hub_cache)" "${VSO_ENGINE_ENVIRONMENT[@]}")
    if [ "$VSO_RUNTIME" = pyxis ] && lacks_pyxis; then finish 77 pyxis-missing; fi
  fi
  [ -z "$VSO_VENV" ] || activate
}

lacks_pyxis() { # an srun that does not answer in time lacks nothing that is known
  timeout -k 1 10 srun --container-image=none --help >/dev/null
  case $? in 0 | 124 | 137) return 1 ;; esac
}

# An environment of conda's has no bin/activate of its own, and packages in it that want to be told.
activate() {
  local script
  export PATH="$VSO_VENV/bin:$PATH"
  unset PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
  if [ ! -d "$VSO_VENV/conda-meta" ]; then
    export VIRTUAL_ENV="$VSO_VENV"
    return
  fi
  export CONDA_PREFIX="$VSO_VENV"
  set +u
  for script in "$VSO_VENV"/etc/conda/activate.d/*.sh; do
    # shellcheck disable=SC1090
    [ ! -r "$script" ] || . "$script"
  done
  set -u
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

# An image of a registry becomes a file beside the model cache, once: each node runs that, and nobody converts it again.
# Whole or not at all, so that two jobs may do it side by side.
fetch_image() {
  local folder key program code
  if [ "$VSO_RUNTIME" != apptainer ] || [[ $VSO_IMAGE != *://* ]]; then return 0; fi
  folder=$(engine_variable HF_HOME)
  if [ -z "$folder" ] || is_mounted "$folder"; then folder=$HOME/.cache; fi
  read -r key _ < <(sha256sum <<<"$VSO_IMAGE")
  folder+=/vllm-slurm-images IMAGE=$folder/${key:0:32}.sif
  [ ! -r "$IMAGE" ] || return 0
  program=$(container_program)
  [ -n "$program" ] || finish 77 runtime-missing
  mkdir -p "$folder" || finish 78 image-not-fetched
  PART=$IMAGE.$SLURM_JOB_ID
  say "fetching $VSO_IMAGE into $IMAGE"
  (
    be_a_child
    exec {QUIET}>&-
    exec setsid "$program" pull "$PART" "$VSO_IMAGE"
  ) </dev/null &
  ENGINE=$!
  tell_guard
  until has_ended "$ENGINE" || [ "$SECONDS" -ge "$VSO_START_SECONDS" ]; do
    [ -z "$DRAIN_ASKED" ] || drain
    nap
  done
  has_ended "$ENGINE" || finish 70 "no-image-in-$VSO_START_SECONDS-seconds"
  wait "$ENGINE"
  code=$?
  ENGINE=''
  tell_guard
  if [ "$code" != 0 ] || ! mv "$PART" "$IMAGE"; then finish 78 image-not-fetched; fi
  PART=''
}

discard_part() { [ -z "$PART" ] || rm -f "$PART"; }

raise_file_limit() {
  local want=65536 hard
  hard=$(ulimit -Hn)
  if [ "$hard" != unlimited ] && [ "$hard" -lt "$want" ]; then want=$hard; fi
  [ "$(ulimit -Sn)" = unlimited ] || [ "$(ulimit -Sn)" -ge "$want" ] || ulimit -Sn "$want"
}

# The address Slurm has for this node, which is where others look for it; else that of its name.
own_address() {
  local node name=$HOSTNAME
  node=$(timeout -k 1 10 scontrol show node "$(node_name)" 2>/dev/null)
  if [[ $node =~ NodeAddr=([^[:space:]]+) ]]; then name=${BASH_REMATCH[1]}; fi
  if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then
    echo "$name"
  else # Debian's /etc/hosts calls the own name 127.0.1.1, where nobody else arrives
    getent ahostsv4 "$name" | awk '$1 !~ /^127\./ {print $1; found = 1; exit} {last = $1} END {if (!found) print last}'
  fi
}
node_name() { echo "${SLURMD_NODENAME:-$HOSTNAME}"; }

# ---------------------------------------------------------------------------------------------- preflight
# What would cost minutes of loading to find out, or die without a word that names the node. A node answers with a line
# `NODE CODE WORD`; it finds out itself, so that the cause survives where nobody can read the log.
preflight() {
  ask_all "$((SECONDS + PREFLIGHT_SECONDS))" check_node
  [ "$VSO_RUNTIME" = pyxis ] || return 0
  # srun fetches the image here, where nobody has it yet.
  ask_all "$VSO_START_SECONDS" check_inside
  if [ "$ANSWERED" -lt "$VSO_NODES" ] && [ "$SECONDS" -lt "$VSO_START_SECONDS" ]; then finish 78 image-unusable; fi
}
ask_all() { # DEADLINE FUNCTION: on each node; ends the script for what they found
  local line='' piece answers=() status
  exec {ANSWERS}< <(
    be_a_child
    if [ "$2" = check_inside ]; then enter_step; elif [ "$VSO_NODES" = 1 ]; then "$2"; exit; fi
    run_step "${STEP_OPTIONS[@]}" bash -c "$(node_program)" "$2" </dev/null
  )
  local asked=$!
  while [ "$SECONDS" -lt "$1" ]; do
    read -r -t 0.4 -u "$ANSWERS" piece
    status=$?
    line+=$piece # the time may be up in the middle of a line
    if [ "$status" = 0 ]; then answers+=("$line") line=''; elif [ "$status" -le 128 ]; then break; fi
    hear
    [ -z "$DRAIN_ASKED" ] || drain
  done
  kill "$asked" 2>/dev/null
  exec {ANSWERS}<&-
  local node code word worst='' worst_word='' nodes=''
  while read -r code word node; do # in the order of their codes, node by node
    [ -n "$worst" ] || worst=$code worst_word=$word
    [ "$code" != "$worst" ] || nodes+=,$node
  done < <(printf '%s\n' "${answers[@]}" | awk '$2 ~ /^[67][0-9]$/ {print $2, $3, $1}' | sort)
  [ -z "$worst" ] || finish "$worst" "$worst_word:${nodes#,}"
  ANSWERED=${#answers[@]}
  [ "$ANSWERED" = "$VSO_NODES" ] || finish_if_lost
}
finish_if_lost() {
  local lost
  say "only some nodes answered before the start"
  lost=$(be_a_child; silent_nodes "$PEER_SECONDS" | awk '$1 == "lost" {printf ",%s", $2}')
  [ -z "$lost" ] || finish 67 "lost:${lost#,}"
}

check_node() {
  local fault
  fault=$(first_fault)
  echo "$(node_name) ${fault:-0 ok}"
}
check_inside() {
  local fault
  fault=$(inner_fault)
  echo "$(node_name) ${fault:-0 ok}"
}
# Each says `CODE WORD` and succeeds, or has found nothing. The nodes meet first: a node that has found something else
# would keep the others waiting.
first_fault() {
  peer_fault || secret_fault || gpu_fault || case $VSO_RUNTIME in
    apptainer) container_fault ;;
    pyxis) outer_fault ;;
    *) inner_fault ;;
  esac
}
inner_fault() { engine_fault || launcher_fault || cache_fault || model_fault || hub_fault; }

# What a container is made of, as the node has it.
outer_fault() {
  local mount missing='' cache
  for mount in "${VSO_MOUNTS[@]}"; do [ -e "${mount%%:*}" ] || missing=${mount%%:*}; done
  if [[ $IMAGE == /* ]] && { [ ! -r "$IMAGE" ] || { [ -d "$IMAGE" ] && [ ! -x "$IMAGE" ]; }; }; then
    say "node=$(node_name) cannot read $IMAGE"
    echo 78 image-missing
  elif [ -n "$missing" ]; then
    say "node=$(node_name) has no $missing to mount"
    echo 78 mount-missing
  else
    cache=$(hub_cache)
    ! is_mounted "$cache" && cache_fault # made here: what is not there cannot be mounted
  fi
}

# What the engine will see is asked inside.
container_fault() {
  local program answer
  program=$(container_program)
  if [ -z "$program" ]; then
    say "node=$(node_name) has neither apptainer nor singularity"
    echo 77 runtime-missing
    return 0
  fi
  ! outer_fault || return 0
  answer=$(
    enter_container
    timeout -k 1 "$CONTAINER_SECONDS" "${CONTAINER[@]}" bash -c "$(node_program)" say_inner_fault </dev/null
    [ $? != 124 ] || echo 0 late
  )
  answer=${answer##*$'\n'}
  case $answer in
    '0 '*) return 1 ;;
    [67][0-9]' '*) echo "$answer" ;;
    *)
      say "node=$(node_name) gets no container with bash of $IMAGE by $program"
      echo 78 image-unusable
      ;;
  esac
}
say_inner_fault() { inner_fault || echo 0 ok; }

secret_fault() {
  local file
  for file in "$VSO_HF_TOKEN_FILE" "$VSO_API_KEY_FILE"; do
    if [ -n "$file" ] && [ ! -r "$file" ]; then
      say "node=$(node_name) cannot read $file"
      echo 64 secret-unreadable
      return 0
    fi
  done
  return 1
}

gpu_fault() {
  local found
  if [ "$VSO_ENGINE_TYPE" != vllm ] || [ "$VSO_GPUS_PER_NODE" = 0 ]; then return 1; fi
  found=$(visible_gpus)
  if [ -z "$found" ] || [ "$found" -ge "$VSO_GPUS_PER_NODE" ]; then return 1; fi
  say "node=$(node_name) sees $found of $VSO_GPUS_PER_NODE GPUs"
  echo 71 gpu-missing
}
visible_gpus() { # nothing where it cannot be told
  if [ -n "$(type -P nvidia-smi)" ]; then
    timeout 10 nvidia-smi -L 2>/dev/null | awk '/^GPU /{gpus++} / MIG /{parts++} END {print parts ? parts : gpus + 0}'
  elif [ -d /sys/class/kfd/kfd/topology/nodes ]; then
    cat /sys/class/kfd/kfd/topology/nodes/*/gpu_id 2>/dev/null | grep -vcx 0
  fi
}

engine_fault() {
  local program python version missing=engine-missing
  [ -z "$CONTAINED" ] || missing=engine-not-in-image
  program=$(engine_program "${VSO_ENGINE[0]}")
  [ "$VSO_ENGINE_TYPE" != vllm ] || python=$(engine_python "$program")
  if [ -z "$program" ] || { [ -n "$VSO_VENV" ] && [ ! -x "$VSO_VENV/bin/python" ]; }; then
    say "node=$(node_name) has no ${VSO_ENGINE[0]}${VSO_VENV:+ in $VSO_VENV}${CONTAINED:+ in $IMAGE}"
    echo 74 "$missing"
  elif [ -z "${python:-}" ]; then
    return 1
  elif ! version=$(rank_environment && env "${ENVIRONMENT[@]}" timeout 20 "$python" -c "$ENGINE_PY" vllm 2>/dev/null); then
    say "node=$(node_name) has no module vllm for $python${CONTAINED:+ in $IMAGE}"
    echo 74 "$missing"
  elif [[ $version =~ ^0\.([0-9]+)\. && ${BASH_REMATCH[1]} -lt 15 && $version != *dev* ]]; then
    say "node=$(node_name) has vLLM $version, and it takes 0.15 or later"
    echo 74 engine-too-old
  else
    say "node=$(node_name) vLLM $version"
    return 1
  fi
}
engine_program() { # NAME: where the engine's PATH has it
  (PATH=$(engine_variable PATH) && type -P "$1")
}
engine_python() { # PROGRAM: the Python it runs in, if it says so in its first line
  local first
  if [ -n "$VSO_VENV" ]; then
    echo "$VSO_VENV/bin/python"
  elif { IFS= read -r first <"$1"; } 2>/dev/null && [[ $first =~ ^#!\ *(/[^ ]*python[0-9.]*) ]]; then
    echo "${BASH_REMATCH[1]}"
  fi
}

launcher_fault() {
  if [ "$VSO_NODES" = 1 ] || [ "$VSO_LAUNCHER" = native ] || [ -n "$(engine_program "$VSO_LAUNCHER")" ]; then return 1; fi
  say "node=$(node_name) has no $VSO_LAUNCHER"
  echo 74 launcher-missing
}

is_on_hub() { [[ $VSO_MODEL != /* ]]; }
hub_cache() {
  local cache older home xdg user
  cache=$(engine_variable HF_HUB_CACHE) older=$(engine_variable HUGGINGFACE_HUB_CACHE) home=$(engine_variable HF_HOME)
  xdg=$(engine_variable XDG_CACHE_HOME) user=$(engine_variable HOME)
  echo "${cache:-${older:-${home:-${xdg:-$user/.cache}/huggingface}/hub}}"
}
model_is_cached() { [ -e "$(hub_cache)/models--${VSO_MODEL//\//--}/snapshots" ]; }

cache_fault() {
  local cache probe
  if [ "$VSO_ENGINE_TYPE" != vllm ] || [ "$(engine_variable HF_HUB_OFFLINE)" = 1 ]; then return 1; fi
  is_on_hub || [[ " ${VSO_ENGINE_ENVIRONMENT[*]-}" == *' HF_HOME='* ]] || return 1
  cache=$(hub_cache)
  if mkdir -p "$cache" && probe=$(mktemp "$cache/.write-test-XXXXXX") && echo x >"$probe" && rm "$probe"; then return 1; fi
  say "node=$(node_name) cannot write to $cache"
  echo 72 cache-not-writable
}

model_fault() {
  [ "$VSO_ENGINE_TYPE" = vllm ] || return 1
  if is_on_hub; then
    if [ "$(engine_variable HF_HUB_OFFLINE)" != 1 ] || model_is_cached; then return 1; fi
    say "node=$(node_name) has no $VSO_MODEL in $(hub_cache)"
    echo 73 model-not-cached
  else
    if [ -r "$VSO_MODEL" ] && { [ ! -d "$VSO_MODEL" ] || [ -x "$VSO_MODEL" ]; }; then return 1; fi
    say "node=$(node_name) cannot read $VSO_MODEL"
    echo 73 model-missing
  fi
}

# The first node asks for all: a token is the same everywhere.
hub_fault() {
  local python
  if [ "$VSO_ENGINE_TYPE" != vllm ] || ! is_on_hub || [ "${SLURM_NODEID:-0}" != 0 ]; then return 1; fi
  if [ "$(engine_variable HF_HUB_OFFLINE)" = 1 ] || model_is_cached; then return 1; fi
  python=$(engine_python "$(engine_program "${VSO_ENGINE[0]}")")
  (
    read_secrets
    rank_environment
    exec env "${ENVIRONMENT[@]}" timeout 10 "${python:-python3}" -c "$HUB_PY" "$VSO_MODEL" 2>/dev/null
  )
}

peer_fault() {
  if [ "$VSO_NODES" = 1 ] || [ -z "$(type -P python3)" ]; then return 1; fi
  if timeout 25 python3 -c "$PEER_PY" "$SLURM_NODEID" "$VSO_NODES" "$ADDRESS" "${PEER_PORTS[0]}" 2>/dev/null; then
    return 1
  fi
  [ "$SLURM_NODEID" != 0 ] || return 1 # whom somebody could not reach: that node says so itself
  say "node=$(node_name) cannot reach $ADDRESS:${PEER_PORTS[0]}"
  echo 75 peer-unreachable
}

# Importing vLLM takes half a minute, finding it none.
ENGINE_PY='
import importlib.metadata, importlib.util, sys
if importlib.util.find_spec(sys.argv[1]) is None:
    sys.exit(1)
try:
    print(importlib.metadata.version(sys.argv[1]))
except importlib.metadata.PackageNotFoundError:
    print("unknown")
'
# Only a clear no is a fault: a hub that is slow or away is for vLLM to find out, which may have a mirror. Redirects
# lead to other hosts, to which no token goes.
HUB_PY='
import os, sys, urllib.error, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
address = os.environ.get("HF_ENDPOINT", "https://huggingface.co") + "/" + sys.argv[1] + "/resolve/main/config.json"
request = urllib.request.Request(address, method="HEAD")
if os.environ.get("HF_TOKEN"):
    request.add_header("Authorization", "Bearer " + os.environ["HF_TOKEN"])
try:
    urllib.request.build_opener(Stay).open(request, timeout=5)
except urllib.error.HTTPError as error:
    missing = error.headers.get("X-Error-Code") == "RepoNotFound"
    if error.code in (401, 403) or missing:
        print("73 model-not-on-hub" if missing else "76 hub-denied")
        sys.exit(0)
except Exception:
    pass
sys.exit(1)
'
# The first node listens, beside the holder of the port, until all others have come.
PEER_PY='
import socket, sys, time
rank, nodes, port = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
deadline = time.monotonic() + 20
if rank == 0:
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[3] else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((sys.argv[3], port))
        listener.listen(nodes)
        come = set()
        while len(come) < nodes - 1:
            listener.settimeout(max(0.1, deadline - time.monotonic()))
            with listener.accept()[0] as peer:
                peer.settimeout(2)
                come.add(peer.recv(8))
                peer.sendall(b"ok")
else:
    while True:
        try:
            with socket.create_connection((sys.argv[3], port), timeout=3) as head:
                head.sendall(b"%d" % rank)
                if head.recv(2) == b"ok":
                    break
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(1)
        time.sleep(0.2)
'

# ---------------------------------------------------------------------------------------------- the ports
# Held from the choice to the end of the job. The first bind is exclusive, so it fails if anybody at all has the port;
# only then SO_REUSEADDR is set, which lets the engine bind the same port beside it. It ends with its parent.
HOLDER_PY='
import os, socket, sys, time
parent, *groups = (int(word) for word in sys.argv[1:])
held = []
while groups:
    low, high, offset, count, *groups = groups
    for i in range(high - low + 1):
        one = socket.socket()
        try:
            one.bind(("", low + (offset + i) % (high - low + 1)))
        except OSError:
            continue
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.append(one)
        count -= 1
        if count == 0:
            break
    else:
        sys.exit(print("none", low))
print(*(one.getsockname()[1] for one in held), flush=True)
sys.stdout.close()
while os.getppid() == parent:
    time.sleep(2)
'
# Where one port is all there is, its last owner may be gone and connections of his not yet: those end by themselves.
choose_ports_patiently() { # OFFSET
  local deadline=$((SECONDS + PORT_SECONDS)) said=''
  until choose_ports "$1"; do
    if [ $? != 2 ] || [ "$VSO_PORT_LOW" != "$VSO_PORT_HIGH" ] || [ "$SECONDS" -ge "$deadline" ]; then return 1; fi
    ! is_listened_to "$VSO_PORT_LOW" || return 1
    [ -n "$said" ] || say "port $VSO_PORT_LOW is not free yet, though nobody listens there: waiting up to $PORT_SECONDS s"
    said=1
    nap 1
    [ -z "$DRAIN_ASKED" ] || drain
  done
}
is_listened_to() { # PORT: local address and state 0A, proc_pid_net(5)
  local files=(/proc/net/tcp)
  [ ! -r /proc/net/tcp6 ] || files+=(/proc/net/tcp6)
  awk -v port=":$(printf %04X "$1")$" '$2 ~ port && $4 == "0A" {found = 1; exit} END {exit !found}' "${files[@]}"
}
# Fails with 2 where no port to answer at could be had, with 1 where another.
choose_ports() { # OFFSET into the ranges to begin at
  local words groups=("$VSO_PORT_LOW" "$VSO_PORT_HIGH" "$1" 1)
  [ "$VSO_NODES" = 1 ] || groups+=("$VSO_RENDEZVOUS_PORT_LOW" "$VSO_RENDEZVOUS_PORT_HIGH" $(($1 + 1)) 4)
  release_ports
  PORT=''
  if command -v python3 >/dev/null; then
    [ -z "${PORTS:-}" ] || exec {PORTS}<&-
    exec {PORTS}< <(be_a_child; exec python3 -c "$HOLDER_PY" "$OWN_PID" "${groups[@]}" 2>/dev/null)
    HOLDER=$!
    read -ra words <&"$PORTS"
    if [ "${words[0]:-}" = none ]; then
      [ "${words[1]}" != "$VSO_PORT_LOW" ] || return 2
      return 1
    fi
    PORT=${words[0]:-} PEER_PORTS=("${words[@]:1}")
  fi
  [ -n "$PORT" ] || choose_quiet_ports "$1"
}
release_ports() {
  [ -z "$HOLDER" ] || kill "$HOLDER" 2>/dev/null
  HOLDER=''
}

# Without Python there is no vLLM, whose late listening is what the holder is for: another engine listens as it binds,
# and says so when somebody was quicker.
choose_quiet_ports() { # OFFSET
  PEER_PORTS=()
  PORT=$(quiet_port "$VSO_PORT_LOW" "$VSO_PORT_HIGH" "$1") || return 1
  while [ "$VSO_NODES" -gt 1 ] && [ "${#PEER_PORTS[@]}" -lt 4 ]; do
    PEER_PORTS+=("$(quiet_port "$VSO_RENDEZVOUS_PORT_LOW" "$VSO_RENDEZVOUS_PORT_HIGH" "$1")") || return 1
  done
}
quiet_port() { # LOW HIGH OFFSET
  local i port size=$(($2 - $1 + 1))
  for ((i = 0; i < size; i++)); do
    port=$(($1 + ($3 + i) % size))
    [[ " $PORT ${PEER_PORTS[*]} " != *" $port "* ]] || continue
    if ! timeout -k 1 5 bash -c "$(declare -f connect); connect \"\$@\"" connect "$ADDRESS" "$port" 2>/dev/null; then
      echo "$port"
      return 0
    fi
  done
  return 1
}

# ---------------------------------------------------------------------------------------------- speaking
say() { TZ=UTC0 printf 'serve: %(%FT%TZ)T %s\n' -1 "$*" >&2; }

report() { # FIELDS
  local port=${PORT:+|port=$PORT}
  say "$1"
  tell "${1%%|*}|node=${SLURMD_NODENAME:-}$port${1#"${1%%|*}"}"
}

# Kept and told again until Slurm has heard it: the newest report counts, and the comment is all the operator sees.
tell() { # REPORT
  TOLD=$1 UNHEARD=$1 RETRY_AT=$((SECONDS + 5))
  timeout -k 1 10 scontrol update "jobid=$SLURM_JOB_ID" "comment=$VSO_MARKER|$1" >/dev/null 2>&1 &
  if wait_hearing $!; then UNHEARD=''; fi
}

main
