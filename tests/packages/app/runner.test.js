// The program as a test of Vitest, Jest or Bun; the results are printed.
import { load } from 'dynakernel';
import { program } from './program.js';

test('the program', async () => {
  console.log(`RESULT ${JSON.stringify(await program({ load }))}`);
});
