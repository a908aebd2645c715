// The program in an engine without a page, loaded by require(): prints its result as one line.
const { load } = require('dynakernel');
const { diteHRNet } = require('dynakernel/dite-hrnet');

import('./program.js').then(async ({ program }) => {
  console.log(`RESULT ${JSON.stringify(await program({ load, diteHRNet }))}`);
});
