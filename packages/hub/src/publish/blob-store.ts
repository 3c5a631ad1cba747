import type { BlobName } from '@drover/contract';
import { DroverError, sha256Hex } from '@drover/contract';
import type { Files } from '#ports';

/** The encrypted bytes that NATS carries, on disk: `blobs/<2 hex>/<name>`. */
export interface BlobStore {
  /** Durable when it returns. */
  write(name: BlobName, bytes: Uint8Array): Promise<void>;
  /** Undefined when the file is absent or its bytes are not those of its name. */
  read(name: BlobName): Promise<Uint8Array | undefined>;
  remove(name: BlobName): Promise<void>;
  list(): Promise<ReadonlySet<BlobName>>;
}

const NAME = /^[0-9a-f]{64}$/;

export function isBlobName(text: string): boolean {
  return NAME.test(text);
}

/** @param directory absolute path of `blobs/` */
export function createBlobStore(files: Files, directory: string): BlobStore {
  const made = new Set<string>();

  function folderOf(name: BlobName): string {
    if (!isBlobName(name)) throw new DroverError('UNEXPECTED', 'blob', `${name.slice(0, 80)} is no name of a blob`);
    return `${directory}/${name.slice(0, 2)}`;
  }

  return {
    async write(name, bytes) {
      const folder = folderOf(name);
      if (!made.has(folder)) await files.makeDirectory(folder, 0o700);
      made.add(folder);
      await files.writeAtomic(`${folder}/${name}`, bytes, 0o600);
    },
    async read(name) {
      const bytes = await files.read(`${folderOf(name)}/${name}`);
      return bytes !== undefined && sha256Hex(bytes) === name ? bytes : undefined;
    },
    remove: (name) => files.remove(`${folderOf(name)}/${name}`),
    async list() {
      const names = new Set<BlobName>();
      for (const folder of (await files.list(directory)) ?? []) {
        if (!folder.directory) continue;
        for (const file of (await files.list(`${directory}/${folder.name}`)) ?? []) if (isBlobName(file.name)) names.add(file.name);
      }
      return names;
    },
  };
}
