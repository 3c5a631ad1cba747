/** What hub, agent and CLI agree on: pure, no clock, no world. */
export * from './blob.ts';
export * from './bundle.ts';
export * from './canonical.ts';
export * from './digest.ts';
export * from './enrolment.ts';
export * from './envelope.ts';
export * from './errors.ts';
export * from './head.ts';
export { healthOf } from './health/health.ts';
export * from './object.ts';
export * from './order.ts';
export * from './packed-object.ts';
export * from './ports.ts';
export * from './report.ts';
export * from './seal.ts';
export * from './state.ts';
export * from './stream.ts';
export * from './subjects.ts';
