#!/bin/sh
# A Kubernetes node without an API server: containerd and a kubelet in namespaces of their own.
# node.sh FOLDER CGROUP KUBELET. It runs until SIGTERM, or until its input closes, at the latest when its parent ends. Then
# everything that it started ends, and it removes the cgroups and the folder, which outlive the namespaces.
set -u
folder=$1 cgroup=$2 kubelet=$3

if [ "${4-}" != inside ]; then
  # In the background, because a shell runs a trap only between commands, or in `wait`. Its input would be /dev/null.
  exec 3<&0
  unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc sh "$0" "$1" "$2" "$3" inside <&3 3<&- &
  trap 'kill -KILL $!' TERM INT HUP
  wait $!
  status=$?
  wait $! # the first one ends at a signal
  trap '' TERM INT HUP
  for group in /sys/fs/cgroup/*/"$cgroup"; do
    for _ in $(seq 200); do # the kernel may still be ending processes
      [ -d "$group" ] || break
      find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
      [ ! -d "$group" ] || sleep 0.05
    done
  done
  rm -rf "$folder"
  exit $status
fi

set -e
cd "$folder"

# The machine's /run, /var/log and sysctls stay as they are: these are seen in here only.
mkdir -p log manifests kubelet containerd cni
mount -t tmpfs tmpfs /run
mount --bind log /var/log
mkdir -p /var/lib/cni /etc/cni
mount --bind cni /var/lib/cni
printf '127.0.0.1 localhost node\n' >hosts
: >resolv.conf # without a server, so that nothing waits for one
mount --bind hosts /etc/hosts
mount --bind resolv.conf "$(readlink -f /etc/resolv.conf)"
hostname node
sysctl() {
  echo "$2" >"sysctl-${1##*/}"
  mount --bind "sysctl-${1##*/}" "/proc/sys/$1"
}
sysctl vm/overcommit_memory 1
sysctl vm/panic_on_oom 0
sysctl kernel/panic 10
sysctl kernel/panic_on_oops 1
sysctl kernel/keys/root_maxkeys 1000000
sysctl kernel/keys/root_maxbytes 25000000

# The kubelet wants an address and a default route.
ip link set lo up
ip link add outside type bridge
ip address add 10.99.0.2/24 dev outside
ip link set outside up
ip route add default via 10.99.0.1

for controller in /sys/fs/cgroup/*/; do
  [ ! -f "$controller/cgroup.controllers" ] || continue # of version 2
  for group in "$controller$cgroup" "$controller$cgroup/node"; do
    mkdir -p "$group"
    [ ! -f "$group/cpuset.cpus" ] || cat "$controller/cpuset.cpus" >"$group/cpuset.cpus"
    [ ! -f "$group/cpuset.mems" ] || cat "$controller/cpuset.mems" >"$group/cpuset.mems"
  done
  # As much CPU as ten processes of this machine, so that the machine's other work does not starve the node.
  [ ! -f "$controller$cgroup/cpu.shares" ] || echo 10240 >"$controller$cgroup/cpu.shares"
  echo 0 >"$controller$cgroup/node/cgroup.procs" # what a probe costs the node is counted there
done

cat >containerd.toml <<CONF
version = 2
root = "$folder/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd.sock"
[debug]
level = "debug"
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
sandbox_image = "pause:1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$folder/cni.d"
CONF
mkdir cni.d
cat >cni.d/pods.conflist <<CONF
{ "cniVersion": "0.4.0", "name": "pods", "plugins": [
  { "type": "bridge", "bridge": "pods", "isGateway": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.98.0.0/24" }]] } } ] }
CONF
cat >kubelet.yaml <<CONF
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
staticPodPath: $folder/manifests
fileCheckFrequency: 1s
syncFrequency: 5s
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
enforceNodeAllocatable: []
failSwapOn: false
protectKernelDefaults: true
oomScoreAdj: 0
maxOpenFiles: 20000
makeIPTablesUtilChains: false
evictionHard: { memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi }
imageGCHighThresholdPercent: 100
resolvConf: $folder/resolv.conf
address: 127.0.0.1
readOnlyPort: 10255
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
CONF

# When our standard input closes, all of these end, because their parent is the first process of this PID namespace.
containerd --config containerd.toml >containerd.log 2>&1 </dev/null &
until ctr --address /run/containerd.sock version >/dev/null 2>&1; do
  kill -0 $! || exit 1
  sleep 0.1
done
ctr --address /run/containerd.sock --namespace k8s.io images import images.tar >import.log 2>&1
"$kubelet" --config kubelet.yaml --root-dir "$folder/kubelet" --cert-dir "$folder/certificates" --v 2 \
  --vmodule prober=4,exec=4,event=4,kuberuntime_manager=4,kuberuntime_container=4 \
  --container-runtime remote --container-runtime-endpoint unix:///run/containerd.sock \
  --register-node=false --hostname-override node --node-ip 10.99.0.2 >kubelet.log 2>&1 </dev/null &
until busybox wget -q -O /dev/null http://127.0.0.1:10255/pods 2>/dev/null; do
  kill -0 $! || exit 1
  sleep 0.1
done
echo $$ # unshare has made a PID namespace: it is 1
cat >/dev/null
