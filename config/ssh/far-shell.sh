#!/bin/sh
# far-shell.sh - runs SLURM's programs on a login node for an operator elsewhere, one after another.
#
# Without arguments it runs what it is told: the operator sends it along when it connects by ssh. As the forced command
# of a key it allows what the operator needs and nothing else, whatever ssh was asked to run (docs/how-to/ssh.md):
#
#   restrict,port-forwarding,command="/usr/local/lib/vllm-slurm/far-shell.sh --restricted LOGS SECRETS [BIN]" ssh-ed25519 …
#
#   LOGS     directory whose logs may be read; SECRETS: whose files may be written, read and removed; -: none
#   BIN      where SLURM's programs are; default: on PATH
#
# First line on stdin: KEY, unless who sent this text along has read it. Then requests: a line KEY TAG WORDS BYTES EXPIRES, a line with the program that has to be
# there, so many lines of one word each, then so many bytes that are its stdin (-: none). EXPIRES is by the clock
# that vllm_clock tells, in seconds: nothing is begun after it, and what runs then is ended; -: a minute. Reply, behind all that the
# program printed: on stdout a line @TAG CODE@, CODE its exit status, `absent` or `late`; on stderr a line @TAG end@.
# What is no request is passed over: what a program left of its stdin, and this text where it came along in vain.
plain=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,:=@%+/-

# No leading zero: arithmetic would take it for octal.
is_number() {
  case $1 in '' | 0?* | *[!0123456789]*) return 1 ;; esac
  [ "${#1}" -le 12 ]
}

# Seconds since this machine was started, which no administrator sets; in $now, for a fork a request would be dear.
look_at_clock() {
  if { read -r now _ </proc/uptime; } 2>/dev/null; then
    now=${now%%.*}
  else
    now=$(date +%s)
  fi
}

# Programs of our own, beside SLURM's. Their deadline is $left seconds.
vllm_clock() {
  look_at_clock
  echo "$now"
}
vllm_log_tail() { # FILE BYTES
  is_log "$1" && timeout -k 2 "$left" tail -c "$2" -- "$1" | base64
}
vllm_log_piece() { # FILE FROM BYTES
  is_log "$1" && timeout -k 2 "$left" tail -c "+$(($2 + 1))" -- "$1" | head -c "$3" | base64
}
vllm_log_size() { # FILE
  is_log "$1" && wc -c <"$1"
}
vllm_log_names() { # DIRECTORY PREFIX
  [ -d "$1" ] && [ -r "$1" ] || refuse "$1 is no directory that can be read" || return 66
  for file in "$1/$2"*; do
    [ -f "$file" ] && printf '%s\n' "${file##*/}"
  done
  return 0
}
vllm_make_logs() { # DIRECTORY
  mkdir -p -- "$1"
}
vllm_look_at_logs() { # DIRECTORY
  if [ -d "$1" ]; then
    if [ -w "$1" ] && [ -x "$1" ]; then echo writable; else echo unusable; fi
  else
    above=$1
    while [ ! -e "$above" ] && [ ! -L "$above" ]; do above=$(dirname -- "$above"); done
    if [ -d "$above" ] && [ -w "$above" ]; then echo absent; else echo unusable; fi
  fi
}
vllm_log_remove() { # FILE
  is_log "$1" && rm -f -- "$1"
}
is_log() {
  if [ -f "$1" ] && [ ! -L "$1" ] && [ -r "$1" ]; then return 0; fi
  refuse "$1 is no file that can be read"
  return 66
}

vllm_secret_write() ( # DIRECTORY OWNER NAME; the secret on stdin
  umask 077
  mkdir -p -- "$1" && own_directory "$1" && mkdir -p -- "$1/$2" && own_directory "$1/$2" || exit 73
  draft=$(mktemp "$1/$2/.draft-XXXXXXXX") || exit 73
  if cat >"$draft" && chmod 600 "$draft" && { sync "$draft" 2>/dev/null || :; } && mv -f -- "$draft" "$1/$2/$3"; then exit 0; fi
  rm -f -- "$draft"
  exit 73
)
vllm_secret_read() { # DIRECTORY OWNER NAME
  [ -e "$1/$2/$3" ] || [ -L "$1/$2/$3" ] || return 44
  own_directory "$1/$2" || return 73
  is_log "$1/$2/$3" && timeout -k 2 "$left" head -c 16384 -- "$1/$2/$3"
}
vllm_secret_names() { # DIRECTORY OWNER
  [ -d "$1/$2" ] || return 0
  own_directory "$1/$2" || return 73
  # What a writer that was cut off has left.
  find "$1/$2" -maxdepth 1 -name '.draft-*' -mmin +5 -exec rm -f -- {} +
  for file in "$1/$2"/*; do
    [ -f "$file" ] && printf '%s\n' "${file##*/}"
  done
  return 0
}
vllm_secret_remove() { # DIRECTORY OWNER NAME
  [ -d "$1/$2" ] || return 0
  own_directory "$1/$2" || return 73
  rm -f -- "$1/$2/$3"
}
own_directory() {
  if [ -L "$1" ] || [ ! -O "$1" ] || [ -n "$(find "$1" -prune -perm /022)" ]; then
    refuse "$1 is not this user's, or others may write there: chmod 700 it"
    return 1
  fi
}

