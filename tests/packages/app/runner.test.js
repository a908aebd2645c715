// The program as a test of Vitest, Jest or Bun. It prints the results.
import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import { program } from './program.js';

test('the program', async () => {
  console.log(`RESULT ${JSON.stringify(await program({ load, diteHRNet }))}`);
});
