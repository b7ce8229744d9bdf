import { keyText } from '../../../src/api/key.ts';
import { storeContract } from '../../contract/store.ts';
import { makeScratch, manifest } from './scratch.ts';

storeContract('the directory store', async () => {
  const scratch = await makeScratch();
  const store = await scratch.open();
  const file = (key: Parameters<typeof keyText>[0]) => `${keyText(key).replace('/', '-')}.yaml`;
  return {
    store,
    async apply(key, spec) {
      await scratch.write(file(key), manifest(key, spec));
      await store.refresh();
    },
    async remove(key) {
      await scratch.remove(file(key));
      await store.refresh();
    },
    async reopen() {
      await store.close();
      return scratch.open();
    },
    dispose: scratch.dispose,
  };
});
