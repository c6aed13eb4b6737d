#!/bin/sh
# The reduced experiment: heads on latents, on decoded pixels and on originals, and two joint trainings. From the
# project's root; LIC_DATA names the photographs. Started again, it skips what is finished.
#   sh experiments/compressed_domain_recognition/run.sh [OVERRIDES]
set -eu
: "${PYTHON:=python}"
lic() { "$PYTHON" -W ignore -m lic_lightning.cli recognize -m experiment=recognition_reduced "$@"; }

lic dataset=rsscn7,texture task=frozen,decoded lmbda=0.0018,0.0130,0.0483 "$@"
lic dataset=rsscn7,texture task=originals lmbda=0.0130 "$@"
# A codec that trains costs thirty times the head alone: one rate, ten epochs.
lic dataset=rsscn7 task=joint,joint_ce lmbda=0.0018 trainer.max_epochs=10 "$@"
