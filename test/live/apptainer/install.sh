#!/usr/bin/env bash
# install.sh FOLDER - Apptainer, and a small image to run with it, into FOLDER/apptainer.
#
# Debian has Apptainer in unstable alone, built for a newer C library than a stable host has. So its package and that
# library are unpacked beside one another, and the two programs told to use it: nothing of the host is changed, and
# nothing needs setuid, for user namespaces do. Apptainer looks for its files relative to itself, and misses by a folder
# where Debian has moved its own: those are linked to where it looks.
# The image is a folder: Debian's base system, in which bash and coreutils are and no Python.
# Two minutes, 350 MB. Root on Debian. Idempotent, and an installation that was broken off is begun anew.
set -euo pipefail

folder=${1:?where to}/apptainer
finished=$folder/.finished
PACKAGES=(apptainer libc6 libseccomp2 libsqlite3-0)

say() { echo "install.sh: $*" >&2; }

install_tools() {
  local tool missing=()
  for tool in patchelf debootstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [ "${#missing[@]}" -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } >&2
}

own_mirror() {
  # shellcheck disable=SC2016 # a word of apt's
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$' || true
}

# With lists of its own: the host goes on knowing its own release alone.
download() { # FOLDER
  local mirror
  mirror=$(own_mirror)
  if [ -z "$mirror" ]; then # a host that has no lists yet does not say
    apt-get -q update >&2
    mirror=$(own_mirror)
  fi
  mkdir -p "$1"/{lists,cache}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" >"$1/sources.list"
  cat >"$1/apt.conf" <<END
Dir::State::lists "$1/lists";
Dir::State::status "/dev/null";
Dir::Cache "$1/cache";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "root";
END
  (
    export APT_CONFIG=$1/apt.conf
    cd "$1"
    apt-get -q update >&2
    apt-get -q download "${PACKAGES[@]}" >&2
  )
}

install_apptainer() {
  local parts=$folder/parts tree=$folder/usr loader libraries program package
  download "$parts"
  for package in "$parts"/*.deb; do dpkg-deb -x "$package" "$folder"; done
  rm -rf "$parts"
  loader=$(echo "$tree"/lib/*/ld-linux-*.so.*)
  libraries=$(dirname "$loader")
  for program in "$tree/bin/apptainer" "$libraries/apptainer/bin/starter"; do
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
  done
  mkdir -p "$tree"/{var,lib/var}/lib/apptainer/mnt/session "$tree/lib/etc"
  mv "$folder/etc" "$tree/etc"
  ln -s ../../etc/apptainer "$tree/lib/etc/apptainer"
}

install_image() {
  debootstrap --variant=minbase bookworm "$folder/image" >&2
  rm -rf "$folder"/image/var/{cache/apt,lib/apt/lists}
  chmod 755 "$folder/image/root" # what a test mounts may lie below a folder of that name
  # What a test mounts is what `vllm` is.
  printf '#!/bin/bash\nexec /opt/node/bin/node /opt/stand-in/stand-in.ts "$@"\n' >"$folder/image/usr/local/bin/vllm"
  chmod 755 "$folder/image/usr/local/bin/vllm"
}

mkdir -p "$(dirname "$folder")"
exec 9>"$(dirname "$folder")/.apptainer-lock"
flock 9 # two test runs at once
if [ ! -e "$finished" ]; then
  rm -rf "$folder"
  mkdir "$folder"
  install_tools
  say 'Apptainer'
  install_apptainer
  say 'an image for it'
  install_image
  "$folder/usr/bin/apptainer" --version >"$finished"
  say "$(cat "$finished") in $folder"
fi
echo "$folder"
