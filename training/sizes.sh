#!/bin/sh
# From the published weights to a model that sees pictures at 96, 120 and 144 pixels: data, tower, decoder, export. Minutes are
# for 2 idle CPU cores without bfloat16; a stage that was ended goes on with the same command. On a GPU raise BATCH and leave
# --eager out.
set -eu
cd "$(dirname "$0")"
BATCH=${BATCH:-16}
SCALE=${SCALE:-1} # multiplies every stage's minutes
minutes() { awk "BEGIN { print $1 * $SCALE }"; }
mkdir -p runs/held
fastv="node ../bin/fastv.js scenes"
[ -f runs/train.jsonl ] || $fastv runs --layout conversations --count "${IMAGES:-30000}"
[ -f runs/validation.jsonl ] || $fastv runs --split validation --count 300 --no-images --no-sheet
# scenes that none of the trainings saw
[ -f runs/held/train.jsonl ] || $fastv runs/held --layout conversations --count 400 --start 1000000
[ -f runs/tower.jsonl ] || python -c "
import json
with open('runs/tower.jsonl', 'w') as out:
    for line in open('runs/train.jsonl'):
        out.write(json.dumps(json.loads(line)['scenes'][0]) + '\n')
"
[ -f runs/restored.pt ] || python export.py --restore ../models/scenes-llava runs/restored.pt
python train_tower.py --eager --scenes runs/tower.jsonl --init runs/restored.pt --anchor runs/restored.pt \
  --sizes 96 120 144 144 --more-texts 6 --batch "$BATCH" --muon-lr 0.004 --adam-lr 5e-4 \
  --minutes "$(minutes 40)" --out runs/sizes-tower.pt
[ -f runs/sizes.pt ] && init=runs/sizes.pt || init=runs/restored.pt
python train.py --eager --init $init --resume-optimizer --tower runs/sizes-tower.pt --sizes 96 120 144 144 \
  --batch $((BATCH / 2)) --muon-lr 0.002 --adam-lr 2e-4 --captions-every 24 --warmup 20 --minutes "$(minutes 76)" --out runs/sizes.pt
python evaluate.py sizes runs/sizes.pt --data runs/held/train.jsonl --sizes 96 120 144
python tokenizer.py runs/scenes-llava-sizes
python export.py runs/sizes.pt runs/scenes-llava-sizes --sizes --check
