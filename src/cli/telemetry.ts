import type { Clock } from '../clock.ts';
import type { Settings } from '../config.ts';
import type { Deps } from '../controller/deps.ts';
import { err, ok, type Result } from '../result.ts';
import type { Store } from '../store/store.ts';
import {
  type Checks,
  checkPage,
  type Endpoints,
  type Pages,
  parseBindAddress,
  serveEndpoints,
} from '../telemetry/endpoints.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics/metrics.ts';
import { packageVersion } from './package.ts';

export type Telemetry = {
  /** Counts what goes through the ports, when anybody may ask. */
  metered(deps: Deps): Deps;
  close(): Promise<void>;
};

/** What each mode is known for; a directory's operator shares its host with others and opens no port unasked. */
const USUAL = {
  directory: { metrics: '0', health: '0' },
  kubernetes: { metrics: ':8080', health: ':8081' },
} as const satisfies Record<Settings['store'], { readonly metrics: string; readonly health: string }>;

/** @returns an error in words when a port cannot be had */
export async function openTelemetry(
  settings: Settings,
  log: Log,
  about: {
    readonly clock: Clock;
    readonly store: Pick<Store, 'list'>;
    readonly ready: Checks;
    readonly leads?: () => boolean;
    readonly rulesTrouble?: () => string | undefined;
  },
): Promise<Result<Telemetry, string>> {
  const usual = USUAL[settings.store];
  const metricsAt = settings.metricsBindAddress ?? usual.metrics;
  const healthAt = settings.healthProbeBindAddress ?? usual.health;
  // Loaded when it is wanted: no other command needs it.
  const { createMetrics } = metricsAt === '0' ? {} : await import('../telemetry/metrics/metrics.ts');
  const metrics = createMetrics?.({ ...about, version: packageVersion() });
  const wanted = [
    { name: 'metrics', at: metricsAt, pages: metrics ? metricsPages(metrics) : {} },
    { name: 'health', at: healthAt, pages: healthPages(about.ready) },
  ].filter(({ at }) => at !== '0');

  const opened = new Map<string, Endpoints>();
  const close = async (): Promise<void> =>
    void (await Promise.all([...opened.values()].map((endpoints) => endpoints.close())));
  for (const { at } of wanted) {
    if (opened.has(at)) continue;
    const address = parseBindAddress(at);
    const pages = wanted.filter((other) => other.at === at).map((other) => other.pages);
    const served = address ? await serveEndpoints(address, Object.assign({}, ...pages)) : err(`${at} is no address`);
    if (!served.ok) {
      await close();
      return served;
    }
    opened.set(at, served.value);
  }
  if (wanted.length > 0)
    log.info(
      Object.fromEntries(wanted.map(({ name, at }) => [name, opened.get(at)?.address])),
      'metrics and probes answer',
    );
  return ok({ metered: metrics?.metered ?? ((deps) => deps), close });
}

function metricsPages(metrics: Metrics): Pages {
  return {
    '/metrics': async () => {
      const { text, type } = await metrics.page();
      return { code: 200, type, text };
    },
  };
}

/** Alive is who answers: a loop that hangs does not. */
function healthPages(ready: Checks): Pages {
  return { '/healthz': () => checkPage({ ping: () => undefined }), '/readyz': () => checkPage(ready) };
}
