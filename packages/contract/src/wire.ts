import type { Mode } from './bundle.ts';
import type { Credentials, JoinRequest, RenewRequest } from './enrolment.ts';
import type { Code } from './errors.ts';
import { DroverError, FAILURES } from './errors.ts';
import type * as enrolment from './gen/drover/agent/v1/enrolment.ts';
import type * as facts from './gen/drover/agent/v1/facts.ts';
import type * as fleet from './gen/drover/agent/v1/fleet.ts';
import type { AgentEvent, DriftReport, Facts, LeftReport, ObjectReport, Severity, UnitReport } from './report.ts';
import type { BlockedOn, Blocker, Health, State } from './state.ts';
import { BLOCKERS, STATES } from './state.ts';
import type { AgentMessage, HubMessage, Report, Seen } from './stream.ts';

/**
 * Between protobuf and the types of the contract. An entry of its own: it loads gRPC, which only adapters need.
 *
 * Reading is strict about what is counted and named (numbers, unit names) and lenient about closed lists: a word that
 * this version does not know becomes the one that proves nothing (`Unknown`, `Observe`, `UNEXPECTED`).
 */
export { EnrolmentClient, EnrolmentService } from './gen/drover/agent/v1/enrolment.ts';
export type { EnrolmentServer } from './gen/drover/agent/v1/enrolment.ts';
export { Down, FleetClient, FleetService, Up } from './gen/drover/agent/v1/fleet.ts';
export type { FleetServer } from './gen/drover/agent/v1/fleet.ts';
export { fromServiceError, toServiceError } from './wire-error.ts';

const HEALTHS: readonly Health[] = ['Current', 'InProgress', 'Failed', 'Terminating', 'NotFound', 'Unknown'];
const SEVERITIES: readonly Severity[] = ['Info', 'Warning', 'Error'];
const UNIT_NAME = /^[a-z0-9][a-z0-9.-]*\/[a-z0-9][a-z0-9.-]*$/;

/** @throws DroverError MESSAGE_REFUSED naming the field */
export function fromUp(up: fleet.Up): AgentMessage {
  switch (up.message?.$case) {
    case 'hello': {
      const { value } = up.message;
      const units = new Map([...value.units].map(([unit, checksum]) => [unitNameFrom(unit), checksum]));
      return {
        type: 'hello',
        protocol: value.protocol,
        agentVersion: value.agentVersion,
        instance: value.instance,
        leaseTransitions: count(value.leaseTransitions, 'lease_transitions'),
        uid: value.uid,
        ...seenFrom(value.seen),
        checksums: { units, ...(value.facts === '' ? {} : { facts: value.facts }) },
      };
    }
    case 'report':
      return { type: 'report', ...reportFrom(up.message.value) };
    case 'heartbeat':
      return { type: 'heartbeat', ...seenFrom(up.message.value.seen) };
    default:
      throw refused('message', 'is of no known kind');
  }
}

export function toUp(message: AgentMessage): fleet.Up {
  switch (message.type) {
    case 'hello':
      return {
        message: {
          $case: 'hello',
          value: {
            protocol: message.protocol,
            agentVersion: message.agentVersion,
            instance: message.instance,
            leaseTransitions: int(message.leaseTransitions),
            uid: message.uid,
            seen: toSeen(message.seen),
            units: new Map(message.checksums.units),
            facts: message.checksums.facts ?? '',
          },
        },
      };
    case 'report':
      return { message: { $case: 'report', value: toReport(message) } };
    case 'heartbeat':
      return { message: { $case: 'heartbeat', value: { seen: toSeen(message.seen) } } };
  }
}

/** Undefined for a message of a newer hub: it is ignored. */
export function fromDown(down: fleet.Down): HubMessage | undefined {
  switch (down.message?.$case) {
    case 'welcome':
      return { type: 'welcome', ...down.message.value };
    case 'ack':
      return { type: 'ack', seq: count(down.message.value.seq, 'seq') };
    case 'reconcileNow': {
      const { unit } = down.message.value;
      return unit === undefined ? { type: 'reconcile' } : { type: 'reconcile', unit };
    }
    case 'resync':
      return { type: 'resync', ...down.message.value };
    case 'notice':
      return { type: 'notice', code: codeFrom(down.message.value.code), message: down.message.value.message };
    case undefined:
      return undefined;
  }
}

