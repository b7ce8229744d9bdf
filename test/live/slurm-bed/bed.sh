#!/usr/bin/env bash
# bed.sh COMMAND - a real SLURM cluster on this one machine: a controller and several node daemons told apart by
# name and port (`slurmd -N`), an own munge daemon, and if wanted slurmdbd on an own MariaDB. No systemd, no cgroups.
# Everything lives in BED_DIR and listens on 127.0.0.1; `down` ends what `up` and the jobs started. Root on Debian.
#
#   up                bring the bed up and wait until every node is idle
#   down              end all jobs and daemons; the directory stays, for its logs
#   status            print what sinfo and squeue say
#   install           only install what is missing
#   ctld-stop         stop the controller in good order, its state saved (ctld-kill: as a crash would)
#   ctld-start        start it again
#   ctld-freeze       it accepts connections but never answers (ctld-thaw: it goes on)
#   dbd-stop, dbd-start          accounting goes away and comes back
#   node-down NODE, node-up NODE an administrator's `scontrol update`
#
# Environment of `up`, kept for the other commands in BED_DIR/settings:
#   BED_DIR            required; empty or absent before `up`
#   BED_NODES=4        node001, node002, ...: 16 CPUs and 64 GB each, as far as SLURM believes
#   BED_GPUS=4         fake GPUs a node (twins of /dev/null); 0: none
#   BED_ACCOUNTING=0   1: slurmdbd, account `ml`, users root and nobody, QOS `tiny` (one job a user)
#   BED_MIN_JOB_AGE=300  seconds an ended job stays on record
#   BED_MESSAGE_TIMEOUT=10  seconds until a client gives up on a silent controller
#   BED_OWNER          a process whose end, however it comes, brings the bed down and removes BED_DIR
#   BED_PORT           first of BED_NODES + 3 ports; default: a free block below the ephemeral range
set -euo pipefail

die() {
  echo "bed.sh: $*" >&2
  exit 1
}

BED_DIR=${BED_DIR:?where the bed lives}
settings=$BED_DIR/settings
export SLURM_CONF=$BED_DIR/etc/slurm.conf

load_settings() {
  [ -r "$settings" ] || die "no bed in $BED_DIR"
  # shellcheck source=/dev/null
  . "$settings"
}

node_names() { seq -f 'node%03g' 1 "$BED_NODES"; }

# retry SECONDS COMMAND...: until it succeeds
retry() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

pid_of() { cat "$BED_DIR/pids/$1" 2>/dev/null; }
is_alive() { kill -0 "$1" 2>/dev/null && [ "$(ps -o state= -p "$1" 2>/dev/null)" != Z ]; }
is_gone() { ! is_alive "$1"; }

# end_daemon NAME: by its pid file; politely, then not
end_daemon() {
  local pid
  pid=$(pid_of "$1") || return 0
  kill -CONT "$pid" 2>/dev/null || true
  kill -TERM "$pid" 2>/dev/null || true
  retry 15 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
  retry 5 is_gone "$pid" || die "$1 ($pid) does not end"
  rm -f "$BED_DIR/pids/$1"
}

missing_packages() {
  local want=(munge:munged slurmctld:slurmctld slurmd:slurmd slurm-client:squeue) pair
  if [ "${BED_ACCOUNTING:-0}" = 1 ]; then
    want+=(slurmdbd:slurmdbd mariadb-server-core:mariadbd mariadb-client-core:mariadb)
  fi
  for pair in "${want[@]}"; do
    command -v "${pair#*:}" >/dev/null || echo "${pair%:*}"
  done
  compgen -G '/usr/lib/*/slurm*/select_cons_tres.so' >/dev/null || echo slurm-wlm-basic-plugins
  if [ "${BED_ACCOUNTING:-0}" = 1 ]; then
    compgen -G '/usr/lib/*/slurm*/accounting_storage_mysql.so' >/dev/null || echo slurm-wlm-mysql-plugin
  fi
}

