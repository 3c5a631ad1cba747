// Serves the seeded fleet until it is interrupted: to look at the command line's output by hand.
import { startApi } from '../server-adapter.ts';
import { openFixture } from './open-api.ts';

const fixture = await openFixture();
const api = await startApi({ ...fixture.deps, port: Number(process.argv[2] ?? 0) });
process.stdout.write(`${api.url}\n`);
