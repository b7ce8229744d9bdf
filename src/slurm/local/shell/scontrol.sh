#!/bin/sh
# The part of scontrol a job script needs: its own comment, and the address of its node.
#   scontrol update jobid=ID comment=TEXT
#   scontrol show node NAME
#   scontrol show hostnames [LIST]
set -u
jobs=$(dirname "$0")/../jobs

refuse() {
  echo "scontrol: $1" >&2
  exit 1
}

update() {
  id='' comment='' told=no
  for word in "$@"; do
    case $word in
      [Jj]ob[Ii][Dd]=*) id=${word#*=} ;;
      [Cc]omment=*) comment=${word#*=} told=yes ;;
      *) refuse "cannot change here: $word" ;;
    esac
  done
  case $id in '' | *[!0-9]*) refuse 'Invalid job id specified' ;; esac
  if [ ! -d "$jobs/$id/run" ] || [ -e "$jobs/$id/exit" ]; then refuse 'Invalid job id specified'; fi
  [ "$told" = yes ] || return 0
  printf '%s' "$comment" >"$jobs/$id/comment.$$" && mv -f "$jobs/$id/comment.$$" "$jobs/$id/comment"
}

show_node() {
  [ "$1" = "${SLURMD_NODENAME:-}" ] || refuse "Node $1 not found"
  echo "NodeName=$1 NodeAddr=127.0.0.1 NodeHostName=$1 State=MIXED"
}

case ${1:-} in -o | --oneliner) shift ;; esac
case "${1:-} ${2:-}" in
  'update '*) shift && update "$@" ;;
  'show node') show_node "${3:-${SLURMD_NODENAME:-}}" ;;
  'show hostnames') echo "${3:-${SLURM_JOB_NODELIST:-}}" ;;
  *) refuse "not known to the local cluster: $*" ;;
esac
