#!/bin/sh
# Everything on this page again, into .cache/results: sh docs/results/run.sh [recipe …]
# LIMIT is the number of questions a task and condition; a run that was ended goes on where it was. `resolution` needs a model
# that sees several sizes, MODEL, and is run where it is named.
set -eu
cd "$(dirname "$0")/../.." && mkdir -p .cache/results
for recipe in ${*:-paper-kr attention-vs-random failure-modes video}; do
  node bin/fastv.js sweep --recipe "$recipe" ${MODEL:+--model "$MODEL"} --limit "${LIMIT:-20}" -o ".cache/results/$recipe" >".cache/results/$recipe.txt"
  node bin/fastv.js report ".cache/results/$recipe"
done
