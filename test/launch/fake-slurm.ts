/**
 * The programs of Slurm that a job calls, as shell texts, for any number of "nodes" on this machine. What `STATE` (a
 * directory) holds is what a test can do to them: `comments` gets every report; `deaf` makes reports fail; `lost-NODE`
 * makes a node one that runs nothing any more and whose end srun does not notice. Where `FAKE_PYXIS` names a file, srun
 * takes the options of Pyxis and keeps them there, a line each step that has some.
 */
export function fakeSlurm(state: string, nodes: readonly string[]): Readonly<Record<string, string>> {
  const head = `#!/bin/bash\nSTATE='${state}'\nNODES=(${nodes.join(' ')})\n`;
  return { scontrol: head + SCONTROL, srun: head + SRUN, scancel: head + SCANCEL };
}

const SCONTROL = `
case "$1 $2" in
  'show node') echo "NodeName=$3 Arch=x86_64 NodeAddr=127.0.0.1 NodeHostName=$3" ;;
  'show hostnames') printf '%s\\n' "\${NODES[@]}" ;;
  update*) [ ! -e "$STATE/deaf" ] && printf '%s\\n' "\${3#comment=}" >>"$STATE/comments" ;;
  *) exit 1 ;;
esac
`;

/** Each task is the leader of its process group, which is all the fake knows of it. */
const SRUN = `
step='' nodes=("\${NODES[@]}") killing='' container=''
while [[ $1 == --* ]]; do
  case $1 in
    --nodelist=*) nodes=("\${1#*=}") ;;
    --kill-on-bad-exit=1) killing=1 step=$STATE/step ;;
    --container-*=* | --no-container-*)
      [ -n "$FAKE_PYXIS" ] || { echo "srun: unrecognized option '$1'" >&2; exit 255; }
      container+="<$1>"
      ;;
    --help) exit 0 ;;
  esac
  shift
done
[ -z "$container" ] || echo "$container \${*: -1}" >>"$FAKE_PYXIS"
declare -A name_of
end_all() { for pid in "\${!name_of[@]}"; do kill -KILL -- "-$pid" 2>/dev/null; done; }
trap 'end_all; exit 143' TERM
for i in "\${!nodes[@]}"; do
  [ ! -e "$STATE/lost-\${nodes[i]}" ] || { sleep 3600 & wait $!; }
  SLURM_NODEID=$i SLURM_PROCID=$i SLURMD_NODENAME=\${nodes[i]} setsid "$@" &
  name_of[$!]=\${nodes[i]}
done
[ -z "$step" ] || printf '%s\\n' "\${!name_of[@]}" >"$step"
worst=0
for _ in "\${nodes[@]}"; do
  wait -n -p pid
  code=$?
  while [ -e "$STATE/lost-\${name_of[$pid]}" ]; do sleep 1 & wait $!; done
  [ "$code" -le "$worst" ] || worst=$code
  [ -z "$killing" ] || [ "$code" = 0 ] || end_all
done
exit "$worst"
`;

const SCANCEL = `
[ ! -e "$STATE/step" ] || while read -r pid; do kill -TERM -- "-$pid" 2>/dev/null; done <"$STATE/step"
`;
