#!/bin/sh
# Builds PROGRAMs (etcd, kube-apiserver, kubectl) into DIRECTORY from the Go modules that go.mod pins; what is there
# already is kept. About five minutes on two idle cores the first time, and 3 GB of Go's caches.
#   ./build.sh DIRECTORY PROGRAM...
set -eu
cd "$(dirname "$0")"
directory=$1
shift
mkdir -p "$directory"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
minor=${minor%%.*}
# What `--version` says; without it the programs call themselves v0.0.0, and version checks fail.
names=k8s.io/component-base/version
stamp="-X $names.gitVersion=$version -X $names.gitMajor=1 -X $names.gitMinor=$minor -X $names.gitTreeState=clean"

for program in "$@"; do
  [ "$(cat "$directory/.$program.version" 2>/dev/null)" = "$version" ] && [ -x "$directory/$program" ] && continue
  case $program in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$program ;;
  esac
  CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -tags grpcnotrace \
    -ldflags "-s -w $stamp" -o "$directory/$program.new" "$package"
  mv "$directory/$program.new" "$directory/$program"
  echo "$version" >"$directory/.$program.version"
done
