#!/usr/bin/env bash
# A small SegPIC (N=32, M=64) on the shared COCO images with their masks: a base from scratch, each λ from it, then an
# encoder per category and the control arm. From the project's root; LIC_DATA names the photographs; started again, it goes on.
set -euo pipefail
export OMP_NUM_THREADS=1
output=${LIC_OUTPUT:-outputs}
small=(codec.N=32 codec.M=64 trainer=cpu optimizer=soap scheduler=onecycle trainer.max_epochs=-1
  data.batch_size=2 data.cache=true data.workers=0 callbacks.progress_bar=null)

pretrain() { # NAME LMBDA STEPS LEARNING_RATE FROM
  lic train experiment=segpic_pretrain "${small[@]}" data.epoch_size=400 test_sets=none "lmbda=$2" "trainer.max_steps=$3" \
    "optimizer.lr=$4" "codec.weights=$5" "hydra.run.dir=$output/segpic_pretrain/$1"
  lic export "$output/segpic_pretrain/$1" "$output/segpic/$1.pth.tar"
}

tune() { # CATEGORIES, then overrides
  lic train -m experiment=category_dependent/reduced codec=segpic "${small[@]}" sweep=category_dependent_reduced_segpic \
    codec.weights='${paths.output}/segpic/${lmbda}.pth.tar' data.epoch_size=200 trainer.max_steps=100 \
    optimizer.lr=4e-4 evaluation.classic=[] lmbda=0.0035,0.0067,0.013,0.025 "category=$1" test_sets=categories
}

base="$output/segpic/base.pth.tar"
pretrain base 0.013 1500 2e-3 none
pretrain 0.013 0.013 400 1e-3 "$base"
pretrain 0.0067 0.0067 400 1e-3 "$base"
pretrain 0.0035 0.0035 400 1e-3 "$output/segpic/0.0067.pth.tar"
pretrain 0.025 0.025 400 1e-3 "$base"
tune portrait,food,landscape
tune general
