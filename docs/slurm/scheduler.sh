#!/usr/bin/env bash
# One Slurm job with a Dask scheduler, a worker for each of its other tasks, and a command on them.
#
#     sbatch --ntasks=9 docs/slurm/scheduler.sh python -m extract all.jsonl -o embeddings.h5
#
# The command gets --scheduler file:… at its end.
#SBATCH --job-name=dask
#SBATCH --ntasks=9
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=4G
#SBATCH --time=08:00:00
#SBATCH --output=dask-%j.log
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: sbatch --ntasks=N $0 COMMAND…" >&2
    exit 2
fi
file=$PWD/scheduler-${SLURM_JOB_ID:?submit with sbatch}.json
trap 'kill $(jobs -p) 2>/dev/null || true; rm -f "$file"' EXIT

srun --ntasks=1 --gpus-per-task=0 --exact dask scheduler --scheduler-file "$file" --no-dashboard &
srun --ntasks=$((SLURM_NTASKS - 1)) --exact \
    dask worker --scheduler-file "$file" --nworkers 1 --nthreads "${SLURM_CPUS_PER_TASK:-1}" \
    --resources GPU=1 --memory-limit 0 --no-dashboard --death-timeout 300 &

"$@" --scheduler "file:$file"