export function toDown(message: HubMessage): fleet.Down {
  switch (message.type) {
    case 'welcome':
      return { message: { $case: 'welcome', value: { protocol: message.protocol, accepted: message.accepted } } };
    case 'ack':
      return { message: { $case: 'ack', value: { seq: int(message.seq) } } };
    case 'reconcile':
      return { message: { $case: 'reconcileNow', value: { unit: message.unit } } };
    case 'resync':
      return { message: { $case: 'resync', value: { units: [...message.units], facts: message.facts } } };
    case 'notice':
      return { message: { $case: 'notice', value: { code: message.code, message: message.message } } };
  }
}

/** @throws DroverError MESSAGE_REFUSED naming the field */
export function fromJoin(request: enrolment.JoinRequest): JoinRequest {
  return {
    token: request.token,
    csr: request.csr,
    sealingKey: request.sealingKey.toString('base64'),
    uid: request.uid,
    natsUser: request.natsUser,
    ...seenFrom(request.seen),
    ...(request.facts === undefined ? {} : { facts: factsFrom(request.facts) }),
    ...(request.name === '' ? {} : { name: request.name }),
  };
}

export function toJoin(request: JoinRequest): enrolment.JoinRequest {
  return {
    token: request.token,
    csr: Buffer.from(request.csr),
    sealingKey: Buffer.from(request.sealingKey, 'base64'),
    uid: request.uid,
    natsUser: request.natsUser,
    seen: toSeen(request.seen),
    facts: request.facts === undefined ? undefined : toFacts(request.facts),
    name: request.name ?? '',
  };
}

export function fromRenew(request: enrolment.RenewRequest): RenewRequest {
  return { certificate: request.certificate, signature: request.signature, time: count(request.time, 'time') };
}

export function toRenew(request: RenewRequest): enrolment.RenewRequest {
  return {
    certificate: Buffer.from(request.certificate),
    signature: Buffer.from(request.signature),
    time: int(request.time),
  };
}

export function toCredentials(credentials: Credentials): enrolment.Credentials {
  return { ...credentials, natsUrls: [...credentials.natsUrls], headKeys: [...credentials.headKeys] };
}

function reportFrom(report: fleet.Report): Report {
  return {
    seq: count(report.seq, 'seq'),
    ...seenFrom(report.seen),
    ...(report.facts === undefined ? {} : { facts: factsFrom(report.facts) }),
    units: report.units.map(unitFrom),
    left: report.left.map(leftFrom),
    events: report.events.map(eventFrom),
    badBlobs: report.badBlobs,
  };
}

function toReport(report: Report): fleet.Report {
  return {
    seq: int(report.seq),
    seen: toSeen(report.seen),
    facts: report.facts === undefined ? undefined : toFacts(report.facts),
    units: report.units.map(toUnit),
    left: report.left.map((left) => ({ unit: left.unit, done: left.done, remaining: left.remaining.map(toObject) })),
    events: report.events.map((event) => ({ unit: undefined, object: undefined, ...event, time: int(event.time) })),
    badBlobs: [...report.badBlobs],
  };
}

function unitFrom(unit: fleet.UnitReport): UnitReport {
  return {
    unit: unitNameFrom(unit.unit),
    state: oneOf<State>(STATES, unit.state, 'Unknown'),
    since: count(unit.since, 'since'),
    epoch: count(unit.epoch, 'epoch'),
    generation: count(unit.generation, 'generation'),
    wanted: unit.wanted,
    ...(unit.applied === undefined ? {} : { applied: unit.applied }),
    healthy: unit.healthy,
    objects: { total: count(unit.total, 'total'), ready: count(unit.ready, 'ready') },
    changes: {
      created: count(unit.created, 'created'),
      configured: count(unit.configured, 'configured'),
      unchanged: count(unit.unchanged, 'unchanged'),
      deleted: count(unit.deleted, 'deleted'),
    },
    problems: unit.problems.map(objectFrom),
    drift: unit.drift.map(driftFrom),
    ...(unit.lastUndone === undefined ? {} : { lastUndone: driftFrom(unit.lastUndone) }),
    blockedOn: unit.blockedOn.map(blockedFrom),
    suspended: unit.suspended,
    mode: oneOf<Mode>(['Enforce', 'Observe'], unit.mode, 'Observe'),
    message: unit.message,
  };
}

