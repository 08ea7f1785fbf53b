#!/bin/sh
# Builds kubelet 1.20.2 from Debian's source package, unless it is there or KUBELET names another. It is kept outside of
# the clone. Needs golang-go and dpkg-dev; takes three and a half minutes on two cores.
set -eu
target=${XDG_CACHE_HOME:-$HOME/.cache}/k8s-liveness/kubelet-1.20.2
[ -z "${KUBELET-}" ] && [ ! -x "$target" ] || exit 0
for tool in go dpkg-source; do
  command -v "$tool" >/dev/null || { echo "builds no kubelet: missing $tool (apt-get install golang-go dpkg-dev)" >&2; exit 0; }
done
echo 'builds a kubelet, once' >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The source packages of the archive that this machine uses. Apt's state is in a folder of our own, so the machine's
# state does not change.
mkdir -p "$work/sources" "$work/state/lists/partial" "$work/cache/archives/partial" "$work/source" "$work/go/src/k8s.io"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ ! -f "$file" ] || sed -n 's/^deb /deb-src /p' "$file" >"$work/sources/$(basename "$file")"
done
for file in /etc/apt/sources.list.d/*.sources; do
  [ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$work/sources/$(basename "$file")"
done
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/sources";
Dir::State "$work/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG="$work/apt.conf"
apt-get update -qq
(cd "$work/source" && apt-get source -qq kubernetes)
mv "$work/source"/kubernetes-*1.20.2/ "$work/go/src/k8s.io/kubernetes"

cd "$work/go/src/k8s.io/kubernetes"
export GOPATH="$work/go" GOCACHE="$work/go-cache" GO111MODULE=off GOPROXY=off GOFLAGS=
go build -tags providerless,dockerless \
  -ldflags '-s -w -X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.2' \
  -o "$work/kubelet" k8s.io/kubernetes/cmd/kubelet
mkdir -p "$(dirname "$target")"
mv "$work/kubelet" "$target.new"
mv "$target.new" "$target"
