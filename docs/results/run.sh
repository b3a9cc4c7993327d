#!/bin/sh
# Everything on this page again, into .cache/results: sh docs/results/run.sh [sweep …]
# LIMIT is the number of questions a task and condition; a run that was ended goes on where it was. `resolution` needs a model
# that sees several sizes, MODEL, and is run where it is named.
set -eu
cd "$(dirname "$0")/../.." && mkdir -p .cache/results
for sweep in ${*:-paper-kr attention-vs-random averaged failure-modes video}; do
  case $sweep in
    averaged) what="--tasks scenes --layers 1,2,3 --ratios 0.3,0.5,0.64,0.75,0.84,0.9375 --strategies attention --baseline-layers 1" ;;
    *) what="--recipe $sweep" ;;
  esac
  # shellcheck disable=SC2086 # several words
  node bin/fastv.js sweep $what ${MODEL:+--model "$MODEL"} --batch 16 --limit "${LIMIT:-20}" -o ".cache/results/$sweep" >".cache/results/$sweep.txt"
  node bin/fastv.js report ".cache/results/$sweep"
done
