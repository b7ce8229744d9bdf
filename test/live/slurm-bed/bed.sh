#!/usr/bin/env bash
# bed.sh COMMAND - a real SLURM cluster on this one machine: a controller and several node daemons told apart by
# name and port (`slurmd -N`), an own munge daemon, and if wanted slurmdbd on an own MariaDB. No systemd, no cgroups.
# Everything lives in BED_DIR and listens on 127.0.0.1; `down` ends what `up` and the jobs started. Root on Debian.
#
#   up                bring the bed up and wait until every node is idle
#   down              end all jobs and daemons; the directory stays, for its logs
#   status            print what sinfo and squeue say
#   install           only install what is missing
#   root              only make the folder BED_VERSION's programs are in
#   ctld-stop         stop the controller in good order, its state saved (ctld-kill: as a crash would)
#   ctld-start        start it again
#   ctld-freeze       it accepts connections but never answers (ctld-thaw: it goes on)
#   dbd-stop, dbd-start          accounting goes away and comes back
#   rest-stop, rest-start        slurmrestd goes away and comes back
#   node-down NODE, node-up NODE an administrator's `scontrol update`
#
# BED_VERSION's programs may be those of another Debian (`root.sh`): BED_DIR/bin then holds one wrapper for each, which
# enters that folder in a mount namespace of its own, and so leaves no mount behind. Jobs run in there as well.
#
# Environment of `up`, kept for the other commands in BED_DIR/settings:
#   BED_DIR            required; empty or absent before `up`
#   BED_VERSION=22.05  this machine's own SLURM; 24.11 and 26.05: those of later Debian releases
#   BED_NODES=4        node001, node002, ...: 16 CPUs and 64 GB each, as far as SLURM believes
#   BED_GPUS=4         fake GPUs a node (twins of /dev/null); 0: none
#   BED_ACCOUNTING=0   1: slurmdbd, account `ml`, users root, nobody and games, QOS `tiny` (one job a user)
#   BED_REST=0         1: slurmrestd on 127.0.0.1:BED_REST_PORT (in BED_DIR/settings), with tokens (auth/jwt), and on BED_DIR/rest/socket
#   BED_MIN_JOB_AGE=300  seconds an ended job stays on record
#   BED_MESSAGE_TIMEOUT=10  seconds until a client gives up on a silent controller
#   BED_TASK_PROLOG    a program whose `export NAME=value` lines every job gets; default: none
#   BED_OWNER          a process whose end, however it comes, brings the bed down and removes BED_DIR
#   BED_PORT           first of BED_NODES + 4 ports; default: a free block below the ephemeral range
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../slurm-parts.sh
. "$(dirname "$0")/../slurm-parts.sh"
here=$(realpath "$(dirname "$0")")

# The suite that has a version; empty: this machine has it.
suite_of() {
  case $1 in
    22.05) ;;
    24.11) echo trixie ;;
    26.05) echo sid ;;
    *) die "no SLURM $1 is known here" ;;
  esac
}

root_of() { # VERSION
  local suite
  suite=$(suite_of "$1")
  [ -z "$suite" ] || echo "${XDG_CACHE_HOME:-$HOME/.cache}/vllm-slurm-operator/slurm-$suite"
}

make_root() {
  local root
  root=$(root_of "${BED_VERSION:-22.05}")
  [ -z "$root" ] || "$here/root.sh" "$(suite_of "$BED_VERSION")" "$root"
}

PROGRAMS=(munged slurmctld slurmd slurmdbd sbatch squeue scancel scontrol sinfo sacct sacctmgr srun setpriv)

# What both sides see: this bed and others beside it, the checkout, and what every process needs.
write_wrappers() {
  local shared program
  shared="$(dirname "$BED_DIR") $(realpath "$here/../../..")"
  mkdir -p "$BED_DIR/bin"
  cat >"$BED_DIR/bin/.enter" <<ENTER
#!/bin/sh
exec unshare --mount --propagation private /bin/sh -euc '
  for shared in $shared; do mkdir -p "$BED_ROOT\$shared"; mount --bind "\$shared" "$BED_ROOT\$shared"; done
  mount --rbind /dev "$BED_ROOT/dev"
  mount --bind /proc "$BED_ROOT/proc"
  mount --bind /etc/hosts "$BED_ROOT/etc/hosts"
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$BED_ROOT" "\$@"
' enter "\${0##*/}" "\$@"
ENTER
  chmod 755 "$BED_DIR/bin/.enter"
  for program in "${PROGRAMS[@]}"; do ln -s .enter "$BED_DIR/bin/$program"; done
}

free_block() {
  local first port
  for first in $(shuf -i 20000-31900 -n 50); do
    for port in $(seq "$first" $((first + BED_NODES + 3))); do
      is_listening "$port" && continue 2
    done
    echo "$first"
    return 0
  done
  die 'no free block of ports'
}

