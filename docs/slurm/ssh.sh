#!/usr/bin/env bash
# The same parts without a queue: one task on every host, over SSH, in this folder, which they share.
#
#     docs/slurm/ssh.sh all.jsonl embeddings.h5 gpu1 gpu2 gpu3 [-- OPTIONS OF extract…]
#
# Leaves with the highest exit status of the tasks; run it again to do what is missing.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: $0 LIST CACHE HOST… [-- OPTIONS OF extract…]" >&2
    exit 2
fi
list=$1 cache=$2
shift 2
hosts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    hosts+=("$1")
    shift
done
[ $# -eq 0 ] || shift

tasks=()
for number in "${!hosts[@]}"; do
    part=$((number + 1))/${#hosts[@]}
    printf -v command '%q ' "${PYTHON:-python}" -m extract "$list" -o "$cache" --shard "$part" "$@"
    printf -v folder '%q' "$PWD"
    # shellcheck disable=SC2029 # quoted here for the shell there
    ssh -o BatchMode=yes "${hosts[number]}" "cd $folder && exec $command" &
    tasks+=($!)
done
worst=0
for number in "${!tasks[@]}"; do
    status=0
    wait "${tasks[number]}" || status=$?
    [ "$status" -eq 0 ] || echo "${hosts[number]}: exit status $status" >&2
    worst=$((status > worst ? status : worst))
done
exit "$worst"
