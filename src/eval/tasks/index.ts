/** The built-in tasks and groups of them, by name. */
import { FastvError } from '../../errors.js';
import { nearestName } from '../../runtime/option-names.js';
import { aOkvqa, aOkvqaFastv } from './a-okvqa.js';
import { aOkvqaDirect } from './a-okvqa-direct.js';
import { ai2d } from './ai2d.js';
import { amber } from './amber.js';
import { cocoChair } from './chair.js';
import { chartqa } from './chartqa.js';
import { cocoCaptions } from './coco-captions.js';
import { countbenchQa } from './countbench-qa.js';
import { docvqa, infovqa } from './docvqa.js';
import { flickr30k, flickr30kKarpathy } from './flickr30k.js';
import { gqa } from './gqa.js';
import { hallusionBench } from './hallusion-bench.js';
import { mmbench, mmbenchCircular } from './mmbench.js';
import { mme } from './mme.js';
import { mmmu } from './mmmu.js';
import { mmstar } from './mmstar.js';
import { msrvttQa } from './msrvtt-qa.js';
import { msvdQa } from './msvd-qa.js';
import { mvbench } from './mvbench.js';
import { nocaps } from './nocaps.js';
import { ocrbench } from './ocrbench.js';
import { ocrVqa } from './ocr-vqa.js';
import { ocrVqaFastv } from './ocr-vqa-fastv.js';
import { pcaBench } from './pca-bench.js';
import { pope } from './pope.js';
import { realworldqa } from './realworldqa.js';
import { refcoco, refcocog, refcocoPlus } from './refcoco.js';
import { scienceqaImg } from './scienceqa-img.js';
import { seedBench } from './seed-bench.js';
import { textvqa, textvqaOcr } from './textvqa.js';
import { tgifQa } from './tgif-qa.js';
import { videoMme } from './video-mme.js';
import { vizwiz } from './vizwiz.js';
import { vqav2 } from './vqav2.js';
import { vstarBench } from './vstar-bench.js';
import { SCENE_GROUPS, SCENE_TASKS } from './scenes.js';
import type { Task } from './task.js';

/** Every built-in task. */
export const TASKS: ReadonlyMap<string, Task> = new Map(
  [
    ...SCENE_TASKS,
    nocaps,
    flickr30k,
    flickr30kKarpathy,
    cocoCaptions,
    aOkvqa,
    aOkvqaFastv,
    aOkvqaDirect,
    mmmu,
    ocrVqa,
    ocrVqaFastv,
    pcaBench,
    vqav2,
    gqa,
    textvqa,
    textvqaOcr,
    scienceqaImg,
    ai2d,
    seedBench,
    pope,
    mme,
    mmbench,
    mmbenchCircular,
    tgifQa,
    msvdQa,
    msrvttQa,
    ...refcoco,
    ...refcocoPlus,
    ...refcocog,
    ocrbench,
    docvqa,
    infovqa,
    chartqa,
    mmstar,
    vizwiz,
    hallusionBench,
    amber,
    cocoChair,
    countbenchQa,
    realworldqa,
    vstarBench,
    videoMme,
    ...mvbench,
  ].map((task) => [task.name, task]),
);

function namesOf(tasks: readonly Task[]): readonly string[] {
  return tasks.map(({ name }) => name);
}

/** Names that stand for several tasks. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  ...SCENE_GROUPS,
  /** What Table 1 of the FastV paper is about. */
  'fastv-table-1': ['nocaps', 'flickr30k-karpathy', 'a-okvqa', 'mmmu'],
  captions: ['nocaps', 'flickr30k', 'coco-captions'],
  refcoco: namesOf(refcoco),
  'refcoco-plus': namesOf(refcocoPlus),
  refcocog: namesOf(refcocog),
  mvbench: namesOf(mvbench),
  'video-qa': ['tgif-qa', 'msvd-qa', 'msrvtt-qa'],
};

/**
 * The tasks that names stand for, in order, each once.
 * @throws FastvError `invalid-option` for a name that is neither a task nor a group
 */
export function findTasks(names: readonly string[], own: readonly Task[] = []): readonly Task[] {
  const found = new Map<string, Task>();
  for (const name of names) {
    for (const one of GROUPS[name] ?? [name]) {
      const task = own.find((t) => t.name === one) ?? TASKS.get(one);
      if (task === undefined) {
        const known = [...Object.keys(GROUPS), ...TASKS.keys(), ...own.map((t) => t.name)];
        const near = nearestName(name.slice(0, 100), known);
        throw new FastvError('invalid-option', `no task is named ${JSON.stringify(name.slice(0, 100))}`, {
          where: '--tasks',
          hint: `${near === undefined ? '' : `did you mean ${near}? `}tasks: ${[...TASKS.keys()].join(', ')}; groups: ${Object.keys(GROUPS).join(', ')}`,
        });
      }
      found.set(one, task);
    }
  }
  return [...found.values()];
}
