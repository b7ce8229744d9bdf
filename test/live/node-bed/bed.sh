#!/usr/bin/env bash
# bed.sh COMMAND - a real SLURM cluster of several hosts in this one machine. The controller and each node have
# processes, a network address and a host name of their own (namespaces on a bridge that leads nowhere else), so that a
# node can crash or lose its network, and no port is in the way of another node's. No systemd, no cgroups.
# Everything lives in BED_DIR, which is the file system all hosts share; no process outlives `down`. Root on Debian.
#
#   up                     bring the bed up and wait until every node is idle
#   down                   end everything; the directory stays, for its logs
#   install                only install what is missing
#   on HOST USER COMMAND…  run a command: HOST is `controller` or a node, USER is root, vllm or other
#   node-kill NODE         every process on it dies; its kernel still closes their connections
#   node-crash NODE        as when the power fails: not a word to anybody
#   node-start NODE        it boots; the cluster takes it back when its daemon answers
#   node-cut NODE, node-mend NODE   its cable is pulled, put back
#   signal NODE SIGNAL REGEX        to its processes whose command line matches; prints their ids
#   ctld-stop, -kill, -start, -freeze, -thaw   the controller's daemon: see ../slurm-bed
#   dbd-stop, dbd-start    accounting goes away and comes back
#
# Environment of `up`, kept for the other commands in BED_DIR/settings:
#   BED_DIR            required; empty or absent before `up`
#   BED_NODES=4        node001, node002, ...: 16 CPUs and 64 GB each, as far as SLURM believes
#   BED_GPUS=0         fake GPUs a node (twins of /dev/null)
#   BED_ACCOUNTING=0   1: slurmdbd, account `ml`, users root, vllm and other, QOS `tiny` (one job a user)
#   BED_MIN_JOB_AGE=300, BED_MESSAGE_TIMEOUT=10, BED_SLURMD_TIMEOUT=20, BED_KILL_WAIT=5   seconds, as in slurm.conf
#   BED_EXPOSE         paths, one a line, that vllm and other have to reach: a closed folder above one is replaced, on
#                      the bed's hosts, by a way through, and the path itself can be read only
#   BED_OWNER          a process whose end, however it comes, brings the bed down and removes BED_DIR
# shellcheck source-path=SCRIPTDIR source=../slurm-parts.sh
. "$(dirname "$0")/../slurm-parts.sh"

self=$(realpath "$0")
readonly self SUBNET=10.77.0 DBD_PORT=6819 SQL_PORT=3306
BED_PROGRAMS=(iproute2:ip util-linux:nsenter)

number_of() { echo $((10#${1#node})); }
address_of() { if [ "$1" = controller ]; then echo "$SUBNET.1"; else echo "$SUBNET.$((10 + $(number_of "$1")))"; fi; }

# ---------------------------------------------------------------------------------------------- hosts
# The first process of a host: its death is the host's. It takes in what lost its parent.
INIT='trap : CHLD; while :; do sleep 3600 & wait $!; done'
readonly ISOLATED=(--net --uts --ipc --mount --pid --fork --kill-child --mount-proc --propagation private)

# open_host HOST COMMAND...: the command ends in `unshare`; its child is the host
open_host() {
  local host=$1 child='' parent
  shift
  setsid "$@" bash -c "$INIT" </dev/null >/dev/null 2>&1 &
  parent=$!
  disown
  has_become_host() { child=$(awk '{print $1}' "/proc/$parent/task/$parent/children") && [ "$(cat "/proc/$child/comm")" = bash ]; }
  retry 10 has_become_host 2>/dev/null || die "no host $host"
  echo "$child" >"$BED_DIR/hosts/$host"
  inside "$host" hostname "$host"
  inside "$host" ip link set lo up
}

host_pid() { cat "$BED_DIR/hosts/$1" 2>/dev/null || die "$1 is not running"; }

# enter HOST COMMAND...: becomes the command, as root on that host, with an environment of its own
enter() {
  local pid
  pid=$(host_pid "$1")
  exec nsenter --target "$pid" --mount --net --uts --ipc --pid -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 HOME=/root BED_DIR="$BED_DIR" SLURM_CONF="$SLURM_CONF" "${@:2}"
}
inside() { (enter "$@"); }

enter_as() { # HOST USER COMMAND...
  local host=$1 user=$2 home=$BED_DIR/home/$2 identity
  case $user in root) identity=0 home=/root ;; vllm) identity=2001 ;; other) identity=2002 ;; *) die "no user $user" ;; esac
  enter "$host" env --unset=BED_DIR --chdir="$home" HOME="$home" USER="$user" LOGNAME="$user" \
    setpriv --reuid="$identity" --regid="$identity" --clear-groups "${@:3}"
}