function toUnit(unit: UnitReport): fleet.UnitReport {
  const { objects, changes } = unit;
  return {
    unit: unit.unit,
    state: unit.state,
    since: int(unit.since),
    epoch: int(unit.epoch),
    generation: int(unit.generation),
    wanted: unit.wanted,
    applied: unit.applied,
    healthy: unit.healthy,
    total: int(objects.total),
    ready: int(objects.ready),
    created: int(changes.created),
    configured: int(changes.configured),
    unchanged: int(changes.unchanged),
    deleted: int(changes.deleted),
    problems: unit.problems.map(toObject),
    drift: unit.drift.map(toDrift),
    lastUndone: unit.lastUndone === undefined ? undefined : toDrift(unit.lastUndone),
    blockedOn: unit.blockedOn.map((blocked) => ({
      kind: blocked.kind,
      message: blocked.message,
      since: int(blocked.since),
      until: blocked.until === undefined ? undefined : int(blocked.until),
      by: blocked.by,
    })),
    suspended: unit.suspended,
    mode: unit.mode,
    message: unit.message,
  };
}

function objectFrom(object: fleet.ObjectReport): ObjectReport {
  return {
    key: object.key,
    health: oneOf<Health>(HEALTHS, object.health, 'Unknown'),
    ...(object.code === undefined ? {} : { code: codeFrom(object.code) }),
    message: object.message,
  };
}

function toObject(object: ObjectReport): fleet.ObjectReport {
  return { key: object.key, health: object.health, code: object.code, message: object.message };
}

function driftFrom(drift: fleet.DriftReport): DriftReport {
  return {
    key: drift.key,
    kind: drift.kind === 'Missing' ? 'Missing' : 'Differs',
    paths: drift.paths,
    ...(drift.manager === undefined ? {} : { manager: drift.manager }),
    message: drift.message,
    at: count(drift.at, 'at'),
  };
}

function toDrift(drift: DriftReport): fleet.DriftReport {
  return {
    key: drift.key,
    kind: drift.kind,
    paths: [...drift.paths],
    manager: drift.manager,
    message: drift.message,
    at: int(drift.at),
  };
}

function blockedFrom(blocked: fleet.BlockedOn): BlockedOn {
  return {
    kind: oneOf<Blocker>(BLOCKERS, blocked.kind, 'Error'),
    message: blocked.message,
    since: count(blocked.since, 'since'),
    ...(blocked.until === undefined ? {} : { until: count(blocked.until, 'until') }),
    ...(blocked.by === undefined ? {} : { by: blocked.by }),
  };
}

function leftFrom(left: fleet.LeftReport): LeftReport {
  return { unit: unitNameFrom(left.unit), done: left.done, remaining: left.remaining.map(objectFrom) };
}

function eventFrom(event: fleet.Event): AgentEvent {
  return {
    id: event.id,
    time: count(event.time, 'time'),
    severity: oneOf<Severity>(SEVERITIES, event.severity, 'Info'),
    reason: event.reason,
    ...(event.unit === undefined ? {} : { unit: event.unit }),
    ...(event.object === undefined ? {} : { object: event.object }),
    message: event.message,
  };
}

function factsFrom(value: facts.Facts): Facts {
  return { agentVersion: value.agentVersion, kubernetesVersion: value.kubernetesVersion, apiResources: value.apiResources };
}

function toFacts(value: Facts): facts.Facts {
  return { ...value, apiResources: [...value.apiResources] };
}

function seenFrom(seen: facts.Seen | undefined): { readonly seen?: Seen } {
  if (seen === undefined) return {};
  const { fleet: name, content } = seen;
  return { seen: { fleet: name, epoch: count(seen.epoch, 'epoch'), generation: count(seen.generation, 'generation'), content } };
}

function toSeen(seen: Seen | undefined): facts.Seen | undefined {
  if (seen === undefined) return undefined;
  return { fleet: seen.fleet, epoch: int(seen.epoch), generation: int(seen.generation), content: seen.content };
}

function codeFrom(code: string): Code {
  return Object.hasOwn(FAILURES, code) ? (code as Code) : 'UNEXPECTED';
}

function oneOf<T extends string>(list: readonly T[], word: string, otherwise: T): T {
  return (list as readonly string[]).includes(word) ? (word as T) : otherwise;
}

function count(value: bigint, field: string): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw refused(field, 'is no counting number');
  return Number(value);
}

function int(value: number): bigint {
  return BigInt(Math.max(0, Math.trunc(value)));
}

function unitNameFrom(name: string): string {
  if (name.length > 512 || !UNIT_NAME.test(name)) throw refused('unit', 'is no namespace/name');
  return name;
}

function refused(field: string, what: string): DroverError {
  return new DroverError('MESSAGE_REFUSED', 'message', `${field} ${what}`);
}
