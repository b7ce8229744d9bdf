#!/usr/bin/env bash
# root.sh SUITE FOLDER - a small Debian of that suite with the SLURM it has, into FOLDER, unless it is there already.
#
# Nothing of it is ever started by its packages: `bed.sh` runs its programs, each in a mount namespace of its own. It is
# made aside and renamed when whole; FOLDER/slurm-version then says what is in it. Root on Debian; about 600 MB.
set -euo pipefail

suite=${1:?which suite} folder=${2:?where to}
packages=(slurmctld slurmd slurmdbd slurmrestd slurm-client slurm-wlm-basic-plugins slurm-wlm-mysql-plugin
  slurm-wlm-jwt-plugin munge)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

say() { echo "root.sh: $*" >&2; }

install_debootstrap() {
  command -v debootstrap >/dev/null || { apt-get -q update && apt-get -q install -y --no-install-recommends debootstrap; }
}

# In a mount namespace, so that whatever is mounted for the packages' scripts ends with this.
make() { # UNFINISHED
  debootstrap --variant=minbase "$suite" "$1"
  # No daemon of its packages may start; and nothing here has to outlive a power failure.
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod 755 "$1/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe-io"
  mount --bind /proc "$1/proc"
  mount --rbind /dev "$1/dev"
  chroot "$1" apt-get -q install -y --no-install-recommends "${packages[@]}"
  touch "$1/etc/hosts" # to mount this machine's on
  chroot "$1" apt-get clean
  chroot "$1" dpkg-query --show slurmctld >"$1/slurm-version"
}

if [ "$folder" = --inside ]; then
  make "$3"
  exit
fi
mkdir -p "$(dirname "$folder")"
exec 9>"$(dirname "$folder")/.$(basename "$folder").lock"
flock 9 # two test runs at once
[ ! -e "$folder/slurm-version" ] || exit 0
start=$SECONDS unfinished=$folder.unfinished
say "$suite is made in $folder, once"
rm -rf --one-file-system "$unfinished"
install_debootstrap >&2
unshare --mount --propagation private "$0" "$suite" --inside "$unfinished" >"$folder.log" 2>&1 ||
  { tail -20 "$folder.log" >&2; say "see $folder.log"; exit 1; }
mv "$unfinished" "$folder"
rm -f "$folder.log"
say "$(cat "$folder/slurm-version") in $((SECONDS - start)) s, $(du -sh "$folder" | cut -f1)"