write_configuration() {
  local host port=$BED_PORT
  host=$(hostname -s)
  write_common_configuration "$host(127.0.0.1)" "$BED_DBD_PORT" "$BED_SQL_PORT"
  {
    echo "SlurmctldPort=$port"
    echo 'ReturnToService=1'
    # Later versions look for control groups even where nothing uses them.
    [ -z "$BED_ROOT" ] || echo 'CgroupPlugin=disabled' >"$BED_DIR/etc/cgroup.conf"
    [ -z "${BED_TASK_PROLOG:-}" ] || echo "TaskProlog=$BED_TASK_PROLOG"
    echo "NodeName=node[001-$(printf %03d "$BED_NODES")] NodeHostname=$host NodeAddr=127.0.0.1" \
      "Port=[$((port + 1))-$((port + BED_NODES))] CPUs=16 RealMemory=64000$([ "$BED_GPUS" -eq 0 ] || echo " Gres=gpu:$BED_GPUS")"
    echo 'PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP'
    echo 'PartitionName=short Nodes=ALL MaxTime=00:10:00 State=UP'
  } >>"$BED_DIR/etc/slurm.conf"
}

start_nodes() {
  local node
  for node in $(node_names); do
    mkdir -p "$BED_DIR/spool/$node"
    slurmd -N "$node"
  done
  retry 60 all_idle || die 'not every node became idle'
}
up() {
  [ ! -e "$settings" ] || die "$BED_DIR already holds a bed"
  [ "$(id -u)" = 0 ] || die 'needs root'
  BED_NODES=${BED_NODES:-4} BED_GPUS=${BED_GPUS:-4} BED_ACCOUNTING=${BED_ACCOUNTING:-0} BED_REST=${BED_REST:-0}
  BED_MIN_JOB_AGE=${BED_MIN_JOB_AGE:-300} BED_MESSAGE_TIMEOUT=${BED_MESSAGE_TIMEOUT:-10}
  BED_SLURMD_TIMEOUT=20 BED_KILL_WAIT=3
  BED_ROOT=$(root_of "${BED_VERSION:-22.05}")
  install_missing
  make_root
  BED_PORT=${BED_PORT:-$(free_block)}
  BED_DBD_PORT=$((BED_PORT + BED_NODES + 1)) BED_SQL_PORT=$((BED_PORT + BED_NODES + 2)) BED_REST_PORT=$((BED_PORT + BED_NODES + 3))
  make_directories
  save_settings BED_NODES BED_DBD_PORT BED_REST_PORT BED_ROOT
  if [ -n "$BED_ROOT" ]; then
    write_wrappers
    PATH=$BED_DIR/bin:$PATH
  fi
  write_configuration
  start_munge
  if [ "$BED_ACCOUNTING" = 1 ]; then
    start_database "$BED_SQL_PORT"
    start_dbd "$BED_DBD_PORT"
    add_accounts root,nobody,games
  fi
  start_controller
  start_nodes
  [ "$BED_REST" = 0 ] || start_rest "$BED_REST_PORT"
  watch_owner "$0"
}

# Processes of jobs: they carry a job id and this bed's configuration in their environment, or are a step daemon of it.
job_processes() {
  local dir
  for dir in /proc/[0-9]*; do
    { tr '\0' '\n' <"$dir/environ" | grep -qxF "SLURM_CONF=$SLURM_CONF"; } 2>/dev/null || continue
    if [ "$(cat "$dir/comm" 2>/dev/null)" = slurmstepd ] || { tr '\0' '\n' <"$dir/environ" | grep -q '^SLURM_JOB_ID='; } 2>/dev/null; then
      echo "${dir#/proc/}"
    fi
  done
}
no_job_processes() { [ -z "$(job_processes)" ]; }
nothing_queued() { [ -z "$(timeout 15 squeue -h --all -t PD,R,CG,CF,S 2>/dev/null)" ]; }

down() {
  [ -r "$settings" ] || return 0
  load_settings
  local pid name
  if pid=$(pid_of slurmctld) && is_alive "$pid"; then
    kill -CONT "$pid"
    for name in PENDING RUNNING SUSPENDED; do timeout 30 scancel --quiet --state="$name" 2>/dev/null || true; done
    retry 10 nothing_queued || true
  fi
  end_daemon slurmctld
  for name in $(node_names); do end_daemon "slurmd-$name"; done
  for pid in $(job_processes); do kill -KILL "$pid" 2>/dev/null || true; done
  retry 10 no_job_processes || die "still running: $(job_processes | tr '\n' ' ')"
  for name in slurmrestd slurmrestd-local slurmdbd mariadbd munged; do end_daemon "$name"; done
  rm -f "$settings"
}

command=${1:-}
[ -n "$command" ] || die 'which command?'
case $command in up | down | install | root) ;; *) load_settings ;; esac
case $command in
  up) up ;;
  outlive) outlive "$2" ;; # what `up` leaves behind
  down) down ;;
  install) install_missing ;;
  root) make_root ;;
  status)
    sinfo --all
    squeue --all --states=all
    ;;
  ctld-stop) end_daemon slurmctld ;;
  ctld-kill) kill_daemon slurmctld ;;
  ctld-start) start_controller ;;
  ctld-freeze) kill -STOP "$(pid_of slurmctld)" ;;
  ctld-thaw) kill -CONT "$(pid_of slurmctld)" ;;
  dbd-stop) end_daemon slurmdbd ;;
  dbd-start) start_dbd "$BED_DBD_PORT" ;;
  rest-stop) for name in slurmrestd slurmrestd-local; do end_daemon "$name"; done ;;
  rest-start) start_rest "$BED_REST_PORT" ;;
  node-down) scontrol update "NodeName=${2:?which node}" State=DOWN Reason=bed ;;
  # A node that came back by itself cannot be resumed, which is as good.
  node-up) scontrol update "NodeName=${2:?which node}" State=RESUME 2>/dev/null || true ;;
  *) die "no command $command" ;;
esac