open_controller() {
  open_host controller unshare "${ISOLATED[@]}"
  inside controller "$self" prepare-controller
}

prepare_controller() {
  ip link add br0 type bridge
  ip addr add "$SUBNET.1/24" dev br0
  ip link set br0 up
  local file
  for file in passwd group hosts; do mount --bind "$BED_DIR/etc/$file" "/etc/$file"; done
  expose
}

start_node() { # NODE
  local node=$1 port
  [ ! -e "$BED_DIR/hosts/$node" ] || die "$node is running"
  port=v$(number_of "$node")
  # In the controller's view of the file system, and on a network of its own.
  open_host "$node" nsenter --target "$(host_pid controller)" --mount --net -- unshare "${ISOLATED[@]}"
  inside controller ip link del "$port" 2>/dev/null || true
  ip link add "$port" netns "$(host_pid controller)" type veth peer name eth0 netns "$(host_pid "$node")"
  inside controller ip link set "$port" master br0 up
  inside "$node" ip addr add "$(address_of "$node")/24" dev eth0
  inside "$node" ip link set eth0 up
  inside "$node" mount -t tmpfs tmpfs /dev/shm
  mkdir -p "$BED_DIR/spool/$node"
  inside "$node" slurmd -N "$node"
}

end_host() { # HOST
  local pid
  pid=$(cat "$BED_DIR/hosts/$1" 2>/dev/null) || return 0
  kill -KILL "$pid" 2>/dev/null || true
  retry 10 is_gone "$pid" || die "$1 ($pid) does not end"
  rm -f "$BED_DIR/hosts/$1" "$BED_DIR/pids/slurmd-$1"
}

set_cable() { inside controller ip link set "v$(number_of "$1")" "$2"; } # NODE up|down

