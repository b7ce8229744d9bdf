# shellcheck shell=bash
# Sourced by the beds: what a SLURM cluster of theirs consists of, wherever its daemons run. BED_DIR is set; the first
# part of every configuration, the daemons of the controller's host, and the end of a bed whose owner is gone.
set -Eeuo pipefail
# What failed is said even where its own words go to a log.
trap 'echo "bed.sh: line $LINENO: $BASH_COMMAND: exit $?" >&2' ERR

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
  [ -z "${BED_ROOT:-}" ] || PATH=$BED_DIR/bin:$PATH
}

save_settings() { # VARIABLE...
  local name
  for name in "$@"; do printf '%s=%q\n' "$name" "${!name}"; done >"$settings"
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
is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

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

kill_daemon() { # NAME: as a crash would
  local pid
  pid=$(pid_of "$1")
  kill -KILL "$pid"
  retry 5 is_gone "$pid"
  rm -f "$BED_DIR/pids/$1"
}

# Of the daemons and of BED_PROGRAMS, PACKAGE:COMMAND each; of SLURM's own only where they are this machine's
missing_packages() {
  local want=() pair
  [ -n "${BED_ROOT:-}" ] || want+=(munge:munged slurmctld:slurmctld slurmd:slurmd slurm-client:squeue)
  if [ "${BED_ACCOUNTING:-0}" = 1 ]; then
    [ -n "${BED_ROOT:-}" ] || want+=(slurmdbd:slurmdbd)
    want+=(mariadb-server-core:mariadbd mariadb-client-core:mariadb)
  fi
  for pair in "${want[@]}" ${BED_PROGRAMS+"${BED_PROGRAMS[@]}"}; do
    command -v "${pair#*:}" >/dev/null || echo "${pair%:*}"
  done
  [ -z "${BED_ROOT:-}" ] || return 0
  if [ "${BED_REST:-0}" = 1 ]; then
    command -v slurmrestd >/dev/null || echo slurmrestd
    compgen -G '/usr/lib/*/slurm*/auth_jwt.so' >/dev/null || echo slurm-wlm-jwt-plugin
  fi
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

make_directories() {
  mkdir -p "$BED_DIR"/{etc,log,state,spool,pids,run,dev,mysql,munge}
  chmod 755 "$BED_DIR" "$BED_DIR"/{etc,run,dev}
  chmod 700 "$BED_DIR"/{munge,mysql,state}
  local i
  for i in $(seq 0 $((BED_GPUS - 1))); do mknod -m 666 "$BED_DIR/dev/gpu$i" c 1 3; done
}

# write_common_configuration CONTROLLER DBD_PORT SQL_PORT: slurm.conf without its nodes, gres.conf, slurmdbd.conf
write_common_configuration() {
  local controller=$1 dbd_port=$2 sql_port=$3
  cat >"$BED_DIR/etc/slurm.conf" <<CONF
ClusterName=bed
SlurmctldHost=$controller
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
MessageTimeout=$BED_MESSAGE_TIMEOUT
SlurmdTimeout=$BED_SLURMD_TIMEOUT
KillWait=$BED_KILL_WAIT
MinJobAge=$BED_MIN_JOB_AGE
DefMemPerNode=1000
CONF
  if [ "$BED_GPUS" -gt 0 ]; then
    echo 'GresTypes=gpu' >>"$BED_DIR/etc/slurm.conf"
    echo "NodeName=node[001-$(printf %03d "$BED_NODES")] Name=gpu File=$BED_DIR/dev/gpu[0-$((BED_GPUS - 1))]" >"$BED_DIR/etc/gres.conf"
  fi
  if [ "${BED_REST:-0}" = 1 ]; then
    dd if=/dev/urandom of="$BED_DIR/etc/jwt.key" bs=32 count=1 status=none
    chmod 600 "$BED_DIR/etc/jwt.key"
    jwt_parameters >>"$BED_DIR/etc/slurm.conf"
  fi
  [ "$BED_ACCOUNTING" = 1 ] || return 0
  cat >>"$BED_DIR/etc/slurm.conf" <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePass=$BED_DIR/run/munge.socket
AccountingStoragePort=$dbd_port
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment
CONF
  cat >"$BED_DIR/etc/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$BED_DIR/run/munge.socket
DbdHost=localhost
DbdPort=$dbd_port
SlurmUser=root
LogFile=$BED_DIR/log/slurmdbd.log
PidFile=$BED_DIR/pids/slurmdbd
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$sql_port
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
CONF
  [ "${BED_REST:-0}" = 0 ] || jwt_parameters >>"$BED_DIR/etc/slurmdbd.conf"
  chmod 600 "$BED_DIR/etc/slurmdbd.conf"
}

jwt_parameters() { printf 'AuthAltTypes=auth/jwt\nAuthAltParameters=jwt_key=%s\n' "$BED_DIR/etc/jwt.key"; }

# It refuses to be root or SLURM's own user, and is nobody; who it acts for is in each call's token. On the socket
# another one acts for whoever runs it, which is nobody, too.
start_rest() { # PORT
  setsid setpriv --reuid=nobody --regid=nogroup --clear-groups env --chdir=/ SLURM_JWT=daemon \
    slurmrestd -a rest_auth/jwt "127.0.0.1:$1" </dev/null >>"$BED_DIR/log/slurmrestd.log" 2>&1 &
  echo $! >"$BED_DIR/pids/slurmrestd"
  mkdir -p "$BED_DIR/rest"
  chown nobody:nogroup "$BED_DIR/rest"
  rm -f "$BED_DIR/rest/socket"
  setsid setpriv --reuid=nobody --regid=nogroup --clear-groups env --chdir=/ \
    slurmrestd -a rest_auth/local "unix:$BED_DIR/rest/socket" </dev/null >>"$BED_DIR/log/slurmrestd-local.log" 2>&1 &
  echo $! >"$BED_DIR/pids/slurmrestd-local"
  retry 30 test -S "$BED_DIR/rest/socket" || die "slurmrestd makes no socket: $(tail -5 "$BED_DIR/log/slurmrestd-local.log")"
  retry 30 is_listening "$1" || die "slurmrestd does not come up: $(tail -5 "$BED_DIR/log/slurmrestd.log")"
}

start_munge() {
  dd if=/dev/urandom of="$BED_DIR/munge/key" bs=1024 count=1 status=none
  chmod 400 "$BED_DIR/munge/key"
  munged --force --key-file="$BED_DIR/munge/key" --socket="$BED_DIR/run/munge.socket" --pid-file="$BED_DIR/pids/munged" \
    --log-file="$BED_DIR/munge/log" --seed-file="$BED_DIR/munge/seed" 2>>"$BED_DIR/log/munged.err"
}

sql() { mariadb --socket="$BED_DIR/mysql.socket" --user=root --batch "$@"; }

start_database() { # SQL_PORT
  # One that starts sweeps the temporary tables of all others out of a directory they share.
  export TMPDIR=$BED_DIR/run/sql
  mkdir -p "$TMPDIR"
  mariadb-install-db --no-defaults --user=root --datadir="$BED_DIR/mysql" --auth-root-authentication-method=normal \
    --skip-test-db >"$BED_DIR/log/mariadb-install.log" 2>&1
  mariadbd --no-defaults --user=root --datadir="$BED_DIR/mysql" --socket="$BED_DIR/mysql.socket" \
    --port="$1" --bind-address=127.0.0.1 --pid-file="$BED_DIR/pids/mariadbd" \
    --innodb-lock-wait-timeout=900 --innodb-buffer-pool-size=64M --log-error="$BED_DIR/log/mariadb.log" </dev/null >/dev/null 2>&1 &
  disown
  unset TMPDIR
  retry 60 sql --execute='select 1' >/dev/null 2>&1 || die 'MariaDB does not come up'
  sql --execute="create user slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
}

start_dbd() { # DBD_PORT
  SLURM_CONF=$BED_DIR/etc/slurmdbd.conf slurmdbd
  retry 60 is_listening "$1" || die 'slurmdbd does not come up'
}

add_accounts() { # USERS, with commas
  retry 30 sacctmgr --immediate --quiet add cluster bed >/dev/null 2>&1 || die 'sacctmgr: no cluster'
  sacctmgr --immediate --quiet add account ml Cluster=bed >/dev/null
  sacctmgr --immediate --quiet add qos tiny MaxSubmitJobsPerUser=1 >/dev/null
  sacctmgr --immediate --quiet add user "$1" Account=ml DefaultAccount=ml QOS=normal,tiny >/dev/null
}

start_controller() {
  slurmctld
  retry 30 pid_of slurmctld >/dev/null || die 'slurmctld writes no pid'
  retry 30 answers || die 'slurmctld does not answer'
}
answers() { timeout 15 scontrol ping 2>/dev/null | grep -q 'is UP'; }
all_idle() { [ "$(timeout 15 sinfo -h -N -p gpu -t idle -o %N | sort -u | wc -l)" = "$BED_NODES" ]; }

# In a session of its own: who kills a test with all that belongs to it shall not kill this.
watch_owner() { # BED_SH
  # Not behind `||`: all of that would go to the background, with whatever this shell holds open.
  if [ -n "${BED_OWNER:-}" ]; then setsid "$1" outlive "$BED_OWNER" </dev/null >/dev/null 2>&1 & fi
}

# outlive PID: waits for the end of that process or of the bed
outlive() {
  trap '' HUP INT TERM
  while is_alive "$1" && [ -e "$settings" ]; do sleep 1; done
  [ -e "$settings" ] || return 0
  down
  retry 10 rm -rf "$BED_DIR" # what was just killed may still be writing
}