# The packages would start system-wide daemons of their own; a policy of 101 tells invoke-rc.d to leave that.
install_missing() {
  local packages policy=/usr/sbin/policy-rc.d
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" -gt 0 ] || return 0
  if [ ! -e "$policy" ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  export DEBIAN_FRONTEND=noninteractive
  {
    apt-get -q update
    apt-get -q install -y --no-install-recommends "${packages[@]}"
  } >&2
}

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_block() {
  local first port
  for first in $(shuf -i 20000-31900 -n 50); do
    for port in $(seq "$first" $((first + BED_NODES + 2))); do
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
  cat >"$BED_DIR/etc/slurm.conf" <<CONF
ClusterName=bed
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$BED_DIR/run/munge.socket
StateSaveLocation=$BED_DIR/state
SlurmdSpoolDir=$BED_DIR/spool/%n
SlurmctldLogFile=$BED_DIR/log/slurmctld.log
SlurmdLogFile=$BED_DIR/log/slurmd-%n.log
SlurmctldPidFile=$BED_DIR/pids/slurmctld
SlurmdPidFile=$BED_DIR/pids/slurmd-%n
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=5
ReturnToService=1
MessageTimeout=$BED_MESSAGE_TIMEOUT
SlurmdTimeout=20
KillWait=3
MinJobAge=$BED_MIN_JOB_AGE
DefMemPerNode=1000
CONF
  if [ "$BED_GPUS" -gt 0 ]; then
    echo 'GresTypes=gpu' >>"$BED_DIR/etc/slurm.conf"
    echo "NodeName=node[001-$(printf %03d "$BED_NODES")] Name=gpu File=$BED_DIR/dev/gpu[0-$((BED_GPUS - 1))]" >"$BED_DIR/etc/gres.conf"
  fi
  {
    echo "NodeName=node[001-$(printf %03d "$BED_NODES")] NodeHostname=$host NodeAddr=127.0.0.1" \
      "Port=[$((port + 1))-$((port + BED_NODES))] CPUs=16 RealMemory=64000$([ "$BED_GPUS" -eq 0 ] || echo " Gres=gpu:$BED_GPUS")"
    echo 'PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP'
    echo 'PartitionName=short Nodes=ALL MaxTime=00:10:00 State=UP'
  } >>"$BED_DIR/etc/slurm.conf"
  [ "$BED_ACCOUNTING" = 1 ] || return 0
  cat >>"$BED_DIR/etc/slurm.conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePass=$BED_DIR/run/munge.socket
AccountingStoragePort=$((port + BED_NODES + 1))
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
CONF
  cat >"$BED_DIR/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$BED_DIR/run/munge.socket
DbdHost=localhost
DbdPort=$((port + BED_NODES + 1))
SlurmUser=root
LogFile=$BED_DIR/log/slurmdbd.log
PidFile=$BED_DIR/pids/slurmdbd
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + BED_NODES + 2))
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
CONF
  chmod 600 "$BED_DIR/etc/slurmdbd.conf"
}

start_munge() {
  dd if=/dev/urandom of="$BED_DIR/munge/key" bs=1024 count=1 status=none
  chmod 400 "$BED_DIR/munge/key"
  munged --force --key-file="$BED_DIR/munge/key" --socket="$BED_DIR/run/munge.socket" --pid-file="$BED_DIR/pids/munged" \
    --log-file="$BED_DIR/munge/log" --seed-file="$BED_DIR/munge/seed" 2>>"$BED_DIR/log/munged.err"
}

sql() { mariadb --socket="$BED_DIR/mysql.socket" --user=root --batch "$@"; }

start_database() {
  mariadb-install-db --no-defaults --user=root --datadir="$BED_DIR/mysql" --auth-root-authentication-method=normal \
    --skip-test-db >"$BED_DIR/log/mariadb-install.log" 2>&1
  mariadbd --no-defaults --user=root --datadir="$BED_DIR/mysql" --socket="$BED_DIR/mysql.socket" \
    --port=$((BED_PORT + BED_NODES + 2)) --bind-address=127.0.0.1 --pid-file="$BED_DIR/pids/mariadbd" \
    --innodb-lock-wait-timeout=900 --innodb-buffer-pool-size=64M --log-error="$BED_DIR/log/mariadb.log" </dev/null >/dev/null 2>&1 &
  disown
  retry 60 sql --execute='select 1' >/dev/null 2>&1 || die 'MariaDB does not come up'
  sql --execute="create user slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
}

start_dbd() {
  SLURM_CONF=$BED_DIR/etc/slurmdbd.conf slurmdbd
  retry 60 is_listening $((BED_PORT + BED_NODES + 1)) || die 'slurmdbd does not come up'
}

