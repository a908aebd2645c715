// The program in an engine without a page: prints its result as one line.
import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import { program } from './program.js';

console.log(`RESULT ${JSON.stringify(await program({ load, diteHRNet }))}`);