refuse() {
  printf 'vllm-slurm: %s\n' "$1" >&2
  return 1
}

# What a key may ask for; the words are the whole command line.
permitted() {
  for word in "$@"; do
    case $word in '' | *[!$plain]*) return 1 ;; esac
  done
  # All are plain: joined by blanks they can be told apart again.
  case "$#:$*" in
    '1:vllm_clock' | '2:id -un') ;;
    '2:sbatch --version' | '2:squeue --version' | '2:scancel --version' | '2:scontrol --version') ;;
    '2:sinfo --version' | '2:sacct --version' | '2:sacctmgr --version') ;;
    '3:sbatch --parsable --job-name='*) is_ours "${3#--job-name=}" && [ "$bytes" != - ] ;;
    '6:squeue --noheader --me --all --states=all --format='*) ;;
    '5:squeue --noheader --states=all --jobs='*' --format='*) is_number "${4#--jobs=}" ;;
    '4:scancel --me --name='*) is_ours "${3#--name=}" && is_number "$4" ;;
    '3:scancel --me --name=vllm-slurm-doctor-'*) is_ours "${3#--name=}" ;;
    '2:scontrol --oneliner') [ "$bytes" != - ] && only_shows_jobs ;;
    '2:scontrol ping' | '3:scontrol show config' | '5:scontrol --oneliner --all show partition') ;;
    '5:sinfo --noheader --Node --all --format='* | '5:sinfo --noheader --Node --all --Format='*) ;;
    '8:sacct --duplicates --parsable2 --noheader --allocations --name='*' --starttime=now-'*' --format='*) ;;
    '6:sacctmgr --parsable2 --noheader show qos format='*) ;;
    '8:sacctmgr --parsable2 --noheader show associations where user='*' format='*) ;;
    '8:sacctmgr --parsable2 --noheader show user where name='*' format=defaultaccount') ;;
    '3:vllm_log_tail '*) is_number "$3" && is_inside "$logs" "$2" ;;
    '4:vllm_log_piece '*) is_number "$3" && is_number "$4" && is_inside "$logs" "$2" ;;
    '2:vllm_log_size '*) is_inside "$logs" "$2" ;;
    '3:vllm_log_names '*) is_leaf "$3" && is_inside "$logs" "$2/any" ;;
    '2:vllm_make_logs '* | '2:vllm_look_at_logs '*) [ "$2" = "$logs" ] ;;
    '2:vllm_log_remove '*/doctor-*.out) is_inside "$logs" "$2" ;;
    '4:vllm_secret_write '*) [ "$2" = "$secrets" ] && is_leaf "$3" && is_leaf "$4" && [ "$bytes" -le 16384 ] ;;
    '4:vllm_secret_read '* | '4:vllm_secret_remove '*) [ "$2" = "$secrets" ] && is_leaf "$3" && is_leaf "$4" ;;
    '3:vllm_secret_names '*) [ "$2" = "$secrets" ] && is_leaf "$3" ;;
    *) return 1 ;;
  esac
}
is_ours() {
  case $1 in *,* | */*) return 1 ;; vllm.?* | vllm-slurm-doctor-?*) return 0 ;; esac
  return 1
}
# One name within a directory, and no option.
is_leaf() {
  case $1 in '' | .* | -* | */*) return 1 ;; esac
}
# The directory is looked up as it is, through links; the name in it is no link and no way out.
is_inside() { # ROOT FILE
  if [ "$1" = - ] || [ -L "$2" ] || ! is_leaf "${2##*/}"; then return 1; fi
  case $2 in /*) ;; *) return 1 ;; esac
  root=$(cd -P -- "$1" 2>/dev/null && pwd -P) || return 1
  place=$(cd -P -- "${2%/*}/" 2>/dev/null && pwd -P) || return 1
  case $place/ in "$root"/*) return 0 ;; esac
  return 1
}
# scontrol takes commands from stdin that change and write: it is given those alone that were looked at.
only_shows_jobs() {
  [ "$bytes" -le 1048576 ] || return 1
  given=$(head -c "$bytes")
  bytes=checked
  # No end of a line is lost that was not one: each line is compared as a whole.
  printf '%s\n' "$given" | { ! LC_ALL=C grep -qvE '^(show job [0-9]{1,12}|quit)$'; }
}

# BIN/squeue is squeue, and `env SLURM_TIME_FORMAT=%s TZ=UTC` says how times are to be printed: both are set here.
begin_restricted() {
  environment=
  if [ "${1:-} ${2:-} ${3:-}" = "env SLURM_TIME_FORMAT=%s TZ=UTC" ]; then
    environment=yes
    shift 3
  fi
  program=${1:-}
  [ "$bin" = - ] || program=${program#"$bin/"}
  [ "$#" -eq 0 ] || shift
  if ! permitted "$program" "$@"; then
    [ "$bytes" = - ] || [ "$bytes" = checked ] || head -c "$bytes" >/dev/null
    refuse 'this key does not allow the command'
    code=77
    return
  fi
  case $program in
    vllm_* | id) ;;
    *) [ "$bin" = - ] || program=$bin/$program ;;
  esac
  if [ -n "$environment" ]; then
    begin env SLURM_TIME_FORMAT=%s TZ=UTC "$program" "$@"
  else
    begin "$program" "$@"
  fi
}

begin() {
  if ! command -v "$program" >/dev/null; then
    [ "$bytes" = - ] || [ "$bytes" = checked ] || head -c "$bytes" >/dev/null
    code=absent
    return
  fi
  case $program in vllm_*) ;; *) set -- timeout -k 2 "$left" "$@" ;; esac
  case $bytes in
    -) "$@" </dev/null ;;
    checked) printf '%s\n' "$given" | "$@" ;;
    *) head -c "$bytes" | "$@" ;;
  esac
  code=$?
  [ "$code" -ne 124 ] || code=late
}

restricted='' logs=- secrets=- bin=-
if [ "${1:-}" = --restricted ]; then
  restricted=yes logs=${2:--} secrets=${3:--} bin=${4:--}
elif [ "$#" -gt 0 ]; then
  refuse "no such option: $1"
  exit 64
fi
# What would narrow a listing, override a script or run something else.
for name in $(env | sed -n 's/^\(\(SBATCH\|SLURM\|SQUEUE\|SINFO\|SCANCEL\|SACCT\|SCONTROL\)_[A-Za-z0-9_]*\)=.*/\1/p'); do
  case $name in SLURM_CONF | SLURM_CONF_SERVER) ;; *) unset "$name" ;; esac
