import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

export type Authority = {
  readonly certificate: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  readonly serviceAccountKey: string;
};

const EXTENSIONS = 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n';

/** A certificate authority for one bed, and what its server shows. Files in the directory. */
export async function makeAuthority(directory: string): Promise<Authority> {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: readonly string[]) => execa('openssl', args, { timeout: 60_000, cwd: directory });
  const key = (name: string) => openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', name);
  await writeFile(file('extensions'), EXTENSIONS);
  await Promise.all(['ca.key', 'server.key', 'service-account.key'].map(key));
  await openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', '/CN=kube-bed', '-days', '30', '-out', 'ca.crt');
  await openssl('req', '-new', '-key', 'server.key', '-subj', '/CN=kube-apiserver', '-out', 'server.csr');
  await openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-days', '30', '-extfile', 'extensions', '-out', 'server.crt'],
  );
  return {
    certificate: file('ca.crt'),
    serverCertificate: file('server.crt'),
    serverKey: file('server.key'),
    serviceAccountKey: file('service-account.key'),
  };
}
