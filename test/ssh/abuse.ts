/** What somebody who holds the restricted key might send: none of it may run, read or write anything outside. */
export type Abuse = { readonly words: readonly string[]; readonly stdin?: string };

/** Placed in the text where the directories of a test stand. */
export type Ground = {
  /** May be read. It holds `link` and `way`, which lead to `outside/canary` and to `outside`. */
  readonly logs: string;
  /** May be written. Its `linked` leads to `outside`. */
  readonly secrets: string;
  readonly outside: string;
};

const UNICODE = ['\u202e', '；', '｜', '＄（id）', '‐‐wrap=id', '\u00a0', '\u2028', '..\u2215..\u2215etc'];

/** Text a shell, a path or an option could take for more than a word. `@` is a command that leaves a trace outside. */
const STRINGS: readonly string[] = [
  ...['$(@)', '`@`', ';@', '&& @', '|| @', '| @', '& @', '\\; @', '$IFS@', '$((a[$(@)]))', '$@', '$@(id)'],
  ...[
    '>outside',
    '>>outside',
    '<canary',
    '<(@)',
    '>(@)',
    '<<<x',
    '2>outside',
    '*',
    '?',
    '[a-z]*',
    '~',
    '~root',
    '{a,b}',
  ],
  ...[
    "'@'",
    '"@"',
    "';@;'",
    '";@;"',
    "$'\\n@'",
    '\\\n@',
    '#',
    '!@',
    '!!',
    '^a^b',
    '\r@',
    '\t@',
    '\x07',
    '\x1b[2J',
    ' ',
    '',
  ],
  ...['() { :;}; @', 'env x=() { :;}; @', 'eval @', 'exec @', 'sh -c @', '-', '--', '-c', '--help', '-D', '--uid=0'],
  ...UNICODE,
  'a\u0000;@',
  `${'a'.repeat(70_000)};@`,
  ';@'.repeat(5000),
];

const QUERY = ['--noheader', '--me', '--all', '--states=all'];
const ACCOUNTING = ['--duplicates', '--parsable2', '--noheader', '--allocations'];
const TIMES = ['env', 'SLURM_TIME_FORMAT=%s', 'TZ=UTC'];
const SCRIPT = '#!/bin/sh\nexit 0\n';

