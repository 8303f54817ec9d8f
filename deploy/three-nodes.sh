#!/bin/sh
# Starts a cluster of three nodes on this machine and stops it with Ctrl-C. Data goes to the folder named, or three-nodes.
# usage: deploy/three-nodes.sh [FOLDER]     MILENA: the program; PORT: the first node's for clients; CLUSTER_PORT: the first node's for the others
set -eu
here=$(dirname "$0")
program=${MILENA:-$here/../src/Node/bin/Release/net10.0/milena}
folder=${1:-three-nodes}
port=${PORT:-9092}
cluster=${CLUSTER_PORT:-4053}
join="127.0.0.1:$cluster,127.0.0.1:$((cluster + 2)),127.0.0.1:$((cluster + 4))"
nodes=""
trap 'kill $nodes 2>/dev/null || true; wait' INT TERM
for id in 1 2 3; do
  "$program" start --config "$here/../config/cluster/node.conf" --node-id "$id" --data "$folder/$id" \
    --listen "127.0.0.1:$((port + id - 1))" --cluster-listen "127.0.0.1:$((cluster + 2 * (id - 1)))" --join "$join" &
  nodes="$nodes $!"
done
wait
