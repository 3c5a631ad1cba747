import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { digestOf, MAX_BLOB_BYTES, MAX_UNIT_OBJECTS, openBlob, openObject, parseUnitManifest, sha256Hex } from '@drover/contract';
import fc from 'fast-check';
import type { RenderedObject } from '#render/types.ts';
import { manifestBlobs, PACK_BYTES, packObjects, unitManifest } from './pack.ts';

const secret = new Uint8Array(32).fill(3);
const options = { wait: false, drift: 'Correct', intervalMs: 1, retryIntervalMs: 1, timeoutMs: 1, healthChecks: [] } as const;

function rendered(name: string, json: string): RenderedObject {
  return { key: `/ConfigMap/x/${name}`, apiVersion: 'v1', digest: digestOf(json), json };
}

/** Text that does not compress below `bytes`. */
function noise(seed: number, bytes: number): string {
  let text = '';
  for (let block = 0; text.length < bytes * 1.5; block++) text += createHash('sha512').update(`${seed}/${block}`).digest('base64');
  return text;
}

/** What an agent does with a unit manifest and blobs. */
function readBack(objects: readonly RenderedObject[]): readonly string[] {
  const packing = packObjects(secret, objects);
  const stored = new Map(packing.blobs.map(({ name, bytes }) => [name, bytes]));
  const blobs = manifestBlobs(secret, unitManifest('drover/shop', options, objects, packing.places));
  const manifest = parseUnitManifest(Buffer.concat(blobs.map(({ ref, bytes }) => openBlob(ref, bytes))));
  return manifest.objects.map((object) => {
    const pieces = object.parts.map(([blob, offset, length]) => {
      const bytes = stored.get(manifest.blobs[blob] ?? '');
      assert.ok(bytes !== undefined && sha256Hex(bytes) === manifest.blobs[blob]);
      return bytes.subarray(offset, offset + length);
    });
    return Buffer.from(openObject(object, Buffer.concat(pieces))).toString();
  });
}

test('what was packed is read back, whatever the sizes, and equal content lies there once', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: PACK_BYTES - 40, max: PACK_BYTES * 3 }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const objects = sizes.map((bytes, index) => rendered(`o${index}`, `{"a":"${noise(bytes, bytes)}"}`));
      assert.deepEqual(
        readBack(objects),
        objects.map(({ json }) => json),
      );
      const packing = packObjects(secret, objects);
      assert.equal(packing.places.size, new Set(sizes).size);
      for (const { bytes } of packing.blobs) assert.ok(bytes.length <= PACK_BYTES && bytes.length > 0);
    }),
    { numRuns: 30 },
  );
});

test('B19 an object larger than a blob spans several', () => {
  const objects = [rendered('small', '{"a":1}'), rendered('large', `{"a":"${noise(1, 900_000)}"}`)];
  assert.deepEqual(
    readBack(objects),
    objects.map(({ json }) => json),
  );
  const place = packObjects(secret, objects).places.get(objects[1]?.digest ?? '');
  assert.ok((place?.parts.length ?? 0) > 4);
});

test('B19 a manifest of 50,000 objects spans blobs of at most 512 KiB, and one more object is an error', () => {
  const one = rendered('a', '{"a":1}');
  const { places } = packObjects(secret, [one]);
  const objects = Array.from({ length: MAX_UNIT_OBJECTS }, (_, index) => ({ ...one, key: `/ConfigMap/some-namespace/object-${index}` }));
  const blobs = manifestBlobs(secret, unitManifest('drover/shop', options, objects, places));
  assert.ok(blobs.length > 10);
  for (const { bytes } of blobs) assert.ok(bytes.length <= MAX_BLOB_BYTES);
  const read = parseUnitManifest(Buffer.concat(blobs.map(({ ref, bytes }) => openBlob(ref, bytes))));
  assert.equal(read.objects.length, MAX_UNIT_OBJECTS);
  assert.throws(() => unitManifest('drover/shop', options, [...objects, one], places), { code: 'BUNDLE_TOO_LARGE' });
});
