#!/usr/bin/env bash
# Embed a list of utterances in N parts, one task of a job array each; the last to finish packs.
#
#     python -m data scan CORPUS… -o all.jsonl
#     sbatch --array=1-16 docs/slurm/array.sh 16 all.jsonl embeddings.h5 [OPTIONS OF extract…]
#
# Tasks that failed or ran out of time are submitted again: sbatch --array=3,7 … 16 all.jsonl …
#SBATCH --job-name=extract
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --output=extract-%A-%a.log
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: sbatch --array=1-N $0 N LIST CACHE [OPTIONS OF extract…]" >&2
    exit 2
fi
parts=$1 list=$2 cache=$3
shift 3

# exec: the signal before the time limit reaches Python, which publishes what is finished
exec "${PYTHON:-python}" -m extract "$list" -o "$cache" \
    --shard "${SLURM_ARRAY_TASK_ID:?submit with sbatch --array=1-$parts}/$parts" \
    --jobs "${SLURM_CPUS_PER_TASK:-2}" --quiet "$@"
