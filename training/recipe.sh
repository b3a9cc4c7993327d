#!/bin/sh
# Data, tower, a decoder of four layers, the same grown to ten, export. Minutes are for 2 idle CPU cores; on a GPU,
# BATCH=256 and the same minutes see ten times the images.
set -eu
cd "$(dirname "$0")"
BATCH=${BATCH:-24}
SCALE=${SCALE:-1} # multiplies every stage's minutes
minutes() { awk "BEGIN { print $1 * $SCALE }"; }
mkdir -p runs
fastv="node ../bin/fastv.js scenes runs"
[ -f runs/train.jsonl ] || $fastv --layout conversations --count "${IMAGES:-100000}"
for n in 2 3 4 5 6 8; do
  [ -f runs/train-$n.jsonl ] || $fastv --layout conversations --images-per-conversation $n --count 12000
done
for split in validation test hard; do
  [ -f runs/$split.jsonl ] || $fastv --split $split --count 500 --no-images --no-sheet
done
# the tower needs scenes alone: those of the conversations do
[ -f runs/tower.jsonl ] || python -c "
import json
with open('runs/tower.jsonl', 'w') as out:
    for line in open('runs/train.jsonl'):
        out.write(json.dumps(json.loads(line)['scenes'][0]) + '\n')
"
python train_tower.py --scenes runs/tower.jsonl --minutes "$(minutes 14)" --muon-lr 0.02 --out runs/tower.pt
python train_tower.py --scenes runs/tower.jsonl --minutes "$(minutes 8)" --muon-lr 0.01 --adam-lr 1e-3 \
  --init runs/tower.pt --anchor runs/tower.pt --more-texts 8 --out runs/tower2.pt
python train.py --tower runs/tower2.pt --layers 4 --minutes "$(minutes 15)" --batch "$BATCH" --out runs/four.pt
python train.py --init runs/four.pt --grow 10 --minutes "$(minutes 90)" --batch "$BATCH" --cooldown 0.6 \
  --captions-every 12 --two-turns 0.05 --sequences runs/train-4.jsonl runs/train-2.jsonl runs/train-5.jsonl \
  runs/train-3.jsonl runs/train-6.jsonl runs/train-8.jsonl --sequences-every 3 --out runs/final.pt
python export.py runs/final.pt --check
