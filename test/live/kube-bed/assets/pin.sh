#!/bin/sh
# Writes go.mod and go.sum anew for another release of Kubernetes, with the etcd that release is tested with.
#   ./pin.sh v1.36.3
set -eu
cd "$(dirname "$0")"
kubernetes=$1
staging=v0.${kubernetes#v1.}
rm -f go.mod go.sum
go mod init vllm-slurm-operator/kube-bed
upstream=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
go mod edit -go="$(sed -n 's/^go //p' "$upstream")"
# Its own modules are replaced by directories of its source tree, which counts only there: each gets its release.
sed -n 's#^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging.*#\1#p' "$upstream" | sort -u | while read -r module; do
  go mod edit -replace="$module=$module@$staging"
done
go mod edit -require="k8s.io/kubernetes@$kubernetes"
# `tool` keeps what the programs need in go.mod although there is no Go file here; `go mod tidy` would add their tests.
etcd=$(sed -n 's#^[[:space:]]*go.etcd.io/etcd/client/v3 \(v[^ ]*\).*#\1#p' "$upstream" | head -n 1)
go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@$kubernetes" "k8s.io/kubernetes/cmd/kubectl@$kubernetes" \
  "go.etcd.io/etcd/server/v3@$etcd"
