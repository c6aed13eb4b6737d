#!/usr/bin/env bash
# Trains the shipped reference: two families, each a base from scratch and its neighbours from it on small crops, then every
# λ on large ones. Starting it again goes on where it stopped. LIC_DATA names the photographs; the two families run side by
# side, one thread each.
set -euo pipefail
export OMP_NUM_THREADS=1
output=${LIC_OUTPUT:-outputs}/reference

train() { # FOLDER M LMBDA FROM STEPS LEARNING_RATE, then overrides
  local folder=$1 m=$2 lmbda=$3 from=$4 steps=$5 lr=$6
  shift 6
  lic train experiment=shipped_reference sweep=reference "lmbda=$lmbda" "codec.M=$m" "codec.weights=$from" \
    "trainer.max_steps=$steps" "optimizer.lr=$lr" "hydra.run.dir=$folder/$lmbda" callbacks.progress_bar=null "$@"
}

family() { # M, then LMBDA:STEPS:LEARNING_RATE on small crops, in order
  local m=$1 from=none lmbda steps lr
  shift
  for point in "$@"; do
    IFS=: read -r lmbda steps lr <<<"$point"
    train "$output/small_crops" "$m" "$lmbda" "$from" "$steps" "$lr" data.crop=128 data.batch_size=8 data.epoch_size=4000 \
      quantizer=noise
    from=$output/small_crops/$lmbda/codec.safetensors
    train "$output" "$m" "$lmbda" "$from" 2600 1e-3
  done
}

family 152 0.0483:14000:3e-3 0.0250:7500:1.5e-3 0.0130:7500:1.5e-3 &
family 96 0.0067:12000:3e-3 0.0035:6000:1.5e-3 0.0018:6000:1.5e-3
wait
