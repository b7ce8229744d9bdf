/** Between the cluster's own daemons, and our question itself. */
const NOT_A_CLIENTS = new Set(['MESSAGE_NODE_REGISTRATION_STATUS', 'REQUEST_PING', 'REQUEST_STATS_INFO']);

/** @returns how often slurmctld was asked what by clients since `sdiag --reset`, by message type */
export function readRequests(sdiag: string): ReadonlyMap<string, number> {
  const section = sdiag.split('Remote Procedure Call statistics by message type')[1]?.split('\n\n')[0] ?? '';
  const rows = [...section.matchAll(/^\s*([A-Z_]+)\s+\(\s*\d+\)\s+count:(\d+)/gm)];
  return new Map(
    rows.map(([, type = '', count]) => [type, Number(count)] as const).filter(([type]) => !NOT_A_CLIENTS.has(type)),
  );
}