export function abuses({ logs, secrets, outside }: Ground): readonly Abuse[] {
  const trace = `touch ${outside}/trace`;
  const strings = STRINGS.map((one) => one.replaceAll('@', trace).replaceAll('outside', `${outside}/trace`));
  const canary = `${outside}/canary`;
  const lines: readonly (readonly string[])[] = [
    // Programs that are not SLURM's, under any name.
    ...[
      ['sh', '-c', trace],
      ['/bin/sh', '-c', trace],
      ['bash', '-lc', trace],
      ['touch', `${outside}/trace`],
      ['cat', canary],
    ],
    ...[
      ['env', 'sh', '-c', trace],
      ['env', '-S', `sh -c ${trace}`],
      ['env', 'TZ=UTC', 'SLURM_TIME_FORMAT=%s', 'squeue'],
    ],
    ...[
      ['timeout', '9', 'sh', '-c', trace],
      ['head', canary],
      ['date', '-s', '2000-01-01'],
      ['date', `-f${canary}`],
      ['id'],
    ],
    ...[
      ['./squeue', '--version'],
      ['../bin/squeue', '--version'],
      [`${outside}/squeue`, '--version'],
      ['command', 'cat', canary],
    ],
    ...[
      ['eval', trace],
      ['.', canary],
      ['exec', 'sh'],
      ['begin', 'cat', canary],
      ['permitted'],
      ['restricted='],
      ['cd', outside],
    ],
    ...[
      ['srun', 'id'],
      ['salloc', 'id'],
      ['sattach', '1.0'],
      ['sbcast', canary, '/tmp/x'],
      ['strigger', '--get'],
      ['scrontab', '-e'],
    ],
    // The environment.
    ...['LD_PRELOAD', 'PATH', 'ENV', 'BASH_ENV', 'IFS', 'SLURM_CONF', 'SLURM_CONF_SERVER', 'SBATCH_WRAP', 'PS4'].map(
      (name) => ['env', `${name}=${outside}/x`, ...['squeue', ...QUERY, '--format=x']],
    ),
    [...TIMES, 'LD_PRELOAD=/x.so', 'squeue', ...QUERY, '--format=x'],
    [...TIMES, 'env', 'sh'],
    [...TIMES],
    [...TIMES, ...TIMES, 'sinfo', '--version'],
    // Options of sbatch.
    ...[
      '--wrap=id',
      '--uid=0',
      '--gid=0',
      '-D/etc',
      '--chdir=/etc',
      `--output=${outside}/trace`,
      `-o${outside}/trace`,
      '--export=ALL',
    ].map((option) => ['sbatch', '--parsable', '--job-name=vllm.a', option]),
    ...[
      `${canary}`,
      '--get-user-env',
      `--export-file=${canary}`,
      '--test-only',
      '-H',
      '--clusters=other',
      `--error=${outside}/trace`,
    ].map((option) => ['sbatch', '--parsable', '--job-name=vllm.a', option]),
    ...[
      '--job-name=other',
      '--job-name=vllm.',
      '--job-name=vllm.a,b',
      '--job-name=vllm.a/../b',
      '--wrap=id',
      '-Jvllm.a',
    ].map((name) => ['sbatch', '--parsable', name]),
    ['sbatch', '--job-name=vllm.a', '--parsable'],
    ['sbatch'],
    // Jobs that are not ours, and more than one asked for.
    ...[
      ['scancel', '1'],
      ['scancel', '--me'],
      ['scancel', '-u', 'root'],
      ['scancel', '--me', '--name=other', '1'],
    ],
    ...[
      ['scancel', '--me', '--name=vllm.a', '1', '2'],
      ['scancel', '--me', '--name=vllm.a', '--signal=USR1'],
      ['scancel', '--me', '--name=vllm.a,b', '1'],
    ],
    ...[
      ['scancel', '--me', '--name=vllm.a', '-1'],
      ['scancel', '--me', '--name=vllm.a', '1_[1-9]'],
      ['scancel', '--me', '--name=vllm.a', ''],
    ],
    ...[
      ['squeue'],
      ['squeue', '--users=root'],
      ['squeue', ...QUERY],
      ['squeue', ...QUERY, '--format=x', '--clusters=all'],
      ['squeue', ...QUERY, '-ojunk'],
    ],
    ...[
      ['squeue', '--noheader', '--states=all', '--jobs=1,2', '--format=%T=%r'],
      ['squeue', '--json'],
      ['squeue', '--help'],
    ],
    ...[
      ['sacct', '--allusers'],
      ['sacct', ...ACCOUNTING, `--file=${canary}`],
      ['sacct', ...ACCOUNTING, '--name=a', '--starttime=2020', '--format=x'],
    ],
    ...[
      ['sinfo', '--json'],
      ['sinfo', '--noheader', '--Node', '--all', '--format=x', '-M', 'all'],
      ['sinfo', '--noheader', '--Node', '--all', '--Format=x', '--iterate=1'],
      ['sinfo', '--noheader'],
    ],
    // What scontrol and sacctmgr change and write.
    ...[
      ['scontrol', 'update', 'JobId=1', 'Priority=0'],
      ['scontrol', 'write', 'batch_script', '1', `${outside}/trace`],
      ['scontrol', 'shutdown'],
    ],
    ...[
      ['scontrol', 'hold', '1'],
      ['scontrol', 'show', 'job', '1'],
      ['scontrol', 'ping', 'ping'],
      ['scontrol', 'token'],
      ['scontrol'],
    ],
    ...[
      ['sacctmgr', '-i', 'add', 'user', 'x'],
      ['sacctmgr', 'dump', 'x', `file=${outside}/trace`],
      ['sacctmgr', 'load', canary],
    ],
    ['sacctmgr', '--parsable2', '--noheader', 'show', 'user', 'where', 'name=x', 'format=defaultaccount', 'withassoc'],
    // Files that are no logs, and logs that are none.
    ...[
      canary,
      `${logs}/../outside/canary`,
      `${logs}/./../outside/canary`,
      `${logs}/link`,
      `${logs}/way/canary`,
      `${logs}//../outside/canary`,
    ].flatMap((file) => [
      ['vllm_log_tail', file, '100'],
      ['vllm_log_piece', file, '0', '100'],
      ['vllm_log_size', file],
    ]),
    ...[
      '/etc/passwd',
      '/proc/self/environ',
      '/dev/stdin',
      'logs/a.log',
      '',
      '..',
      `${logs}`,
      `${logs}/`,
      `${logs}/.hidden`,
    ].map((file) => ['vllm_log_tail', file, '100']),
    ...['-1', '+1', '0x10', '010', '1e3', 'a[$(id)]', '9999999999999'].map((count) => [
      'vllm_log_tail',
      `${logs}/a.log`,
      count,
    ]),
    ['vllm_log_tail', '--follow', '100'],
    ['vllm_log_piece', `${logs}/a.log`, '1+a[0]', '100'],
    ['vllm_log_tail', `${logs}/a.log`, '100', `${outside}/canary`],
    ['vllm_log_names', outside, 'c'],
    ['vllm_log_names', `${logs}/way`, 'c'],
    ['vllm_log_names', logs, '../outside/'],
    ['vllm_make_logs', `${outside}/trace`],
    ['vllm_look_at_logs', outside],
    ['vllm_log_remove', `${logs}/a.log`],
    ['vllm_log_remove', `${logs}/way/doctor-x.out`],
    // Secrets that are none.
    ...[
      [outside, 'o', 'n'],
      [secrets, '..', 'n'],
      [secrets, 'o', '../../outside/trace'],
      [secrets, 'o', '.draft-x'],
      [secrets, '', 'n'],
    ].flatMap((place) => [
      ['vllm_secret_write', ...place],
      ['vllm_secret_read', ...place],
      ['vllm_secret_remove', ...place],
    ]),
    ['vllm_secret_names', outside, 'o'],
    ['vllm_secret_names', secrets, '../outside'],
    ['vllm_secret_write', `${secrets}/`, 'o', 'n'],
    ['vllm_secret_write', secrets, 'o', '-n'],
  ];
  const orders = [
    `!${trace}`,
    'shutdown',
    'update JobId=1 Comment=x',
    `write batch_script 1 ${outside}/trace`,
    'show job 1; shutdown',
    'show job 1\rshutdown',
    'show config',
    'show job',
    'show job 1 2',
    'show job 1\nshutdown',
    'quit now',
    'show  job 1',
  ];
  return [
    ...lines.map((words) => ({ words, stdin: SCRIPT })),
    ...strings.flatMap((one) => [
      { words: [one] },
      { words: ['sinfo', one] },
      { words: ['vllm_log_tail', `${logs}/${one}`, '100'] },
      { words: ['vllm_secret_write', secrets, 'o', one], stdin: 'x' },
    ]),
    ...strings
      .filter(isNoWord)
      .flatMap((one) => [
        { words: ['squeue', ...QUERY, `--format=x${one}`] },
        { words: ['sbatch', '--parsable', `--job-name=vllm.a${one}`], stdin: SCRIPT },
      ]),
    ...orders.map((order) => ({ words: ['scontrol', '--oneliner'], stdin: `${order}\nquit\n` })),
    // Nothing to read: sbatch and scontrol would read what comes next.
    { words: ['sbatch', '--parsable', '--job-name=vllm.a'] },
    { words: ['scontrol', '--oneliner'] },
    { words: ['vllm_secret_write', secrets, 'o', 'n'], stdin: 'x'.repeat(20_000) },
  ];
}

