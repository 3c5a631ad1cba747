import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { sql } from 'kysely';

/** Static, so that they survive bundling; a store with a migration that is not listed here was written by a newer hub. */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-main-path': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of MAIN_PATH) await sql.raw(statement).execute(db);
    },
  },
  '0002-unit-changed': {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of UNIT_CHANGED) await sql.raw(statement).execute(db);
    },
  },
};

const MAIN_PATH = [
  `create table meta (key text primary key, value text not null)`,
  `create table event (id integer primary key autoincrement, time integer not null, severity text not null, reason text not null,
     unit text, cluster text, object text, message text not null, actor text)`,
  `create table source (kind text not null, namespace text not null, name text not null, spec text not null, sha text, revision text,
     "commit" text, last_fetch integer, last_webhook integer, problem text, problem_since integer, primary key (kind, namespace, name))`,
  `create table delivery (namespace text not null, name text not null, spec text not null, config_hash text not null, problem text,
     removed_at integer, release integer not null, revision text, primary key (namespace, name))`,
  `create table cluster (uid text primary key, name text not null unique, namespace text not null, accepted integer not null, labels text not null,
     mode text not null, sealing_key text not null, identity_key text not null, nats_user text, facts text, agent_version text,
     joined_at integer not null, last_seen integer, online integer not null, seen_fleet text, seen_epoch integer not null,
     seen_generation integer not null, applied_content text)`,
  `create table token (id text primary key, kind text not null, hash text not null, name text, cluster text, labels text not null,
     enforce integer not null, role text, max_uses integer not null, uses integer not null, expires_at integer, created_at integer not null,
     revoked_at integer)`,
  `create table release (namespace text not null, delivery text not null, number integer not null, revision text not null, "commit" text not null,
     config_hash text not null, created_at integer not null, deletes integer not null, primary key (namespace, delivery, number))`,
  `create table release_unit (namespace text not null, delivery text not null, number integer not null, cluster text not null, digest text,
     problem text, primary key (namespace, delivery, number, cluster))`,
  `create table rollout (namespace text not null, delivery text not null, number integer not null, state text not null, started_at integer not null,
     ended_at integer, primary key (namespace, delivery, number))`,
  `create table rollout_stage (namespace text not null, delivery text not null, stage text not null, position integer not null, current integer,
     candidate integer, state text not null, since integer not null, primary key (namespace, delivery, stage))`,
  `create table rollout_cluster (namespace text not null, delivery text not null, number integer not null, stage text not null, cluster text not null,
     state text not null, since integer not null, primary key (namespace, delivery, number, cluster))`,
  `create table unit (namespace text not null, delivery text not null, cluster text not null, rendered text, rendered_revision text, problem text,
     wanted text, wanted_release integer, wanted_revision text, published text, published_release integer, published_revision text,
     held text not null, presence text not null, note text, report text, reported_at integer, applied text, applied_release integer, applied_revision text,
     state text not null, since integer not null, message text not null, drift integer not null, primary key (namespace, delivery, cluster))`,
  `create index unit_cluster on unit (cluster)`,
  `create index unit_state on unit (state)`,
  `create table unit_content (digest text primary key, unit text not null, manifest text not null, objects text not null,
     blobs text not null)`,
  `create table object_content (digest text primary key, place text not null)`,
  `create table blob (name text primary key, size integer not null, created_at integer not null, unreferenced_since integer)`,
  `create table head (cluster text primary key, sealing_key text not null, epoch integer not null, generation integer not null,
     content text not null, manifest text not null,
     envelope blob not null, sealed blob, created_at integer not null, published integer not null)`,
  `create table suspension (target text primary key, by text not null, message text not null, since integer not null, until integer)`,
  `create table render_closure (lookup text not null, closure text not null, reads text not null, result text not null, used_at integer not null,
     primary key (lookup, closure))`,
  `create table render_result (key text primary key, bytes blob not null)`,
  `create index render_closure_result on render_closure (result)`,
];

const UNIT_CHANGED = [
  `alter table unit add column changed_epoch integer not null default 0`,
  `alter table unit add column changed_generation integer not null default 0`,
];