# Runs on the node itself. Not by pkill, which would find this very command.
signal_matching() { # SIGNAL REGEX
  local dir line
  for dir in /proc/[0-9]*; do
    case ${dir#/proc/} in 1 | "$$") continue ;; esac
    { line=$(tr '\0' ' ' <"$dir/cmdline"); } 2>/dev/null || continue
    [[ $line =~ $2 ]] || continue
    if kill "-$1" "${dir#/proc/}"; then echo "${dir#/proc/}"; fi
  done
}

# ---------------------------------------------------------------------------------------------- what all hosts see
write_accounts() {
  local file
  for file in passwd group; do grep -v -e '^vllm:' -e '^other:' -e '^[^:]*:[^:]*:200[12]:' "/etc/$file" >"$BED_DIR/etc/$file"; done
  {
    echo "vllm:x:2001:2001::$BED_DIR/home/vllm:/bin/bash"
    echo "other:x:2002:2002::$BED_DIR/home/other:/bin/bash"
  } >>"$BED_DIR/etc/passwd"
  printf '%s\n' vllm:x:2001: other:x:2002: >>"$BED_DIR/etc/group"
  mkdir -p "$BED_DIR"/home/{vllm,other}
  chown 2001:2001 "$BED_DIR/home/vllm"
  chown 2002:2002 "$BED_DIR/home/other"
  chmod 750 "$BED_DIR"/home/{vllm,other}
}

write_hosts() {
  local host
  echo '127.0.0.1 localhost' >"$BED_DIR/etc/hosts"
  for host in controller $(node_names); do echo "$(address_of "$host") $host" >>"$BED_DIR/etc/hosts"; done
}

# Succeeds and prints the topmost folder above PATH that others may not pass.
closed_folder() { # PATH
  local part folder=''
  while IFS= read -r -d / part; do
    [ -n "$part" ] || continue
    folder+=/$part
    [ $((0$(stat -Lc %a "$folder") & 1)) = 1 ] || { echo "$folder"; return 0; }
  done <<<"$1/"
  return 1
}

expose() {
  local path folder i=0 covered=' '
  local -a paths=() closed=()
  while IFS= read -r path; do
    [ -n "$path" ] || continue
    folder=$(closed_folder "$path") || continue
    paths+=("$path") closed+=("$folder")
    mkdir -p "$BED_DIR/behind/${#paths[@]}"
    mount --bind "$path" "$BED_DIR/behind/${#paths[@]}"
  done <"$BED_DIR/etc/exposed"
  for folder in ${closed[@]+"${closed[@]}"}; do
    [[ $covered != *" $folder "* ]] || continue
    covered+="$folder "
    mount -t tmpfs -o mode=755,size=1m tmpfs "$folder"
  done
  for path in ${paths[@]+"${paths[@]}"}; do
    i=$((i + 1))
    mkdir -p "$path"
    mount --bind "$BED_DIR/behind/$i" "$path"
    mount -o remount,bind,ro "$path"
  done
}

write_configuration() {
  write_common_configuration "controller($SUBNET.1)" "$DBD_PORT" "$SQL_PORT"
  {
    echo 'ReturnToService=2'
    echo "NodeName=node[001-$(printf %03d "$BED_NODES")] NodeAddr=$SUBNET.[11-$((10 + BED_NODES))]" \
      "CPUs=16 RealMemory=64000$([ "$BED_GPUS" -eq 0 ] || echo " Gres=gpu:$BED_GPUS")"
    echo 'PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP'
    echo 'PartitionName=short Nodes=ALL MaxTime=00:10:00 State=UP'
  } >>"$BED_DIR/etc/slurm.conf"
}

# ---------------------------------------------------------------------------------------------- the bed
up() {
  [ ! -e "$settings" ] || die "$BED_DIR already holds a bed"
  [ "$(id -u)" = 0 ] || die 'needs root'
  BED_NODES=${BED_NODES:-4} BED_GPUS=${BED_GPUS:-0} BED_ACCOUNTING=${BED_ACCOUNTING:-0}
  BED_MIN_JOB_AGE=${BED_MIN_JOB_AGE:-300} BED_MESSAGE_TIMEOUT=${BED_MESSAGE_TIMEOUT:-10}
  BED_SLURMD_TIMEOUT=${BED_SLURMD_TIMEOUT:-20} BED_KILL_WAIT=${BED_KILL_WAIT:-5}
  install_missing
  make_directories
  mkdir -p "$BED_DIR/hosts"
  ! closed_folder "$BED_DIR" || die "others cannot reach $BED_DIR"
  save_settings BED_NODES BED_ACCOUNTING
  printf '%s\n' "$(dirname "$(dirname "$self")")" "${BED_EXPOSE:-}" >"$BED_DIR/etc/exposed"
  write_accounts
  write_hosts
  write_configuration
  open_controller
  # Here already: what follows takes longest, and the owner may end in the middle of it.
  watch_owner "$self"
  inside controller "$self" start-daemons
  local node
  for node in $(node_names); do start_node "$node"; done
  inside controller "$self" await-nodes
}

start_daemons() {
  start_munge
  if [ "$BED_ACCOUNTING" = 1 ]; then
    start_database "$SQL_PORT"
    start_dbd "$DBD_PORT"
    add_accounts root,vllm,other
  fi
  start_controller
}

down() {
  [ -r "$settings" ] || return 0
  load_settings
  local host
  for host in $(node_names) controller; do end_host "$host"; done
  rm -f "$settings"
}

command=${1:-}
[ -n "$command" ] || die 'which command?'
case $command in up | down | install) ;; *) load_settings ;; esac
case $command in
  up | down) "$command" ;;
  install) install_missing ;;
  on) enter_as "${@:2}" ;;
  node-kill) end_host "${2:?which node}" ;;
  node-crash)
    set_cable "${2:?which node}" down
    end_host "$2"
    ;;
  node-start) start_node "${2:?which node}" ;;
  node-cut) set_cable "${2:?which node}" down ;;
  node-mend) set_cable "${2:?which node}" up ;;
  signal) inside "${2:?which node}" bash -c "$(declare -f signal_matching); signal_matching \"\$@\"" signal "${3:?which signal}" "${4:?which processes}" ;;
  ctld-* | dbd-*) inside controller "$self" "here-$command" ;;
  # From here on: what the commands above run on the controller's host.
  prepare-controller) prepare_controller ;;
  start-daemons) start_daemons ;;
  outlive) outlive "$2" ;; # what `up` leaves behind
  await-nodes) retry 60 all_idle || die 'not every node became idle' ;;
  here-ctld-stop) end_daemon slurmctld ;;
  here-ctld-kill) kill_daemon slurmctld ;;
  here-ctld-start) start_controller ;;
  here-ctld-freeze) kill -STOP "$(pid_of slurmctld)" ;;
  here-ctld-thaw) kill -CONT "$(pid_of slurmctld)" ;;
  here-dbd-stop) end_daemon slurmdbd ;;
  here-dbd-start) start_dbd "$DBD_PORT" ;;
  *) die "no command $command" ;;
esac
