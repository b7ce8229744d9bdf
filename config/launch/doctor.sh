# shellcheck shell=bash
# What a compute node sees of what a deployment needs: run by `vllm-slurm doctor --job`, behind assignments of
#   VSO_ASK            a file written on the operator's machine a moment ago
#   VSO_WORD           what stands last in the answer when it is whole
#   VSO_DIRECTORIES    to be written into
#   VSO_VENVS          with vLLM in them
# The answer is lines of KEY<TAB>VALUE<TAB>… on stdout. Nothing is changed but what `test -w` looks at.

say() {
  local IFS=$'\t'
  printf '%s\n' "$*"
}

# directory_state DIRECTORY: writable, absent (it can be made), unusable
directory_state() {
  local at=$1
  if [ -d "$at" ]; then
    if [ -w "$at" ] && [ -x "$at" ]; then echo writable; else echo unusable; fi
    return
  fi
  if [ -e "$at" ]; then
    echo unusable
    return
  fi
  while [ ! -e "$at" ]; do at=$(dirname -- "$at"); done
  if [ -d "$at" ] && [ -w "$at" ]; then echo absent; else echo unusable; fi
}

# engine_version PREFIX: of the vLLM below it, from the name of its metadata: to import it takes half a minute
engine_version() {
  local found
  for found in "$1"/lib/python*/{site,dist}-packages/vllm-*.dist-info; do
    [ -d "$found" ] || continue
    found=${found##*/vllm-}
    printf '%s' "${found%.dist-info}"
    return
  done
}

say node "$(hostname -s)"
say word "$(head -c 200 -- "$VSO_ASK" 2>/dev/null)"
say time "$(date +%s)"
for directory in "${VSO_DIRECTORIES[@]}"; do
  say directory "$directory" "$(directory_state "$directory")"
done
for venv in "${VSO_VENVS[@]}"; do
  if [ -d "$venv" ]; then say venv "$venv" there "$(engine_version "$venv")"; else say venv "$venv" absent; fi
done
program=$(type -P vllm)
program=${program:+$(readlink -f -- "$program")}
say host "$program" "${program:+$(engine_version "${program%/bin/*}")}"
if read -r low high </proc/sys/net/ipv4/ip_local_port_range; then say ports "$low" "$high"; fi
say end "$VSO_WORD"
