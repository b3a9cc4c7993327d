// The picture: one of the page's, a file (chosen, dropped or pasted), or the camera.
import { useEffect, useRef, useState } from 'preact/hooks';
import { BUNDLED } from '../engine/types.js';
import { openFile, openFrame } from '../pictures.js';
import {
  bring,
  choose,
  compare,
  model,
  picture,
  pictures,
  problem,
  pruned,
  settings,
  shownLayer,
} from '../state.js';
import { Patches } from './patches.js';

export function PictureChoice() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const paste = (event: ClipboardEvent): void => {
      const [file] = event.clipboardData?.files ?? [];
      if (file !== undefined) void bring(() => openFile(file));
    };
    document.addEventListener('paste', paste);
    return () => {
      document.removeEventListener('paste', paste);
    };
  }, []);
  const { value: shown } = picture;
  const own = shown?.name === '' && settings.value.model === BUNDLED;
  return (
    <section aria-label="Picture" class="stack">
      <div
        class={over ? 'frame over' : 'frame'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => {
          setOver(false);
        }}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          const [file] = event.dataTransfer?.files ?? [];
          if (file !== undefined) void bring(() => openFile(file));
        }}
      >
        {shown === undefined ? (
          <p class="hint">No picture yet</p>
        ) : (
          <Patches
            pixels={shown.pixels}
            alt={shown.alt}
            grid={gridAt(shownLayer.value)}
            square={model.value?.cropsSquare ?? false}
          />
        )}
      </div>
      <Tiles />
      {own && (
        <p class="hint">
          The bundled model knows synthetic scenes only: it will answer, and be wrong. Load a model of the
          hub, below, for pictures of your own.
        </p>
      )}
      <div class="thumbnails" role="group" aria-label="Pictures that come with the page">
        {pictures.value.map((bundled) => (
          <button
            type="button"
            key={bundled.name}
            aria-pressed={bundled.name === shown?.name}
            aria-label={bundled.alt}
            title={bundled.alt}
            onClick={() => void choose(bundled).then(compare)}
          >
            <img src={`pictures/${bundled.file}`} alt="" width="48" height="48" loading="lazy" />
          </button>
        ))}
      </div>
      <div class="row">
        <label class="button">
          Open a picture
          <input
            type="file"
            accept="image/png,image/jpeg,image/webp,image/avif,image/gif"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              if (file !== undefined) void bring(() => openFile(file));
              event.currentTarget.value = '';
            }}
          />
        </label>
        <Camera />
        <span class="hint">or drop or paste one</span>
      </div>
    </section>
  );
}

/** The patches of the only image that are seen in a layer; undefined where all are. */
function gridAt(layer: number | undefined) {
  const { answered } = pruned.value;
  if (answered === undefined) return undefined;
  const stage = answered.stages.filter((one) => layer === undefined || one.layer <= layer).at(-1);
  return stage?.images.length === 1 ? stage.images[0] : undefined;
}

/** A picture of several tiles: how many patches each keeps. */
function Tiles() {
  const images = pruned.value.answered?.stages.at(-1)?.images ?? [];
  if (images.length < 2) return null;
  return (
    <p class="hint">
      This model sees the picture as {images.length} tiles; of them it keeps{' '}
      {images.map(({ kept, rows, columns }) => `${kept.length} of ${rows * columns}`).join(', ')} patches.
    </p>
  );
}

function Camera() {
  const video = useRef<HTMLVideoElement>(null);
  const [stream, setStream] = useState<MediaStream>();
  useEffect(() => {
    if (video.current !== null && stream !== undefined) video.current.srcObject = stream;
    return () => {
      stream?.getTracks().forEach((track) => {
        track.stop();
      });
    };
  }, [stream]);
  const open = (): void => {
    navigator.mediaDevices.getUserMedia({ video: true }).then(setStream, () => {
      problem.value = 'The camera cannot be used: there is none, or it is not allowed.';
    });
  };
  if (stream === undefined)
    return (
      <button type="button" onClick={open}>
        Camera
      </button>
    );
  return (
    <div class="camera">
      <video ref={video} autoplay muted playsInline aria-label="what the camera sees" />
      <button
        type="button"
        onClick={() => {
          const { current } = video;
          if (current === null) return;
          void bring(() => openFrame(current));
          setStream(undefined);
        }}
      >
        Take the picture
      </button>
      <button
        type="button"
        onClick={() => {
          setStream(undefined);
        }}
      >
        Close the camera
      </button>
    </div>
  );
}
