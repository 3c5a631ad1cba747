import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { issueAgentCertificate } from '../../../hub/src/identity/certificates-adapter.ts';
import { random } from '@drover/runtime';
import { certificateAge } from './certificate-age.ts';
import { makeFleet } from './testdata/hub.ts';

const HOUR = 3_600_000;
const keys = await makeFleet();
const uid = keys.fleet;
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const made = Math.floor(Date.now() / 1000) * 1000;
const pem = await issueAgentCertificate(random, keys.ca, { fleet: keys.fleet, uid, publicKey }, made);
const life = new X509Certificate(pem).validToDate.getTime() - new X509Certificate(pem).validFromDate.getTime();

function clockAt(wall: number) {
  let [now, monotonic] = [wall, 1000];
  return {
    clock: { now: () => now, monotonic: () => monotonic },
    pass: (ms: number) => ((now += ms), (monotonic += ms)),
    sleepMachine: (ms: number) => (now += ms),
    step: (ms: number) => (now += ms),
  };
}

test('F26 a certificate just given is young, whatever the clock says', () => {
  for (const off of [0, -10 * 365 * 24 * HOUR, 10 * 365 * 24 * HOUR]) {
    const time = clockAt(made + off);
    assert.equal(certificateAge(pem, time.clock, true).until(0.5), life / 2);
  }
});

test('F26 after a restart the wall clock tells, and one that lies in the past asks for a renewal', () => {
  assert.equal(certificateAge(pem, clockAt(made).clock, false).until(0.5), life / 2 - HOUR);
  assert.ok(certificateAge(pem, clockAt(made + 20 * HOUR).clock, false).until(2 / 3) <= 0);
  assert.ok(certificateAge(pem, clockAt(made - 2 * HOUR).clock, false).until(2 / 3) <= 0);
});

test('time that a machine slept counts, and a step back of the clock takes none away', () => {
  const time = clockAt(made);
  const age = certificateAge(pem, time.clock, true);
  time.pass(HOUR);
  time.sleepMachine(2 * HOUR);
  assert.equal(age.until(0.5), life / 2 - 3 * HOUR);
  time.step(-1000 * HOUR);
  assert.equal(age.until(0.5), life / 2 - HOUR);
});