const isNoWord = (text: string): boolean => !/^[A-Za-z0-9_.,:=@%+/-]*$/.test(text);

/** Text in place of requests. `KEY` is the key that was given. */
export const LINES: readonly string[] = [
  'id',
  'sh -c id',
  'KEY',
  'KEY 01 1 -',
  'KEY 01 -1 - -\nid',
  'KEY 01 1+1 - -\nid\nid',
  'KEY 01 a[$(touch_trace)] - -\nid',
  'KEY 01 1 $(touch_trace) -\nid\nid',
  'KEY 01 1 - $(touch_trace)\nid\nid',
  'KEY 01 99999999999999999999 - -\nid',
  'KEY 01 1001 - -\nid',
  'KEY * 1 - -\nid\nid',
  'KEY ../x 1 - -\nid\nid',
  'KEY 01 08 - -\nid',
  'KEY\t01\t1\t-\t-\nid\nid',
];

/** What the operator itself sends: all of this runs. `%s` is in its words as it is. */
export function legitimate({ logs, secrets }: Ground): readonly Abuse[] {
  return [
    { words: ['vllm_clock'] },
    { words: ['id', '-un'] },
    { words: ['sinfo', '--version'] },
    { words: ['sbatch', '--parsable', '--job-name=vllm.default.a-b.r0.a1'], stdin: `${SCRIPT}# $(id); 'quoted'\n` },
    { words: [...TIMES, 'squeue', ...QUERY, '--format=@1f@%A=%T=%V@1f@%j@1f@%k'] },
    { words: ['squeue', '--noheader', '--states=all', '--jobs=17', '--format=%T=%r'] },
    { words: ['scancel', '--me', '--name=vllm.default.a-b.r0.a1', '17'] },
    { words: ['scancel', '--me', '--name=vllm-slurm-doctor-0af3'] },
    { words: [...TIMES, 'scontrol', '--oneliner'], stdin: 'show job 17\nshow job 18\nquit\n' },
    { words: ['scontrol', 'ping'] },
    { words: [...TIMES, 'scontrol', 'show', 'config'] },
    { words: ['scontrol', '--oneliner', '--all', 'show', 'partition'] },
    { words: ['sinfo', '--noheader', '--Node', '--all', '--format=%N=%T=%o'] },
    {
      words: ['sinfo', '--noheader', '--Node', '--all', '--Format=NodeList:=,StateLong:=,NodeAddr:=,Gres:=,GresUsed:'],
    },
    {
      words: [
        ...TIMES,
        'sacct',
        ...ACCOUNTING,
        '--name=vllm.a.b.r0.a1,vllm.a.b.r0.a2',
        '--starttime=now-300',
        '--format=JobIDRaw,State',
      ],
    },
    { words: ['sacctmgr', '--parsable2', '--noheader', 'show', 'qos', 'format=name,maxwall'] },
    {
      words: [
        'sacctmgr',
        '--parsable2',
        '--noheader',
        'show',
        'associations',
        'where',
        'user=ada',
        'format=account,qos',
      ],
    },
    { words: ['sacctmgr', '--parsable2', '--noheader', 'show', 'user', 'where', 'name=ada', 'format=defaultaccount'] },
    { words: ['vllm_make_logs', logs] },
    { words: ['vllm_look_at_logs', logs] },
    { words: ['vllm_log_names', logs, 'a'] },
    { words: ['vllm_log_size', `${logs}/a.log`] },
    { words: ['vllm_log_tail', `${logs}/a.log`, '100'] },
    { words: ['vllm_log_piece', `${logs}/a.log`, '2', '3'] },
    { words: ['vllm_secret_write', secrets, 'owner-1', 'name.token'], stdin: 'xyz\n' },
    { words: ['vllm_secret_read', secrets, 'owner-1', 'name.token'] },
    { words: ['vllm_secret_names', secrets, 'owner-1'] },
    { words: ['vllm_secret_remove', secrets, 'owner-1', 'name.token'] },
  ];
}
