import path from 'node:path';
import type { z } from 'zod';
import { fieldsOf } from '../../api/fields.ts';
import { Settings } from '../../config.ts';
import { didYouMean } from '../../nearest.ts';
import { err, ok, type Result } from '../../result.ts';
import { isPlainObject, type Layer, type SettingProblem } from './layers.ts';

/** Base directories of the XDG specification, absolute. */
export type Places = { readonly home: string; readonly configHome: string; readonly stateHome: string };

/** @param layers weakest first; the last one that names a value wins */
export function resolveSettings(layers: readonly Layer[], places: Places): Result<Settings, readonly SettingProblem[]> {
  const values = layers.reduce<Record<string, unknown>>((all, layer) => merge(all, layer.values), {});
  if ('cluster' in values && 'clusters' in values) return err([oneOrSeveral(values.cluster, layers)]);
  const parsed = Settings.safeParse(values);
  if (!parsed.success) return err(parsed.error.issues.flatMap((issue) => tell(issue, layers)));
  return ok(withPaths(parsed.data, layers, places));
}

/** https://specifications.freedesktop.org/basedir-spec: values that are not absolute do not count. */
export function placesOf(environment: Readonly<Record<string, string | undefined>>, home: string): Places {
  const absolute = (value: string | undefined, fallback: string) =>
    value && path.isAbsolute(value) ? value : fallback;
  return {
    home,
    configHome: absolute(environment.XDG_CONFIG_HOME, path.join(home, '.config')),
    stateHome: absolute(environment.XDG_STATE_HOME, path.join(home, '.local', 'state')),
  };
}

/** Told where the one stands, which may be a flag. */
function oneOrSeveral(cluster: unknown, layers: readonly Layer[]): SettingProblem {
  const [key] = isPlainObject(cluster) ? Object.keys(cluster) : [];
  const at = ['cluster', ...(key === undefined ? [] : [key])];
  return {
    where: sourceOf(at, layers),
    key: at.join('.'),
    message:
      'is for one cluster, and `clusters` lists several: say what it says in an item of the list, and leave it out',
  };
}

function tell(issue: z.core.$ZodIssue, layers: readonly Layer[]): readonly SettingProblem[] {
  const at = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsOf(Settings)
      .map((field) => field.path.split('.'))
      .filter((known) => known.length === at.length + 1 && at.every((key, i) => known[i] === key))
      .map((known) => known.at(-1) ?? '');
    return issue.keys.map((key) => ({
      where: sourceOf([...at, key], layers),
      key: [...at, key].join('.'),
      message: `is no setting.${didYouMean(key, known)}`,
    }));
  }
  return [{ where: sourceOf(at, layers), key: at.join('.'), message: issue.message }];
}

function sourceOf(at: readonly string[], layers: readonly Layer[]): string {
  const from = layers.findLast((layer) => holds(layer.values, at));
  return from ? from.where(at) : 'default';
}

function holds(values: unknown, at: readonly string[]): boolean {
  const [head, ...rest] = at;
  if (head === undefined) return true;
  if (Array.isArray(values)) return true;
  return isPlainObject(values) && head in values && holds(values[head], rest);
}

function merge(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isPlainObject(value) && isPlainObject(below) ? merge(below, value) : value;
  }
  return merged;
}

function withPaths(settings: Settings, layers: readonly Layer[], places: Places): Settings {
  const absolute = (value: string, ...at: string[]) => {
    const from = layers.findLast((layer) => holds(layer.values, at));
    return path.resolve(from?.base ?? places.home, expand(value, places));
  };
  const { kubeconfig, tenancyFile } = settings.kubernetes;
  const restOf = ({ socket, tokenFile, caFile, ...rest }: Settings['cluster']['rest'], ...at: readonly string[]) => ({
    ...rest,
    ...(socket !== undefined && { socket: absolute(socket, ...at, 'rest', 'socket') }),
    ...(tokenFile !== undefined && { tokenFile: absolute(tokenFile, ...at, 'rest', 'tokenFile') }),
    ...(caFile !== undefined && { caFile: absolute(caFile, ...at, 'rest', 'caFile') }),
  });
  const sshOf = (ssh: Settings['cluster']['ssh'], ...at: readonly string[]) => ({
    ...ssh,
    ...(ssh.configFile !== undefined && { configFile: absolute(ssh.configFile, ...at, 'ssh', 'configFile') }),
  });
  return {
    ...settings,
    kubernetes: {
      ...settings.kubernetes,
      ...(kubeconfig !== undefined && { kubeconfig: absolute(kubeconfig, 'kubernetes', 'kubeconfig') }),
      ...(tenancyFile !== undefined && { tenancyFile: absolute(tenancyFile, 'kubernetes', 'tenancyFile') }),
    },
    directory: absolute(settings.directory, 'directory'),
    logDirectory: absolute(settings.logDirectory, 'logDirectory'),
    ...(settings.catalogDirectory !== undefined && {
      catalogDirectory: absolute(settings.catalogDirectory, 'catalogDirectory'),
    }),
    secretDirectory: absolute(settings.secretDirectory, 'secretDirectory'),
    cluster: {
      ...settings.cluster,
      ssh: sshOf(settings.cluster.ssh, 'cluster'),
      rest: restOf(settings.cluster.rest, 'cluster'),
    },
    ...(settings.clusters && {
      clusters: settings.clusters.map((cluster, index) => {
        const its = (name: 'logDirectory' | 'secretDirectory') => {
          const directory = cluster[name];
          return directory === undefined ? {} : { [name]: absolute(directory, 'clusters', String(index), name) };
        };
        const rest = restOf(cluster.rest, 'clusters', String(index));
        const ssh = sshOf(cluster.ssh, 'clusters', String(index));
        return { ...cluster, ssh, rest, ...its('logDirectory'), ...its('secretDirectory') };
      }),
    }),
    local: { ...settings.local, directory: absolute(settings.local.directory, 'local', 'directory') },
  };
}

function expand(value: string, places: Places): string {
  const starts: readonly (readonly [string, string])[] = [
    ['~', places.home],
    ['$HOME', places.home],
    ['$XDG_CONFIG_HOME', places.configHome],
    ['$XDG_STATE_HOME', places.stateHome],
  ];
  const found = starts.find(([start]) => value === start || value.startsWith(`${start}/`));
  return found ? found[1] + value.slice(found[0].length) : value;
}
