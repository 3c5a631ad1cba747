import { DroverError } from '@drover/contract';
import type { Delivery } from '#config/types.ts';
import type { Lookup } from './expression.ts';
import { evaluate, ExpressionError } from './expression.ts';
import type { ReadLog } from './reads.ts';
import { MissingVariable } from './substitute.ts';
import type { RenderCluster } from './types.ts';

export interface Variables {
  readonly lookup: Lookup;
  /** Names that the strategy Loose replaced by nothing, each once. */
  readonly emptied: ReadonlySet<string>;
}

const VARIABLE_NAME = /^[_a-zA-Z][_a-zA-Z0-9]*$/;

/**
 * Variables of `postBuild`, whose values may refer to the cluster, and the cluster's own. What of the cluster is asked
 * for is logged as an input.
 *
 * @throws DroverError SUBSTITUTE_INVALID for a bad name or value in `substitute`
 */
export function createVariables(postBuild: NonNullable<Delivery['postBuild']>, cluster: RenderCluster, reads: ReadLog): Variables {
  const emptied = new Set<string>();
  const fromCluster = (reference: string): string | undefined => clusterInput(reference, cluster, reads);
  const inValues: Lookup = {
    variable: () => undefined,
    cluster: fromCluster,
    missing(name) {
      throw new MissingVariable(name);
    },
  };
  const values = new Map<string, string>();
  for (const [name, text] of Object.entries(postBuild.substitute)) {
    const subject = `postBuild.substitute.${name}`;
    if (!VARIABLE_NAME.test(name))
      throw new DroverError('SUBSTITUTE_INVALID', subject, 'a name may hold letters, digits and _, and begins with no digit');
    // as Flux does: a value is one line
    values.set(name, (text.includes('${cluster.') ? valueOf(subject, text, inValues) : text).replaceAll('\n', ''));
  }
  const lookup: Lookup = {
    variable: (name) => values.get(name),
    cluster: fromCluster,
    missing(name) {
      if (postBuild.strategy === 'Strict') throw new MissingVariable(name);
      emptied.add(name);
      return '';
    },
  };
  return { lookup, emptied };
}

function valueOf(subject: string, text: string, lookup: Lookup): string {
  try {
    return evaluate(text, lookup);
  } catch (thrown) {
    if (thrown instanceof ExpressionError) throw new DroverError('SUBSTITUTE_INVALID', subject, thrown.message);
    if (thrown instanceof MissingVariable)
      throw new DroverError('SUBSTITUTE_MISSING', subject, `variable ${thrown.variable} is not defined and has no default`);
    throw thrown;
  }
}

function clusterInput(reference: string, cluster: RenderCluster, reads: ReadLog): string | undefined {
  const input = inputName(reference);
  if (input === undefined) {
    throw new ExpressionError(`cluster.${reference} is none of cluster.name, cluster.labels["key"] and cluster.vars.key`);
  }
  const value = clusterValue(input, cluster);
  reads.input(`cluster/${input}`, value ?? null);
  return value?.replaceAll('\n', '');
}

function inputName(reference: string): string | undefined {
  if (reference === 'name') return 'name';
  const match = /^(labels|vars)(?:\.(.+)|\["(.+)"\])$/.exec(reference);
  return match === null ? undefined : `${match[1]}/${match[2] ?? match[3]}`;
}

/** A value of the cluster by the name it has among the inputs: `name`, `labels/env`, `vars/domain`. */
export function clusterValue(input: string, cluster: RenderCluster): string | undefined {
  if (input === 'name') return cluster.name;
  const slash = input.indexOf('/');
  const from = input.slice(0, slash) === 'labels' ? cluster.labels : cluster.vars;
  const key = input.slice(slash + 1);
  return Object.hasOwn(from, key) ? from[key] : undefined;
}