add_accounts() {
  retry 30 sacctmgr --immediate --quiet add cluster bed >/dev/null 2>&1 || die 'sacctmgr: no cluster'
  sacctmgr --immediate --quiet add account ml Cluster=bed >/dev/null
  sacctmgr --immediate --quiet add qos tiny MaxSubmitJobsPerUser=1 >/dev/null
  sacctmgr --immediate --quiet add user root,nobody Account=ml DefaultAccount=ml QOS=normal,tiny >/dev/null
}

start_controller() {
  slurmctld
  retry 30 pid_of slurmctld >/dev/null || die 'slurmctld writes no pid'
  retry 30 answers || die 'slurmctld does not answer'
}
answers() { timeout 15 scontrol ping 2>/dev/null | grep -q 'is UP'; }

start_nodes() {
  local node
  for node in $(node_names); do
    mkdir -p "$BED_DIR/spool/$node"
    slurmd -N "$node"
  done
  retry 60 all_idle || die 'not every node became idle'
}
all_idle() { [ "$(timeout 15 sinfo -h -N -p gpu -t idle -o %N | sort -u | wc -l)" = "$BED_NODES" ]; }

up() {
  [ ! -e "$settings" ] || die "$BED_DIR already holds a bed"
  [ "$(id -u)" = 0 ] || die 'needs root'
  BED_NODES=${BED_NODES:-4} BED_GPUS=${BED_GPUS:-4} BED_ACCOUNTING=${BED_ACCOUNTING:-0}
  BED_MIN_JOB_AGE=${BED_MIN_JOB_AGE:-300} BED_MESSAGE_TIMEOUT=${BED_MESSAGE_TIMEOUT:-10}
  install_missing
  BED_PORT=${BED_PORT:-$(free_block)}
  mkdir -p "$BED_DIR"/{etc,log,state,spool,pids,run,dev,mysql,munge}
  chmod 755 "$BED_DIR" "$BED_DIR"/{etc,run,dev}
  chmod 700 "$BED_DIR"/{munge,mysql,state}
  local name
  for name in BED_NODES BED_GPUS BED_ACCOUNTING BED_MIN_JOB_AGE BED_MESSAGE_TIMEOUT BED_PORT; do
    printf '%s=%q\n' "$name" "${!name}"
  done >"$settings"
  local i
  for i in $(seq 0 $((BED_GPUS - 1))); do mknod -m 666 "$BED_DIR/dev/gpu$i" c 1 3; done
  write_configuration
  start_munge
  if [ "$BED_ACCOUNTING" = 1 ]; then
    start_database
    start_dbd
    add_accounts
  fi
  start_controller
  start_nodes
  [ -z "${BED_OWNER:-}" ] || { outlive "$BED_OWNER" </dev/null >/dev/null 2>&1 & }
}

# outlive PID: waits for the end of that process or of the bed
outlive() {
  trap '' HUP INT TERM
  while is_alive "$1" && [ -e "$settings" ]; do sleep 1; done
  [ -e "$settings" ] || return 0
  down
  retry 10 rm -rf "$BED_DIR" # what was just killed may still be writing
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
  for name in slurmdbd mariadbd munged; do end_daemon "$name"; done
  rm -f "$settings"
}

command=${1:-}
[ -n "$command" ] || die 'which command?'
case $command in up | down | install) ;; *) load_settings ;; esac
case $command in
  up) up ;;
  down) down ;;
  install) install_missing ;;
  status)
    sinfo --all
    squeue --all --states=all
    ;;
  ctld-stop) end_daemon slurmctld ;;
  ctld-kill)
    pid=$(pid_of slurmctld)
    kill -KILL "$pid"
    retry 5 is_gone "$pid"
    rm -f "$BED_DIR/pids/slurmctld"
    ;;
  ctld-start) start_controller ;;
  ctld-freeze) kill -STOP "$(pid_of slurmctld)" ;;
  ctld-thaw) kill -CONT "$(pid_of slurmctld)" ;;
  dbd-stop) end_daemon slurmdbd ;;
  dbd-start) start_dbd ;;
  node-down) scontrol update "NodeName=${2:?which node}" State=DOWN Reason=bed ;;
  # A node that came back by itself cannot be resumed, which is as good.
  node-up) scontrol update "NodeName=${2:?which node}" State=RESUME 2>/dev/null || true ;;
  *) die "no command $command" ;;
esac