done
unset ENV BASH_ENV CDPATH SSH_ORIGINAL_COMMAND
# sbatch notes the working directory for the job: one that exists on every node.
cd / || exit 71

key=${vllm_key:-}
[ -n "$key" ] || IFS= read -r key || exit 0
case $key in *[!0123456789abcdef]* | '') exit 64 ;; esac
while IFS= read -r line; do
  case $line in "$key "*) ;; *) continue ;; esac
  case $line in *[!0123456789abcdef\ -]*) continue ;; esac
  # shellcheck disable=SC2086 # plain words
  set -- $line
  [ "$#" -eq 5 ] || continue
  tag=$2 words=$3 bytes=$4 expires=$5
  is_number "$words" || continue
  [ "$bytes" = - ] || is_number "$bytes" || continue
  [ "$expires" = - ] || is_number "$expires" || continue
  [ "$words" -le 1000 ] || continue
  IFS= read -r program || exit 1
  set --
  while [ "$words" -gt 0 ]; do
    IFS= read -r word || exit 1
    set -- "$@" "$word"
    words=$((words - 1))
  done
  left=60
  if [ "$expires" != - ]; then
    look_at_clock
    left=$((expires - now))
  fi
  if [ "$left" -le 0 ]; then
    code=late
  elif [ -n "$restricted" ]; then
    begin_restricted "$@"
  else
    begin "$@"
  fi
  printf '\n@%s %s@\n' "$tag" "$code"
  printf '\n@%s end@\n' "$tag" >&2
done
